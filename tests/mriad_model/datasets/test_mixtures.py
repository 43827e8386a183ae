"""A healthy pool of scans that may not belong together is told, one that does is not."""

import pytest

from mriad_model.datasets.mixtures import MANY, PoolScan, mixtures


def pictures(source: str, n: int, *sizes: str, drawn: bool = False) -> list[PoolScan]:
    return [PoolScan(source, drawn, sizes[i % len(sizes)], None) for i in range(n)]


def volumes(n: int, contrast: str | None, drawn: bool = False) -> list[PoolScan]:
    return [PoolScan("archive", drawn, None, contrast) for _ in range(n)]


@pytest.mark.parametrize(
    "pool",
    [
        [],
        pictures("a", 20, "240 x 240"),
        pictures("a", 20, "240 x 240", drawn=True),
        pictures("a", 20, "240 x 240") + pictures("b", 20, "240 x 240"),
        pictures("a", 20, "240 x 240") + pictures("b", 20, "240 x 240", "512 x 512"),
        pictures("a", 20, "1 x 2", "3 x 4") + pictures("b", 20, "5 x 6", "7 x 8"),  # both motley
        pictures("a", 20, "240 x 240") + pictures("b", MANY - 1, "512 x 512"),  # a handful
        volumes(9, "FLAIR"),
        volumes(9, None),
        volumes(9, "FLAIR", drawn=True),
    ],
)
def test_a_pool_of_one_kind_is_not_warned_of(pool: list[PoolScan]) -> None:
    assert mixtures(pool) == []


def test_drawn_heads_among_others_are_told() -> None:
    (said,) = mixtures(pictures("a", 9, "1 x 1") + pictures("b", 3, "1 x 1", drawn=True))
    assert said.startswith("the healthy pool mixes drawn heads (3) and other scans (9)")
    assert len(mixtures(volumes(9, "FLAIR") + volumes(1, "FLAIR", drawn=True))) == 1


def test_sources_of_pictures_that_share_no_size_are_told() -> None:
    (said,) = mixtures(
        pictures("kaggle", 20, "630 x 630", "225 x 225") + pictures("site", MANY, "240 x 240")
    )
    assert "pictures of site are all 240 x 240, those of kaggle of other sizes" in said


def test_volumes_that_do_not_say_their_contrast_are_told() -> None:
    (said,) = mixtures(volumes(5, "FLAIR") + volumes(2, None))
    assert said.startswith("2 of 7 healthy volumes do not say their contrast, the others are FLAIR")
