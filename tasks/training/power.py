"""The power of a model just fitted: lesions implanted in healthy scans that it did not learn."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from db.repository.intake.scans import scans_by_id
from db.repository.training.models import dataset_folds, dataset_groups, dataset_roles
from mriad_model.enums import DecisionReason, RejectionReason, Role
from mriad_model.errors import RejectedFile
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.preprocessing.slices import PreparedScan
from mriad_model.promotion.comparison import one_of_each
from mriad_model.promotion.implants import sized_implant
from mriad_model.promotion.power import MOST_SCANS, WANTED, ImplantScore, PlannedImplant, planned
from mriad_model.readers.scan_types import ReadScan
from tasks.runtime.connections import database
from tasks.runtime.progress import tell
from tasks.runtime.source_files import LocatedScan
from tasks.runtime.workspace import Workspace

if TYPE_CHECKING:
    from mriad_model.detection.model import FittedModel
    from mriad_model.detection.scan_scores import ScanScores

VOLUMES, IN_VOLUMES = 6, 24  # that lesions are put into, and lesions: a volume takes a second
TOGETHER = 8  # scans loaded at once


def implant_scores(
    home: str,
    dataset_id: int,
    fitted: "FittedModel",
    folder: str,
    load: Callable[[Sequence[int], Workspace], Sequence[LocatedScan]],
) -> list[ImplantScore]:
    """Scores of lesions implanted in the calibration scans of a dataset, one scan a group.

    A scan of a fold is scored by the member that did not learn it. `folder` is a scratch folder;
    `load` reads scans by their ids. One whose files are gone, or that cannot be scored as it is, is
    skipped.
    """
    engine = database(home)
    groups, folds = dataset_groups(engine, dataset_id), dataset_folds(engine, dataset_id)
    held_out = sorted(
        i
        for i, role in dataset_roles(engine, dataset_id).items()
        if role is Role.CALIBRATION or i in folds
    )
    hashes = {i: scan.sha256 for i, scan in scans_by_id(engine, held_out).items()}
    most, wanted = (MOST_SCANS, WANTED) if fitted.recipe.volumes is None else (VOLUMES, IN_VOLUMES)
    places = one_of_each([groups[i] for i in held_out], [hashes[i] for i in held_out], most)
    # In the order of their content: what is implanted does not depend on which was met first.
    chosen = sorted((held_out[place] for place in places), key=hashes.__getitem__)
    found: list[ImplantScore] = []
    tell("implanting", 0, len(chosen), unit="scans")
    for start in range(0, len(chosen), TOGETHER):
        workspace = Workspace(Path(folder) / f"power-{start}")
        some = chosen[start : start + TOGETHER]
        for located in load(some, workspace):
            place = chosen.index(located.scan_id)
            tell("implanting", place, len(chosen), unit="scans")
            plans = planned(place, len(chosen), wanted)
            found += _scored(
                fitted,
                located.kept.scan.load(),
                located.kept.scan.sha256,
                plans,
                groups[located.scan_id],
                folds,
                located.scan_id,
            )
        workspace.discard()
        tell("implanting", min(start + TOGETHER, len(chosen)), len(chosen), unit="scans")
    return found


def _scored(
    fitted: "FittedModel",
    scan: ReadScan,
    sha256: str,
    plans: Sequence[PlannedImplant],
    group: int,
    folds: Mapping[int, int],
    scan_id: int,
) -> list[ImplantScore]:
    """The scores of a scan with each planned lesion in it."""
    from mriad_model.detection.scan_scores import score_scans  # noqa: PLC0415 - torch

    prepared: list[PreparedScan] = []
    sizes: list[float] = []
    why: list[str | None] = []
    try:
        prepared.append(prepare_scan(scan, fitted.recipe))
        for plan in plans:
            changed, size = sized_implant(scan, plan.kind, plan.name(sha256), plan.radii)
            sizes.append(size)
            try:
                prepared.append(prepare_scan(changed, fitted.recipe))
                why.append(None)
            except RejectedFile as error:
                why.append(error.reason.value)
    except RejectedFile:
        return []  # the scan itself is none
    found = score_scans(fitted, prepared, [folds.get(scan_id)] * len(prepared))
    healthy, _ = _judged(found[0])
    scores = iter(found[1:])
    rows = []
    for plan, size, rejected in zip(plans, sizes, why, strict=True):
        score, lost = (None, rejected) if rejected else _judged(next(scores))
        rows.append(ImplantScore(group, plan.kind.value, size, score, healthy, lost))
    return rows


def _judged(found: "ScanScores") -> tuple[float | None, str | None]:
    """A score, or why there is none."""
    if found.not_scorable:
        return None, DecisionReason.UNLIKE_LEARNED.value
    if not math.isfinite(found.score):
        return None, RejectionReason.NOT_FINITE.value
    return found.score, None
