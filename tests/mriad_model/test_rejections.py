"""Rejections as a user reads them."""

from mriad_model.enums import RejectionReason as Reason
from mriad_model.rejections import (
    MOST_SCANS,
    VANISHED,
    NotScored,
    RejectedItem,
    group_by_folder,
    grouped_scans,
    n_rejected_in_words,
    not_scored,
    split_rejections,
)


def test_a_series_that_is_refused_is_one_line_and_hides_nothing_else() -> None:
    series = [
        RejectedItem(f"inbox/a/{i:03}.dcm", Reason.GAP, "a slice is missing") for i in range(44)
    ]
    other = RejectedItem("inbox/a/cut.nii.gz", Reason.TRUNCATED, "ends early")
    apart = [RejectedItem(f"inbox/{i}/x.dcm", Reason.GAP, "a slice is missing") for i in range(2)]
    assert group_by_folder([*series, other, *apart]) == [
        RejectedItem("inbox/a/", Reason.GAP, "a slice is missing (44 files)", n_files=44),
        other,
        *apart,
    ]


def test_two_files_alike_stay_two_lines() -> None:
    two = [RejectedItem(f"{i}.png", Reason.EMPTY, "no bytes") for i in range(2)]
    assert group_by_folder(two) == two


def test_what_is_rejected_is_counted_in_files_and_in_groups() -> None:
    series = [RejectedItem(f"a/{i}.dcm", Reason.GAP, "a slice is missing") for i in range(57)]
    assert n_rejected_in_words([]) == "0 files rejected"
    assert n_rejected_in_words(series[:1]) == "1 file rejected"
    assert n_rejected_in_words(series) == "57 files rejected (1 group)"
    other = RejectedItem("b.png", Reason.EMPTY, "no bytes")
    assert n_rejected_in_words([*series, other]) == "58 files rejected (2 groups)"


def test_a_scan_that_is_not_scorable_is_no_rejected_file() -> None:
    file = RejectedItem("b.dcm", Reason.INCOMPLETE, "too few slices")
    scan = RejectedItem("a/", Reason.INCOMPLETE, "the top is cut off", of_scan=True)
    failed = RejectedItem("c.nii", Reason.UNREGISTERED, "fit 0.2")
    split = split_rejections([file, scan, failed])
    assert (split.rejected, split.not_scorable) == ([file], [scan, failed])
    assert [each.why_not_scorable for each in split.not_scorable] == [
        "incomplete: the top is cut off",
        "registration failed: fit 0.2",
    ]


def test_scans_that_are_not_scored_are_lines_of_their_own_unless_they_are_many() -> None:
    scans = [
        RejectedItem(f"a/{i}.png", Reason.OTHER_KIND, "learned volumes", scan_id=i)
        for i in range(MOST_SCANS + 1)
    ]
    assert [each.scan_id for each in grouped_scans(scans[1:])] == [*range(1, MOST_SCANS + 1)]
    (line,) = grouped_scans(scans)
    assert (line.scan_id, line.n_files) == (None, MOST_SCANS + 1)


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
