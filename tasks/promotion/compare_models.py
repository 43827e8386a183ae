"""Two models on the same scans: healthy ones, the same with lesions implanted, abnormal ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.repository.scoring.decisions import ScoredScan, append_scored
from db.repository.training.models import model_folds
from db.timestamps import now
from mriad_model.errors import RejectedFile
from mriad_model.phantom.lesions import Lesion
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.promotion.implants import implanted_scan
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import tell, timed
from tasks.runtime.source_files import LocatedScan, load_scans
from tasks.runtime.workspace import Workspace

if TYPE_CHECKING:
    from mriad_model.detection.model import FittedModel
    from mriad_model.detection.scan_scores import ScanScores

CHUNK = 512  # slices


@dataclass(slots=True)
class ComparisonScores:
    """A model's scores, in the order of the scans."""

    healthy: list[float] = field(default_factory=list)
    implanted: list[list[float]] = field(default_factory=list)  # one of each kind of lesion
    abnormal: list[float] = field(default_factory=list)
    not_scorable: list[list[bool]] = field(default_factory=list)  # which implants
    healthy_not_scorable: list[bool] = field(default_factory=list)  # which healthy ones


@dataclass(frozen=True, slots=True)
class ComparedScans:
    """The comparison scans that could be scored, and each model's scores of them."""

    healthy: list[int]
    abnormal: list[int]
    scores: dict[int, ComparisonScores]  # by model


@task(name="score-comparison-scans", cache_policy=NO_CACHE)
@timed("compare")
def score_comparison_scans(
    home: str,
    run_id: int,
    model_ids: Sequence[int],
    healthy: Sequence[tuple[int, int]],
    abnormal: Sequence[tuple[int, int]],
    folder: str,
    device: str,
    *,
    keep: bool = True,
) -> ComparedScans:
    """Score scans, (scan id, slices), under each model; with `keep`, append those of plain scans.

    A scan that one model cannot score is skipped for all; one of a fold of a model's training is
    compared by one member of each, see `comparison_folds`. What is appended is the score that the
    model gives the scan otherwise too. `folder` is a scratch folder.
    """
    compared = ComparedScans([], [], {each: ComparisonScores() for each in model_ids})
    folds = {each: model_folds(database(home), each) for each in model_ids}
    done, total = 0, len(healthy) + len(abnormal)
    tell("comparing", done, total, unit="scans")
    for scans, is_abnormal in ((healthy, False), (abnormal, True)):
        kinds = () if is_abnormal else tuple(Lesion)
        for number, chunk in in_chunks(scans, CHUNK, lambda each: each[1]):
            workspace = Workspace(Path(folder) / f"compared-{int(is_abnormal)}-{number}")
            of_chunk = load_scans(home, run_id, [scan_id for scan_id, _ in chunk], workspace)
            for place, located in enumerate(of_chunk):
                tell("comparing", done + place, total, unit="scans")
                models = {each: loaded_model(home, each, device) for each in model_ids}
                own = {each: folds[each].get(located.scan_id) for each in model_ids}
                scored = _scored(located, models, own, kinds)
                if scored is not None:
                    if keep:
                        _append(home, run_id, located.scan_id, scored.plain)
                    _add(compared, located.scan_id, scored.compared, is_abnormal=is_abnormal)
            workspace.discard()
            done += len(chunk)
            tell("comparing", done, total, unit="scans")
    return compared


def comparison_folds(
    own: Mapping[int, int | None], members: Mapping[int, int]
) -> dict[int, int | None]:
    """By which member each model is compared on a scan, by model; None: by the mean of all.

    A mean of several members ranks better than one of them. So where a model learned from the scan,
    and one member alone can score it, each is compared by one: its own, where the scan was in a
    fold of its training, else, for no member saw the scan, that of the other's number.

    Args:
        own: the fold of the scan in each model's training.
        members: how many members each model has.
    """
    folds = [fold for fold in own.values() if fold is not None]
    if not folds:
        return dict(own)
    return {
        model_id: folds[0] % members[model_id] if fold is None and members[model_id] > 1 else fold
        for model_id, fold in own.items()
    }


def _add(
    compared: ComparedScans,
    scan_id: int,
    scored: "Mapping[int, list[ScanScores]]",
    *,
    is_abnormal: bool,
) -> None:
    (compared.abnormal if is_abnormal else compared.healthy).append(scan_id)
    for model_id, (plain, *implanted) in scored.items():
        scores = compared.scores[model_id]
        (scores.abnormal if is_abnormal else scores.healthy).append(plain.score)
        if not is_abnormal:
            scores.implanted.append([each.score for each in implanted])
            scores.not_scorable.append([each.not_scorable for each in implanted])
            scores.healthy_not_scorable.append(plain.not_scorable)


def _append(home: str, run_id: int, scan_id: int, scored: "Mapping[int, ScanScores]") -> None:
    for model_id, plain in scored.items():
        values = plain.slice_scores.tolist()
        row = ScoredScan(
            scan_id,
            plain.score,
            values,
            positions=plain.positions,
            gate=plain.gate,
            spread=plain.spread,
        )
        append_scored(database(home), model_id, None, [row], run_id=run_id, now=now())


@dataclass(frozen=True, slots=True)
class _Scored:
    """A scan's scores, by model."""

    plain: "dict[int, ScanScores]"  # as the model gives it otherwise too
    compared: "dict[int, list[ScanScores]]"  # on one footing: as it is, then with each lesion


def _scored(
    located: LocatedScan,
    models: "Mapping[int, FittedModel]",
    own: Mapping[int, int | None],
    kinds: Sequence[Lesion],
) -> _Scored | None:
    """Each model's scores of the scan as it is and with each lesion; None if it has no slice.

    `own`, by model, is the scan's fold in its training.
    """
    from mriad_model.detection.scan_scores import score_scans  # noqa: PLC0415 - torch

    scan, seed = located.kept.scan.load(), located.kept.scan.sha256
    try:
        scans = [scan, *(implanted_scan(scan, kind, seed) for kind in kinds)]
        recipes = {fitted.recipe for fitted in models.values()}
        prepared = {how: [prepare_scan(each, how) for each in scans] for how in recipes}
    except RejectedFile:
        return None
    folds = comparison_folds(own, {each: len(fitted.members) for each, fitted in models.items()})
    compared = {
        model_id: score_scans(fitted, prepared[fitted.recipe], [folds[model_id]] * len(scans))
        for model_id, fitted in models.items()
    }
    plain = {
        model_id: compared[model_id][0]
        if folds[model_id] == own[model_id]
        else score_scans(fitted, prepared[fitted.recipe][:1], [own[model_id]])[0]
        for model_id, fitted in models.items()
    }
    return _Scored(plain, compared)
