"""Commands that start neither Prefect nor torch: show, activate."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from db.entities import Rejection, Threshold
from db.repository.intake.sightings import rejected_beside
from db.repository.reports.scan_details import (
    NoScan,
    ScanDetails,
    newest_of_patient,
    no_scan_at,
    scan_details,
)
from db.repository.training import models as models_records
from db.repository.training.models import current_threshold, models, threshold_by_id, thresholds
from flows.cli.commands.show import details_document, show_details
from flows.cli.console import (
    Cell,
    short_time,
    show_json,
    show_lines,
    show_notice,
    show_table,
)
from flows.cli.documents.thresholds import activate_document, threshold_document
from flows.cli.options import LARGEST_ID, AsJson, Home
from flows.runtime.context import read_context, write_context
from flows.runtime.settings import local_user
from mriad_model.errors import NotInRecord
from mriad_model.paths import recorded_path
from mriad_model.pseudonyms import PSEUDONYM_CHARACTERS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from mriad_model.promotion.power import Power
    from tasks.calibration.threshold_figures import ComparisonFigures

THRESHOLDS = (
    "id",
    "active",
    "model",
    "learned",
    "made (UTC)",
    "policy",
    "limit",
    "calibrated by",
    "rate",
    "found",
    "flagged",
    "AUROC lesions",
    "AUROC abnormal",
    "compared",
)
LONGEST_REASON = 4000  # characters that are read of it
ACTIVATED = (
    "Threshold {threshold} of model {model} is active; "
    "{decisions} scans decided by it that were not before."
)
ACTIVE_ALREADY = (
    "Threshold {threshold} of model {model} is active already, since {since}: {reason}.{unkept} "
    "{decisions} scans decided by it that were not before."
)
UNKEPT = " The reason given now is not kept."
NOT_COMPARED = "Warning: model {model}: {why}."
BY_HAND = "activated by hand"
AUROC = (
    "Rate: of healthy scans, how many the threshold flags, by those that calibrated it, with 95 % "
    "interval; near-duplicates, and scans of one patient, are a group, which counts once. "
    "Found: of lesions implanted in held-out healthy scans when the model was made, likewise. "
    "AUROC: how well lesions drawn into healthy scans, or scans labelled abnormal, are separated "
    "from healthy scans that the model was not trained on; flagged: of these healthy scans."
)
NO_THRESHOLDS = (
    "No thresholds yet. mriad train draws the first, from healthy scans (mriad ingest FOLDER "
    "--label healthy)."
)
REJECTED = "{path} is no scan; it was rejected on {when}: {reason}: {detail}"
SCAN_BEFORE = "; until then it was scan {scan}: name that"
ALL_REJECTED = (
    "No scan lies in {path}; {n} files there were rejected, the last on {when}: {reason}: {detail}"
)


def show(
    scan: Annotated[
        str,
        typer.Argument(
            help="Its id, a path of it, its SeriesInstanceUID, how its sha256 begins, or a "
            "patient's pseudonym: the newest scan."
        ),
    ],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print all that the record holds of one scan."""
    place = read_context(home)
    engine = place.record_to_read()
    name = scan.strip().lower()
    newest = newest_of_patient(engine, name) if len(name) == PSEUDONYM_CHARACTERS else None
    details = details_of(engine, place.home, str(newest or scan))
    current = current_threshold(engine)
    active = None if current is None else current.threshold.id
    if as_json:
        show_json(details_document(place.home, details, active))
        return
    show_details(place.home, details, active)
    show_notice()


