"""Rejections as a user reads them."""

from tasks.refused import Refused, folded


def test_a_series_that_is_refused_is_one_line_and_hides_nothing_else() -> None:
    series = [Refused(f"inbox/a/{i:03}.dcm", "gap", "a slice is missing") for i in range(44)]
    other = Refused("inbox/a/cut.nii.gz", "truncated", "ends early")
    apart = [Refused(f"inbox/{i}/x.dcm", "gap", "a slice is missing") for i in range(2)]
    assert folded([*series, other, *apart]) == [
        Refused("inbox/a/", "gap", "a slice is missing (44 files)"),
        other,
        *apart,
    ]


def test_two_files_alike_stay_two_lines() -> None:
    two = [Refused(f"{i}.png", "empty", "no bytes") for i in range(2)]
    assert folded(two) == two
