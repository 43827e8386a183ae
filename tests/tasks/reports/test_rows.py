"""Rows of a page: findings in words."""

import pytest

from db.entities import Finding
from mriad_model.enums import ScanKind, Side
from tasks.reports.rows import findings_in_words


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
