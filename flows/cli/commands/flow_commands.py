"""Commands that run a flow: each chooses a Prefect server, runs it, and prints the result.

Flows are imported inside the commands: Prefect reads its settings on import, and `--help`
should not wait for torch.
"""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from db.repository.runs import was_cut_off
from db.repository.training.models import active_threshold
from flows.cli import lines
from flows.cli.documents.intake import nothing_ingested_document
from flows.cli.options import (
    AsJson,
    Contrast,
    Device,
    Epochs,
    Files,
    FolderArgument,
    FromModel,
    Home,
    Labels,
    Rate,
    RecipeName,
    Seed,
    Sigmas,
    TrainMasks,
    UseAbnormal,
    flow_context,
    policy_and_k,
)
from flows.cli.preconditions import (
    chosen_recipe,
    holds_files,
    model_named,
    nothing_to_score,
    of_contrast,
    require_enough_healthy,
    unmatched_lines,
)
from flows.cli.threshold_lines import is_drawn_so, show_recalibrate
from flows.runtime.context import (
    bring_up_to_date,
    existing,
    existing_context,
    folder_name,
    read_context,
    write_context,
)
from flows.runtime.demo_home import demo_home, refuse_other_data
from flows.runtime.imports import SCORING
from flows.runtime.settings import local_user
from mriad_model.detection.training.adaptation import adapted, require_learns_abnormal
from mriad_model.enums import LabelValue, Policy
from mriad_model.errors import NoScans, SettingsError
from mriad_model.recipes.recipe import Recipe
from tasks.runtime.connections import database


def ingest(
    path: FolderArgument,
    label: Annotated[LabelValue | None, typer.Option(help="The label of every scan.")] = None,
    labels: Labels = None,
    labels_from_folders: Annotated[
        bool, typer.Option(help="Take labels from folder names: no/yes, healthy/abnormal.")
    ] = False,
    files: Files = "*",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Register the scans of a folder; print what is new, known and rejected."""
    if sum((label is not None, labels is not None, labels_from_folders)) > 1:
        raise SettingsError("give one of --label, --labels and --labels-from-folders")
    folder, labels = folder_name(path), existing(labels)
    unmatched = unmatched_lines(labels, folder)
    if not holds_files(folder, files):
        bring_up_to_date(read_context(home))  # its settings, too, are looked at
        lines.show_no_files(nothing_ingested_document(unmatched), as_json=as_json)
        return
    with flow_context(home, "flows.ingest") as place:
        from flows.ingest import ingest_scans
        from mriad_model.datasets.labels import Labelling

        labelling = None
        if label or labels or labels_from_folders:
            labelling = Labelling(
                local_user(), label, labels_from_folders, str(labels) if labels else None
            )
        found = ingest_scans(place.home, folder, labelling, files, place.settings.chunk_size)
    lines.show_ingest(found, unmatched, as_json=as_json)


def train(
    recipe: RecipeName = None,
    contrast: Contrast = None,
    from_model: FromModel = None,
    use_abnormal: UseAbnormal = False,
    masks: TrainMasks = None,
    epochs: Epochs = None,
    seed: Seed = None,
    sigmas: Sigmas = None,
    rate: Rate = None,
    activating: Annotated[
        bool,
        typer.Option(
            "--activate/--no-activate", help="Let the new model decide, or leave the active one."
        ),
    ] = True,
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train on the healthy pool, calibrate, compare with the active model, activate the new one."""
    given = {"recipe": recipe, "seed": seed, "sigmas": sigmas, "rate": rate, "device": device}
    before = existing_context(home, **given)
    policy, k = policy_and_k(before.settings, sigmas, rate)
    if from_model is not None and recipe is not None:
        raise SettingsError("--from adapts a model by its own recipe: leave out --recipe")
    origin = None if from_model is None else model_named(database(str(before.home)), from_model)
    if origin is None:
        chosen = chosen_recipe(before, epochs, contrast)
    else:
        chosen = of_contrast(adapted(Recipe.from_json(origin.recipe), epochs), contrast)
    if use_abnormal:
        require_learns_abnormal(Recipe.from_json(chosen))
    elif masks is not None:
        raise SettingsError("--masks goes with --use-abnormal")
    origin_id = None if origin is None else origin.id
    engine = database(str(before.home))
    require_enough_healthy(
        engine, before.home, chosen, policy, k, origin_id, use_abnormal=use_abnormal
    )
    masks_folder = None if masks is None else folder_name(masks)
    with flow_context(home, "flows.train", *SCORING, **given) as place:
        from flows.train import train_model

        settings = place.settings
        found = train_model(
            place.home,
            chosen,
            local_user(),
            seed=settings.seed,
            policy=policy,
            k=k,
            device=settings.device,
            chunk_size=settings.chunk_size,
            activating=activating,
            from_model_id=origin_id,
            use_abnormal=use_abnormal,
            masks=masks_folder,
        )
    lines.show_train(found, as_json=as_json)


def retrain(
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Train whatever the growth, and promote where the scans are too few to decide.",
        ),
    ] = False,
    seed: Seed = None,
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train again if the healthy pool grew enough; activate the new model if no worse."""
    place = existing_context(home, seed=seed, device=device)
    engine = database(str(place.home))
    current = active_threshold(engine)
    if not force:
        from flows.runtime.retrain_result import nothing_to_retrain

        nothing = nothing_to_retrain(engine, place.home, current, place.settings)
        if nothing is not None:
            lines.show_retrain(nothing, as_json=as_json)
            return
    with flow_context(home, "flows.retrain", seed=seed, device=device) as place:
        from flows.retrain import retrain_model
        from flows.runtime.retrain_result import options_of

        found = retrain_model(place.home, force, local_user(), **options_of(place.settings))
    lines.show_retrain(found, as_json=as_json)


def recalibrate(
    sigmas: Sigmas = None,
    quantile: Annotated[
        float | None, typer.Option(help="Threshold: this quantile of the healthy scores.")
    ] = None,
    rate: Rate = None,
    new_healthy: Annotated[
        bool,
        typer.Option("--new-healthy", help="Use scans labelled healthy since, too."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would change.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Draw a new threshold from stored scores, and decide again, without scoring.

    Where that is the active one, it says so and does nothing.
    """
    given = {"sigmas": sigmas, "rate": rate}
    if quantile is not None:
        from mriad_model.detection.decisions.thresholds import check_k

        check_k(Policy.QUANTILE, quantile)  # before anything is started
    place = read_context(home, **given) if dry_run else existing_context(home, **given)
    policy, k = policy_and_k(place.settings, sigmas, rate, quantile)
    asked = any(each is not None for each in (sigmas, rate, quantile))
    from tasks.calibration.thresholds import propose, require_drawable

    engine = place.record_to_read() if dry_run else database(str(place.home))
    if not dry_run:
        require_drawable(engine, policy, k, new_healthy=new_healthy)
    before = active_threshold(engine).threshold
    same = is_drawn_so(before, policy, k)
    if dry_run or (same and not was_cut_off(engine, "recalibrate_threshold")):
        proposal = propose(engine, policy, k, new_healthy=new_healthy)
        if dry_run or proposal.calibration is None:
            found = None if dry_run else before.id
            show_recalibrate(proposal, found, before, asked=asked, as_json=as_json)
            return
    with flow_context(home, "flows.recalibrate", **given) as place:
        from flows.recalibrate import recalibrate_threshold

        done = recalibrate_threshold(place.home, policy, k, local_user(), new_healthy)
    show_recalibrate(
        done.proposal, done.threshold_id, before, asked=asked, as_json=as_json, ran=True
    )


