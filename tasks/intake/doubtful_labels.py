"""Doubtful healthy labels: a lesion's mask lies beside the scan, or it is not scorable.

The labels count all the same, for they are people's; a warning asks to look at them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from db.engine.connect import reading
from db.entities import RecordedWarning
from db.repository.intake.labels import last_labels
from db.repository.scoring.scores import stored_scores
from db.repository.scoring.warnings import append_warnings
from db.timestamps import now
from mriad_model.detection.decisions.verdicts import is_not_scorable
from mriad_model.enums import LabelValue, WarningKind
from mriad_model.errors import RejectedFile
from mriad_model.readers.mask_files import mask_beside, masked_by
from mriad_model.readers.masks import speaks_of_lesion
from tasks.runtime.connections import reader_pool

TOGETHER: Final = 16  # masks in one message to a child
MOST_NAMED: Final = 5
MASKED: Final = (
    "{scans} labelled healthy, and the mask beside {it} marks a lesion: look at the label (mriad "
    "show, mriad review)"
)
UNLIKE: Final = (
    "{scans} labelled healthy, and by the gate of model {model} not like the other healthy scans: "
    "look at the label (mriad show, mriad review); with such scans the threshold is too high"
)

IS_MASK: Final = (
    "{scans} by its name the mask of a picture beside it, registered as a scan before masks were "
    "recognised; nothing is removed from the record: label such scans abnormal (mriad review), so "
    "that no model learns from them"
)


def masked_scans(paths: Mapping[int, Path]) -> list[int]:
    """Of scans (by id, each with its file), those whose mask beside it marks a lesion."""
    masks = {scan_id: mask for scan_id, path in paths.items() if (mask := mask_beside(path))}
    read = reader_pool().map(speaks_of_lesion, list(masks.values()), together=TOGETHER)
    return [
        scan_id
        for scan_id, outcome in zip(masks, read, strict=True)
        if not isinstance(outcome, RejectedFile) and outcome
    ]


def unlike_scans(engine: Engine, model_id: int, scan_ids: Iterable[int]) -> list[int]:
    """Of scans that a model has scored, those that are not scorable."""
    found = stored_scores(engine, model_id, scan_ids)
    return [scan_id for scan_id, score in found.items() if is_not_scorable(score.gate)]


def masks_among_scans(engine: Engine, known: Iterable[tuple[int, str]]) -> list[str]:
    """Warnings of known (scan id, path) that are masks by their names; they stay scans.

    None of those that are labelled abnormal.
    """
    named = [scan_id for scan_id, path in known if masked_by(Path(path)) is not None]
    with reading(engine) as connection:
        labels = last_labels(connection, named)
    masks = [
        scan_id
        for scan_id in named
        if scan_id not in labels or labels[scan_id].value is not LabelValue.ABNORMAL
    ]
    return [IS_MASK.format(scans=scans_in_words(masks))] if masks else []


def label_doubts(
    engine: Engine,
    run_id: int,
    masked: Sequence[int],
    unlike: Sequence[int] = (),
    model_id: int | None = None,
) -> list[str]:
    """A sentence for each kind of doubt; the record gets them as warnings of the run."""
    texts = {}
    if masked:
        it = "it" if len(masked) == 1 else "each"
        texts["mask"] = (MASKED.format(scans=scans_in_words(masked), it=it), masked)
    if unlike:
        text = UNLIKE.format(scans=scans_in_words(unlike), model=model_id)
        texts["gate"] = (text, unlike)
    warnings = [
        RecordedWarning(
            kind=WarningKind.LABEL,
            subject=json.dumps({"doubt": doubt, "model_id": model_id, "scans": sorted(scans)}),
            text=f"{text}.",
            run_id=run_id,
            created_at=now(),
        )
        for doubt, (text, scans) in texts.items()
    ]
    append_warnings(engine, warnings)
    return [text for text, _ in texts.values()]


def scans_in_words(scan_ids: Sequence[int]) -> str:
    """`scan 3 is`, `scans 3, 5 and 8 are`, `12 scans (3, 5, 8, 9, 11, ...) are`."""
    ids = [str(each) for each in sorted(scan_ids)]
    if len(ids) == 1:
        return f"scan {ids[0]} is"
    if len(ids) <= MOST_NAMED:
        return f"scans {', '.join(ids[:-1])} and {ids[-1]} are"
    return f"{len(ids)} scans ({', '.join(ids[:MOST_NAMED])}, ...) are"
