"""Rows of a page: findings in words."""

import pytest

from db.entities import Finding
from mriad_model.enums import RejectionReason, ScanKind, Side
from mriad_model.rejections import RejectedItem
from tasks.reports.rows import finding_cells, findings_in_words, rejection_cells


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ScanKind.NIFTI, "3.2 ml (patient's right), 0.4 ml (midline), 0.3 ml, and 1 more"),
        (
            ScanKind.IMAGE,
            "320.0 % of the head (picture's right), 40.0 % of the head (midline), "
            "30.0 % of the head, and 1 more",
        ),
    ],
)
def test_a_side_is_said_to_be_the_patients_or_the_pictures(kind: ScanKind, words: str) -> None:
    parts = [(3.2, Side.RIGHT), (0.4, Side.MIDLINE), (0.3, None), (0.2, None)]
    findings = [
        Finding(1, position, size, 9.0, 0.0, 0.0, 0.0, side)
        for position, (size, side) in enumerate(parts, start=1)
    ]
    assert findings_in_words(findings, kind) == words


@pytest.mark.parametrize(
    ("kind", "size", "z"),
    [
        (ScanKind.NIFTI, {"largest_finding_ml": 0.25}, 7.0),
        (ScanKind.IMAGE, {"largest_finding_percent_of_head": 25.0}, None),
    ],
)
def test_the_table_has_the_largest_finding_and_not_the_highest(
    kind: ScanKind, size: dict[str, float], z: float | None
) -> None:
    found = [
        Finding(1, 1, 0.125, 9.0, 1.0, 2.0, 3.0, Side.LEFT),
        Finding(1, 2, 0.25, 8.0, -5.0, 6.0, 7.0, Side.RIGHT),
    ]
    cells = {name: value for name, value in finding_cells(found, kind).items() if value is not None}
    whose = "patient's" if kind is ScanKind.NIFTI else "picture's"
    place = {"largest_finding_x": -5.0, "largest_finding_y": 6.0, "largest_finding_z": z}
    assert cells == {
        "findings": 2,
        "largest_finding_side": f"{whose} right",
        **size,
        **{name: value for name, value in place.items() if value is not None},
    }
    assert finding_cells([], kind) == {"findings": 0}


def test_a_scan_without_a_score_has_its_id_in_the_table_and_a_rejected_file_none() -> None:
    items = [
        RejectedItem("a.txt", RejectionReason.EMPTY, "no bytes"),
        RejectedItem("b.nii", RejectionReason.UNREGISTERED, "fit 0.2", of_scan=True, scan_id=32),
    ]
    assert [each["scan_id"] for each in rejection_cells(items)] == [None, 32]
