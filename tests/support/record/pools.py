"""A pool of healthy scans."""

from pathlib import Path

from db.repository.intake.scans import register_scans
from tasks.runtime.connections import database
from tests.support.record.hand import Hand


def pool(home: Path, *paths: str) -> list[int]:
    """Healthy scans as seen at these recorded paths."""
    hand = Hand(database(str(home)))
    ids = [register_scans(hand.engine, [hand.seen(path, path=path)])[0].scan_id for path in paths]
    for scan_id in ids:
        hand.label(scan_id)
    return ids
