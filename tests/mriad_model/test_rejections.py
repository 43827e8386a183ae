"""Rejections as a user reads them."""

from mriad_model.enums import RejectionReason as Reason
from mriad_model.rejections import VANISHED, NotScored, RejectedItem, group_by_folder, not_scored


def test_a_series_that_is_refused_is_one_line_and_hides_nothing_else() -> None:
    series = [
        RejectedItem(f"inbox/a/{i:03}.dcm", Reason.GAP, "a slice is missing") for i in range(44)
    ]
    other = RejectedItem("inbox/a/cut.nii.gz", Reason.TRUNCATED, "ends early")
    apart = [RejectedItem(f"inbox/{i}/x.dcm", Reason.GAP, "a slice is missing") for i in range(2)]
    assert group_by_folder([*series, other, *apart]) == [
        RejectedItem("inbox/a/", Reason.GAP, "a slice is missing (44 files)"),
        other,
        *apart,
    ]


def test_two_files_alike_stay_two_lines() -> None:
    two = [RejectedItem(f"{i}.png", Reason.EMPTY, "no bytes") for i in range(2)]
    assert group_by_folder(two) == two


def test_a_scan_that_cannot_be_judged_is_not_said_to_have_vanished() -> None:
    gone = RejectedItem("a.png", Reason.UNREADABLE, VANISHED)
    cut = [RejectedItem(f"{i}.nii.gz", Reason.INCOMPLETE, "the top is cut off") for i in range(2)]
    report = RejectedItem("d/", Reason.NO_FRAME_OF_REFERENCE, "no DICOM outputs")
    assert not_scored(3, [gone, *cut, report]).texts() == [
        (1, "its files vanished or changed"),
        (2, "they cannot be scored (incomplete), see the rejected files"),
    ]
    assert not_scored(1, cut).texts() == [
        (1, "it cannot be scored (incomplete), see the rejected files")
    ]
    assert not_scored(2, [gone, gone]).texts() == [(2, "their files vanished or changed")]
    assert not_scored(0, []) == NotScored()
    assert not NotScored().texts()
