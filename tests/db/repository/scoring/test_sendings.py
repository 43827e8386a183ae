"""Attempts to send: all are kept, and a place takes a file once."""

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine.chain_check import broken_links
from db.engine.connect import writing
from db.entities import Sending
from db.repository.scoring.decisions import HeatmapFile, ScoredScan, append_scored
from db.repository.scoring.sendings import append_sending, sendings, unsent_outputs
from mriad_model.enums import HeatmapKind, Verdict

if TYPE_CHECKING:
    from tests.support.record.hand import Hand

PACS, OTHER = "dicom://PACS@10.0.0.5:104", "https://pacs.example.org/x"


def at(day: int) -> str:
    return f"2026-11-{day:02d}T12:00:00.000000+00:00"


@pytest.fixture
def filled(hand: "Hand") -> "Hand":
    """A scan with a picture, a SEG and an SR, of November 1 and 2."""
    ready = hand.ready()
    kinds = (HeatmapKind.MONTAGE, HeatmapKind.SEGMENTATION, HeatmapKind.STRUCTURED_REPORT)
    for day, name in ((1, "a"), (2, "b")):
        files = [
            HeatmapFile(kind, 0, f"heatmaps/{name}-{kind}", hand.sha(name + kind)) for kind in kinds
        ]
        (scan_id,) = hand.scans(name)
        row = ScoredScan(scan_id, 0.7, (0.7,), files, Verdict.SUSPICIOUS, 0.25)
        append_scored(hand.engine, *ready, [row], hand.run(), at(day))
    return hand


def unsent(hand: "Hand", to: str, since: str = at(1)) -> list[str]:
    return [each.path for each in unsent_outputs(hand.engine, to, since)]


def test_a_place_has_what_it_took_and_another_has_not(filled: "Hand") -> None:
    of_b = ["heatmaps/b-segmentation", "heatmaps/b-structured_report"]
    assert unsent(filled, PACS, at(2)) == of_b
    assert unsent(filled, PACS) == [each.replace("b-", "a-") for each in of_b] + of_b
    first, *_ = unsent_outputs(filled.engine, PACS, at(1))
    failed = Sending(first.heatmap_id, PACS, None, "it does not answer", filled.run(), at(3))
    assert append_sending(filled.engine, failed)
    assert append_sending(filled.engine, failed)  # each attempt has its row
    assert len(unsent(filled, PACS)) == 4
    taken = Sending(first.heatmap_id, PACS, first.sha256, "taken", filled.run(), at(3))
    assert append_sending(filled.engine, taken)
    assert not append_sending(filled.engine, taken)
    assert len(unsent(filled, PACS)) == 3
    assert len(unsent(filled, OTHER)) == 4
    assert [each.delivered for each in sendings(filled.engine)] == [None, None, first.sha256]
    assert list(broken_links(filled.engine)) == []


def test_attempts_are_append_only(filled: "Hand") -> None:
    first, *_ = unsent_outputs(filled.engine, PACS, at(1))
    append_sending(
        filled.engine, Sending(first.heatmap_id, PACS, first.sha256, "taken", filled.run(), at(3))
    )
    for change in ("UPDATE sending SET delivered = NULL", "DELETE FROM sending"):
        with pytest.raises(DBAPIError, match="append-only"), writing(filled.engine) as connection:
            connection.execute(text(change))