def score(
    path: Annotated[
        Path | None, typer.Argument(help="A folder, or one file (default: the home's inbox).")
    ] = None,
    files: Files = "*",
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Score the new scans of a folder: ingest, score, decide, draw heatmaps, report."""
    given = None if path is None else folder_name(path)
    before = existing_context(home, device=device)
    engine = database(str(before.home))
    active = active_threshold(engine)
    folder = given or folder_name(before.home / "inbox")
    nothing = nothing_to_score(engine, before, folder, files, active)
    if nothing is not None:
        ids = active.threshold.model_id, active.activation.threshold_id
        lines.show_nothing_scored(nothing, *ids, as_json=as_json)
        return
    with flow_context(home, "flows.score", *SCORING, device=device) as place:
        from flows.runtime.sending import sending_options
        from flows.score import score_new_scans

        found = score_new_scans(
            place.home,
            folder,
            device=place.settings.device,
            glob=files,
            chunk_size=place.settings.chunk_size,
            shards=place.settings.shards,
            sending=sending_options(place.settings),
        )
    lines.show_score(place.home, found, as_json=as_json)


def report(
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many, up to now.")] = 7,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write one page on the last days: runs, flags, rejections, warnings, new models."""
    existing_context(home)
    with flow_context(home, "flows.weekly_report") as place:
        from flows.weekly_report import weekly_report

        found = weekly_report(place.home, days)
    lines.show_report(place.home, found, as_json=as_json)


def demo(
    data: Annotated[
        Path | None, typer.Option(help="A folder with no/ and yes/ (default: drawn heads).")
    ] = None,
    epochs: Epochs = None,
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Do the whole job once: ingest, train, calibrate, score, evaluate, report.

    Everything goes to ./demo-home, or for a folder NAME to ./demo-home-NAME, unless --home says
    otherwise; the record too, never to a database. A home with healthy scans of another data
    set is an error.
    """
    given = None if data is None else folder_name(data)
    if given is not None and not holds_files(given):
        raise NoScans(f"{given}: no scans there; name a folder with pictures in no/ and yes/")
    home = home or demo_home(data)
    before = write_context(home, device=device, database_url="")
    refuse_other_data(database(str(before.home)), before.home, data)
    with flow_context(home, "flows.demo", device=device, database_url="") as place:
        from flows.demo import run_demo

        found = run_demo(place.home, given, place.settings, epochs)
    lines.show_demo(place.home, found, as_json=as_json)