def activate(
    threshold: Annotated[
        int | None,
        typer.Argument(
            min=1,
            max=LARGEST_ID,
            help="The threshold's id; without it all are listed, with what to choose by.",
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="Why; kept in the record. -: read from the input.")
    ] = BY_HAND,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Activate a threshold and its model: promote, or roll back.

    The list says which model was never compared: the run that made it was stopped, or failed.
    """
    engine = read_context(home).record_to_read()  # raises where there is none
    if threshold is None:
        _list_thresholds(engine, as_json=as_json)
        return
    model_id = threshold_by_id(engine, threshold).model_id  # raises where there is none
    from tasks.calibration.threshold_figures import not_compared  # noqa: PLC0415
    from tasks.calibration.thresholds import decide_again  # noqa: PLC0415
    from tasks.runtime.connections import database  # noqa: PLC0415
    from tasks.runtime.model_cache import recorded_file  # noqa: PLC0415
    from tasks.runtime.runs import recorded_run  # noqa: PLC0415

    place = str(write_context(home).home)
    engine = database(place)
    recorded_file(place, model_id)  # raises where the model could score nothing
    if reason == "-":
        reason = sys.stdin.read(LONGEST_REASON).strip()
    before, why = current_threshold(engine), not_compared(engine).get(threshold)
    already = before if before and before.threshold.id == threshold else None
    with recorded_run(engine, "activate", None) as run:
        models_records.activate(engine, threshold, reason, local_user())
        decisions = decide_again(engine, threshold, run.id)
        run.counts.update(threshold_id=threshold, decisions=decisions)
    if as_json:
        show_json(
            activate_document(threshold, model_id, decisions, why, already=already is not None)
        )
        return
    what: dict[str, int | str] = {"threshold": threshold, "model": model_id, "decisions": decisions}
    if already is None:
        show_lines(ACTIVATED.format_map(what))
    else:
        since, unkept = short_time(already.activation.created_at), reason != BY_HAND
        what |= {"since": since, "reason": already.activation.reason}
        show_lines(ACTIVE_ALREADY.format_map(what | {"unkept": UNKEPT if unkept else ""}))
    if why is not None:
        show_lines(NOT_COMPARED.format(model=model_id, why=why))
    show_notice()


def _learned(recipe: str) -> str:
    """The kind of scan that a model of this recipe (JSON) was trained on, in words."""
    volumes = json.loads(recipe).get("volumes")
    if volumes is None:
        return "pictures"
    return f"{volumes['contrast']} volumes" if volumes["contrast"] else "volumes"


def _list_thresholds(engine: "Engine", *, as_json: bool) -> None:
    from mriad_model.promotion.power import power_of  # noqa: PLC0415
    from tasks.calibration.threshold_figures import last_comparisons, not_compared  # noqa: PLC0415

    current = current_threshold(engine)
    active = None if current is None else current.threshold.id
    known = {model.id: model for model in models(engine)}
    compared, why_not = last_comparisons(engine), not_compared(engine)
    rows = [
        (
            row,
            _learned(known[row.model_id].recipe),
            compared.get(row.id or 0),
            power_of(known[row.model_id].metrics, row.value),
            why_not.get(row.id or 0),
        )
        for row in thresholds(engine)
    ]
    if as_json:
        show_json({"thresholds": [threshold_document(*row, active) for row in rows]})
        return
    if rows:
        show_table("Thresholds", THRESHOLDS, [_threshold_row(*row, active) for row in rows])
        show_lines(AUROC)
    else:
        show_lines(NO_THRESHOLDS)
    show_notice()


def _threshold_row(
    row: Threshold,
    learned: str,
    compared: "ComparisonFigures | None",
    power: "Power | None",
    why_not_compared: str | None,
    active: int | None,
) -> list[Cell]:
    figures: list[Cell] = ["-", "-", "-"]
    if compared is not None:
        flagged = compared.flagged
        figures = [
            "-" if flagged is None else f"{flagged} of {compared.n_healthy}",
            _auroc(compared.auroc_implanted, compared.n_healthy),
            _auroc(compared.auroc_abnormal, compared.n_abnormal),
        ]
    return [
        row.id,
        "yes" if row.id == active else "",
        row.model_id,
        learned,
        short_time(row.created_at),
        f"{row.policy} {row.k:g}",
        row.value,
        f"{row.n} scans" if row.n_groups is None else f"{row.n} scans, {row.n_groups} groups",
        _rate(row),
        _found(power),
        *figures,
        why_not_compared or "yes",
    ]


def _rate(row: Threshold) -> str:
    if row.rate is None or row.rate_low is None or row.rate_high is None:
        return "-"
    return f"{row.rate:.2f} ({row.rate_low:.2f}-{row.rate_high:.2f})"


def _found(power: "Power | None") -> str:
    if power is None:
        return "-"
    share = power.found
    return f"{share.share:.2f} ({share.low:.2f}-{share.high:.2f})"


def _auroc(value: float | None, n: int) -> str:
    return "-" if value is None else f"{value:.3f} (n {n})"


def details_of(engine: "Engine", home: Path, scan: str) -> ScanDetails:
    """All there is of a scan named by id, hash, recorded path, or a path as the shell knows it.

    A path is the scan that lies there, whatever was said of it since (`no_scan_at`).

    Raises:
        NotInRecord: there is none; the message names a rejection of the file.
    """
    try:
        details = scan_details(engine, scan)
    except NotInRecord as unknown:
        return _details_at(engine, home, scan, unknown)
    if any(each.path == scan for each in details.sightings):
        _refuse_rejected(no_scan_at(engine, scan))
    return details


def _details_at(engine: "Engine", home: Path, scan: str, unknown: NotInRecord) -> ScanDetails:
    """Those of a scan in a file or folder that the record has by another name of its path."""
    recorded = recorded_path(Path(scan), home)
    if not Path(scan).is_dir():
        _refuse_rejected(no_scan_at(engine, recorded))
    try:
        return scan_details(engine, recorded)
    except NotInRecord:
        beside = rejected_beside(engine, [f"{recorded}/x"], limit=1)
        if beside.total == 0:
            raise unknown from None
        why = _why(beside.rejections[0])
        raise NotInRecord(ALL_REJECTED.format(path=recorded, n=beside.total, **why)) from None


def _refuse_rejected(found: NoScan | None) -> None:
    if found is None:
        return
    text = REJECTED.format(path=found.rejection.path, **_why(found.rejection))
    if found.before is not None:
        text += SCAN_BEFORE.format(scan=found.before)
    raise NotInRecord(text) from None


def _why(rejection: Rejection) -> dict[str, str]:
    return {
        "when": short_time(rejection.created_at),
        "reason": rejection.reason.value,
        "detail": rejection.detail,
    }
