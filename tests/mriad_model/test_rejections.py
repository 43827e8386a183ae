"""Rejections as a user reads them."""

from mriad_model.rejections import VANISHED, NotScored, RejectedItem, group_by_folder, not_scored


def test_a_series_that_is_refused_is_one_line_and_hides_nothing_else() -> None:
    series = [RejectedItem(f"inbox/a/{i:03}.dcm", "gap", "a slice is missing") for i in range(44)]
    other = RejectedItem("inbox/a/cut.nii.gz", "truncated", "ends early")
    apart = [RejectedItem(f"inbox/{i}/x.dcm", "gap", "a slice is missing") for i in range(2)]
    assert group_by_folder([*series, other, *apart]) == [
        RejectedItem("inbox/a/", "gap", "a slice is missing (44 files)"),
        other,
        *apart,
    ]


def test_two_files_alike_stay_two_lines() -> None:
    two = [RejectedItem(f"{i}.png", "empty", "no bytes") for i in range(2)]
    assert group_by_folder(two) == two


def test_a_scan_that_cannot_be_judged_is_not_said_to_have_vanished() -> None:
    gone = RejectedItem("a.png", "unreadable", VANISHED)
    cut = [RejectedItem(f"{i}.nii.gz", "incomplete", "the top is cut off") for i in range(2)]
    report = RejectedItem("d/", "no_frame_of_reference", "no DICOM outputs")
    assert not_scored(3, [gone, *cut, report]).told() == [
        (1, "its files vanished or changed"),
        (2, "they cannot be judged (incomplete), see the rejected files"),
    ]
    assert not_scored(1, cut).told() == [
        (1, "it cannot be judged (incomplete), see the rejected files")
    ]
    assert not_scored(2, [gone, gone]).told() == [(2, "their files vanished or changed")]
    assert not_scored(0, []) == NotScored()
    assert not NotScored().told()
