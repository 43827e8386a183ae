"""Replay of a model's power: its lesions implanted again, and scored."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from db.entities import Model, Threshold
from db.repository.intake.sightings import scan_files
from mriad_model.detection.model import FittedModel
from mriad_model.promotion.power import ImplantScore, from_metrics, power
from tasks.maintenance.verify_report import Alike, ReplayReport, alike, optional_alike
from tasks.runtime.connections import database
from tasks.runtime.source_files import LocatedScan, read_again
from tasks.runtime.workspace import Workspace
from tasks.training.power import implant_scores

IMPLANTS, GONE = "implants of models", "the files of the scans are gone or changed"
MOST_NAMED = 5

Pairs = list[tuple[ImplantScore, ImplantScore]]  # (recorded, found now)


def implants_again(
    home: str, model: Model, fitted: FittedModel, folder: Path, report: ReplayReport
) -> tuple[Pairs, list[str]]:
    """The implants of a model, drawn and scored again, beside the recorded ones; and what differs.

    Those of scans whose files are gone or changed are reported as not recomputed.
    """
    engine, gone = database(home), set[int]()

    def load(scan_ids: Sequence[int], workspace: Workspace) -> list[LocatedScan]:
        read = read_again(Path(home), scan_files(engine, scan_ids), workspace)
        gone.update(set(scan_ids) - read.keys())
        return [LocatedScan(scan_id, read[scan_id]) for scan_id in scan_ids if scan_id in read]

    scratch = folder / f"power-{model.id}"
    found = implant_scores(home, model.dataset_id, fitted, str(scratch), load)
    recorded = _by_group(from_metrics(model.metrics))
    again = _by_group(found)
    pairs: Pairs = []
    faults = []
    for group, rows in recorded.items():
        anew = again.get(group, [])
        if len(anew) == len(rows):
            pairs += zip(rows, anew, strict=True)
        elif not anew and gone:  # of one scan a group, which is not named in the metrics
            report.leave(IMPLANTS, GONE, len(rows))
        else:
            faults.append(f"of group {group} it has {len(rows)} implants, and {len(anew)} are made")
    unlike = []
    for before, now in pairs:
        how = _alike(now, before)
        report.power = report.power.plus(how)
        if how is Alike.OTHER:
            unlike.append(f"the implant {_told(before)} comes out as {_told(now)}")
    if len(unlike) > MOST_NAMED:
        unlike[MOST_NAMED:] = [f"and {len(unlike) - MOST_NAMED} implants more"]
    return pairs, [*faults, *unlike]


def power_faults(threshold: Threshold, pairs: Pairs) -> list[str]:
    """Whether a threshold finds as much of the implants drawn again as of the recorded ones."""
    before, now = (power([each[side] for each in pairs], threshold.value) for side in (0, 1))
    if before == now or before is None or now is None:
        return []
    return [f"by the implants drawn again it {now.text}; by the recorded ones it {before.text}"]


def _by_group(rows: Sequence[ImplantScore]) -> dict[int, list[ImplantScore]]:
    found: defaultdict[int, list[ImplantScore]] = defaultdict(list)
    for each in rows:
        found[each.group].append(each)
    return found


def _alike(found: ImplantScore, recorded: ImplantScore) -> Alike:
    if (found.kind, found.why_not_scorable) != (recorded.kind, recorded.why_not_scorable):
        return Alike.OTHER
    return max(
        optional_alike(found.score, recorded.score),
        optional_alike(found.healthy, recorded.healthy),
        alike(found.millimetres, recorded.millimetres),
    )


def _told(each: ImplantScore) -> str:
    score = each.why_not_scorable if each.score is None else f"score {each.score!r}"
    return (
        f"({each.kind}, {each.millimetres!r} mm, group {each.group}: {score}, healthy "
        f"{each.healthy!r})"
    )
