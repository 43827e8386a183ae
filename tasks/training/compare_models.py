"""Two models on the same scans: healthy ones, the same with lesions implanted, abnormal ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.repository.decisions import ScoredScan, append_scored
from db.timestamps import now
from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_scores import ScanScores, score_scans
from mriad_model.errors import RejectedFile
from mriad_model.phantom.lesions import Lesion
from mriad_model.preprocessing.scan_slices import prepare_scan
from mriad_model.promotion.implants import implanted_scan
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import tell
from tasks.runtime.source_files import LocatedScan, load_scans
from tasks.runtime.workspace import Workspace

CHUNK = 512  # slices


@dataclass(slots=True)
class ComparisonScores:
    """A model's scores, in the order of the scans."""

    healthy: list[float] = field(default_factory=list)
    implanted: list[list[float]] = field(default_factory=list)  # one of each kind of lesion
    abnormal: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ComparedScans:
    """The comparison scans that could be scored, and each model's scores of them."""

    healthy: list[int]
    abnormal: list[int]
    scores: dict[int, ComparisonScores]  # by model


@dataclass(frozen=True, slots=True)
class _Found:
    """What a model finds in one scan as it is, and in it with each lesion."""

    plain: ScanScores
    implanted: list[float]


@task(name="score-comparison-scans", cache_policy=NO_CACHE)
def score_comparison_scans(
    home: str,
    run_id: int,
    model_ids: Sequence[int],
    healthy: Sequence[tuple[int, int]],
    abnormal: Sequence[tuple[int, int]],
    folder: str,
    device: str,
) -> ComparedScans:
    """Score scans, (scan id, slices), under each model; see `compared_scans`."""
    return compared_scans(home, run_id, model_ids, healthy, abnormal, folder, device, keep=True)


def compared_scans(
    home: str,
    run_id: int,
    model_ids: Sequence[int],
    healthy: Sequence[tuple[int, int]],
    abnormal: Sequence[tuple[int, int]],
    folder: str,
    device: str,
    *,
    keep: bool,
) -> ComparedScans:
    """Score scans, (scan id, slices), under each model, and keep scores of the scans as they are.

    A scan that cannot be read or compared is left out for all models. `folder` is a scratch folder.
    """
    compared = ComparedScans([], [], {each: ComparisonScores() for each in model_ids})
    done, total = 0, len(healthy) + len(abnormal)
    for scans, ill in ((healthy, False), (abnormal, True)):
        kinds = () if ill else tuple(Lesion)
        for number, chunk in in_chunks(scans, CHUNK, lambda each: each[1]):
            workspace = Workspace(Path(folder) / f"compared-{int(ill)}-{number}")
            for located in load_scans(home, run_id, [scan_id for scan_id, _ in chunk], workspace):
                models = {each: loaded_model(home, each, device) for each in model_ids}
                found = _found(located, models, kinds)
                if found is not None:
                    if keep:
                        _append(home, run_id, located.scan_id, found)
                    _add(compared, located.scan_id, found, ill=ill)
            workspace.discard()
            done += len(chunk)
            tell("comparing", done, total)
    return compared


def _add(compared: ComparedScans, scan_id: int, found: Mapping[int, _Found], *, ill: bool) -> None:
    (compared.abnormal if ill else compared.healthy).append(scan_id)
    for model_id, each in found.items():
        scores = compared.scores[model_id]
        if ill:
            scores.abnormal.append(each.plain.score)
        else:
            scores.healthy.append(each.plain.score)
            scores.implanted.append(each.implanted)


def _append(home: str, run_id: int, scan_id: int, found: Mapping[int, _Found]) -> None:
    engine = database(home)
    for model_id, each in found.items():
        plain = each.plain
        row = ScoredScan(
            scan_id, plain.score, plain.slice_scores.tolist(), positions=plain.positions
        )
        append_scored(engine, model_id, None, [row], run_id=run_id, now=now())


def _found(
    located: LocatedScan, models: Mapping[int, FittedModel], kinds: Sequence[Lesion]
) -> dict[int, _Found] | None:
    """What each model finds; None where there is nothing to score."""
    scan, seed = located.kept.scan.load(), located.kept.scan.sha256
    try:
        scans = [scan, *(implanted_scan(scan, kind, seed) for kind in kinds)]
        recipes = {fitted.recipe for fitted in models.values()}
        prepared = {how: [prepare_scan(each, how) for each in scans] for how in recipes}
    except RejectedFile:
        return None
    found = {}
    for model_id, fitted in models.items():
        plain, *implanted = score_scans(fitted, prepared[fitted.recipe])
        found[model_id] = _Found(plain, [each.score for each in implanted])
    return found
