"""What changed since the last page, in words."""

from mriad_model.reports.changes import (
    why_in_words,
)


def test_a_reason_stands_without_the_figures_beside_it() -> None:
    told = "AUROC on implanted lesions 0.700 against 0.800, 2 of 22 healthy scans flagged"
    failed = f"not promoted: it may flag more healthy scans than the margin allows; {told}"
    plain = "it may flag more healthy scans than the margin allows"
    assert why_in_words(failed, promoted=False, compared=True) == plain
    assert why_in_words(f"promoted: {told}", promoted=True, compared=True).startswith(
        "it is no worse than"
    )
    few = "not promoted: 6 healthy scans are too few to tell; 15 are needed"
    assert why_in_words(few, promoted=False, compared=False) == few.removeprefix("not promoted: ")
    older = few.replace("not promoted", "refused")
    assert (
        why_in_words(older, promoted=False, compared=False)
        == "6 healthy scans are too few to tell; 15 are needed"
    )
    forced = f"promoted because it was forced, otherwise {few}"
    assert why_in_words(forced, promoted=True, compared=False) == forced
