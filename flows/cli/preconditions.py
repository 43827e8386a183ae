"""Checks before any server is started: folder, CSV, recipe, healthy pool, model.

A mistake, or nothing to do, then starts no server.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from db.entities import Model
from db.repository.runs import was_cut_off
from db.repository.scoring.sendings import unsent_outputs
from db.repository.training.models import active_threshold, model_by_id
from db.timestamps import days_ago
from flows.cli.options import LARGEST_ID
from flows.runtime.context import Context, folder_name
from flows.runtime.messages import say
from mriad_model.datasets.labels import LabelLine, Labelling, read_label_lines
from mriad_model.destinations import destination_of
from mriad_model.enums import LabelValue, Policy
from mriad_model.errors import NoScans, SettingsError, TooFewScans
from mriad_model.evaluation.listing import (
    Listing,
    Patients,
    read_scan_csv,
    require_both_labels,
)
from mriad_model.paths import escape_path, unescape_path
from mriad_model.readers.folders import list_files
from mriad_model.recipes.built_in_recipes import of_epochs, recipe_named
from mriad_model.recipes.recipe import Recipe

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.repository.training.models import CurrentThreshold
    from mriad_model.evaluation.protocol import EvaluationPlan
    from tasks.scoring.unchanged import Unchanged

COMPARATOR = "padim"  # no recipe of a model that is kept: only measured beside others
MOST_NAMED = 20  # lines of a CSV


def holds_files(folder: str, glob: str = "*") -> bool:
    """Whether there is a file in a folder (escaped) that is not ignored.

    Raises:
        NoScans: the folder cannot be listed.
    """
    return next(iter(list_files(Path(unescape_path(folder)), glob)), None) is not None


def unmatched_lines(csv: Path | None, folder: str) -> list[LabelLine]:
    """The lines of a CSV of labels that name no file of a folder (escaped); each is printed.

    Raises:
        SettingsError: the CSV cannot be read.
    """
    if csv is None:
        return []
    lines, root = read_label_lines(csv), Path(unescape_path(folder))
    names: set[str] = set()
    for file in list_files(root):
        names |= {os.path.relpath(file.path, root), file.path.name}
    missing = [each for each in lines if each.file not in names]
    for each in missing[:MOST_NAMED]:
        say(f"{escape_path(csv)}, line {each.line}: there is no file {each.file!r} in {folder}")
    if len(missing) > MOST_NAMED:
        say(f"and {len(missing) - MOST_NAMED} lines more that name no file; --json lists all")
    return missing


def listing_of(
    patients: str | None, masks: Path | None, *, labels_from_masks: bool, labels: Path | None
) -> Listing:
    """The labels, patients and masks that the options of an evaluation give.

    Raises:
        SettingsError: a CSV or folder is not there or cannot be read; or labels are given twice.
    """
    if labels_from_masks and labels is not None:
        raise SettingsError("give one of --labels and --labels-from-masks")
    folder = None if masks is None else folder_name(masks)
    if patients is None or patients in [*Patients]:
        how = None if patients is None else Patients(patients)
        return Listing(how, masks=folder, labels_from_masks=labels_from_masks)
    if folder is not None or labels_from_masks:
        raise SettingsError(
            "a CSV of scans names their masks and labels itself: columns mask, label"
        )
    path = Path(patients)
    if not path.is_file():
        raise SettingsError(f"--patients {escape_path(path)}: give folder, bids or a CSV file")
    read_scan_csv(path)  # before any server is started
    return Listing(csv=str(path.absolute()))


def require_evaluable(
    folder: str,
    glob: str,
    csv: Path | None,
    listing: Listing,
    plan: "EvaluationPlan",
    recipes: Sequence[str],
) -> None:
    """Check that file names, a CSV or masks label some scans healthy and some abnormal.

    And enough healthy for a plan's rate, with each of these recipes (JSON). Masks are opened only
    where it matters how many are empty.

    Raises:
        NoScans: there are no healthy scans, or no abnormal ones.
        TooFewScans: the healthy ones are too few to keep the rate.
        SettingsError: the plan's k is not a rate, its protocol does not suit a recipe, or a mask
            is invalid.
    """
    from mriad_model.evaluation.protocol import (  # noqa: PLC0415 - numpy
        require_calibration,
        require_protocol,
    )
    from tasks.evaluation.labelled_scans import (  # noqa: PLC0415 - numpy
        files_with_masks,
        labelled_files,
        labels_of_masks,
    )

    def require(healthy: int, abnormal: int, unlabelled: int, masks: int) -> None:
        by_masks = listing.labels_from_masks
        require_both_labels(healthy, abnormal, unlabelled, masks, by_masks=by_masks)
        for each in recipes:
            require_calibration(plan, Recipe.from_json(each).cross_fitting, healthy)

    for each in recipes:
        require_protocol(plan.protocol, Recipe.from_json(each))
    root = Path(unescape_path(folder))
    if not listing.labels_from_masks:
        labelling = Labelling("", from_folders=csv is None, csv=str(csv) if csv else None)
        found = labelled_files(root, glob, labelling, listing)
        labels = {scan.name: scan.label for scans in found.scans.values() for scan in scans}
        counts = Counter(labels.values())
        healthy, abnormal = counts[LabelValue.HEALTHY], counts[LabelValue.ABNORMAL]
        require(healthy, abnormal, found.unlabelled, found.masks)
        return
    files, masks = files_with_masks(root, glob, listing)
    masked = sum(file.path in masks for file in files)
    try:
        require(len(files) - masked, masked, 0, len(masks))  # as if none were empty
    except (NoScans, TooFewScans):
        if not masked:
            raise
        values = Counter(labels_of_masks(files, masks).values())
        require(values[LabelValue.HEALTHY], values[LabelValue.ABNORMAL], 0, len(masks))


def comparator() -> list[str]:
    """PaDiM as a recipe for flows; where it is not installed, nothing and a printed line."""
    from mriad_model.evaluation.baselines.padim import MISSING, PADIM, is_installed  # noqa: PLC0415 - torch

    if is_installed():
        return [PADIM.to_json()]
    say(f"{COMPARATOR} is skipped: {MISSING}")
    return []


def require_enough_healthy(
    engine: "Engine",
    home: Path,
    recipe: str,
    policy: Policy,
    k: float,
    from_model_id: int | None,
    *,
    use_abnormal: bool,
) -> None:
    """Check that there are healthy scans that a recipe (JSON) can learn, and enough.

    Files in the home's `healthy/` may be such scans before they are read, so then a run finds out.

    Raises:
        TooFewScans: there are not.
        SettingsError: they are of several contrasts, or the threshold cannot be drawn so.
    """
    from tasks.promotion.growth import awaits_labels  # noqa: PLC0415
    from tasks.training.healthy_scans import require_trainable  # noqa: PLC0415 - scipy

    if not awaits_labels(engine, home, home / "healthy"):
        how = Recipe.from_json(recipe)
        require_trainable(engine, how, policy, k, from_model_id, use_abnormal=use_abnormal)


def model_named(engine: "Engine", text: str) -> Model:
    """The model of this id, or the active one where `text` is "active".

    Raises:
        SettingsError: it is neither "active" nor an id.
        NotInRecord: there is no such model.
        NoScans: no model is active.
    """
    if text == "active":
        return active_threshold(engine).model
    if not (text.isascii() and text.isdigit() and int(text) <= LARGEST_ID):
        raise SettingsError(f"--from takes the id of a model, or active, not {text!r:.40}")
    return model_by_id(engine, int(text))


def nothing_to_score(
    engine: "Engine", place: Context, folder: str, glob: str, active: "CurrentThreshold"
) -> "Unchanged | None":
    """What is in a folder in which nothing is new; None where there is something to do.

    That is also a report that an interrupted run owes, or an output to be sent.

    Raises:
        NoScans: the folder cannot be listed.
    """
    from tasks.scoring.unchanged import unchanged_folder  # noqa: PLC0415 - numpy

    if was_cut_off(engine, "score_new_scans"):
        return None
    nothing = unchanged_folder(engine, place.home, folder, glob, active)
    if nothing is None or place.settings.send_to is None:
        return nothing
    to, since = str(destination_of(place.settings.send_to)), days_ago(place.settings.send_days)
    return None if unsent_outputs(engine, to, since) else nothing


def chosen_recipe(place: Context, epochs: int | None, contrast: str | None) -> str:
    """The recipe chosen, as flows take it. Raises SettingsError for an unknown name."""
    chosen = of_epochs(recipe_named(place.settings.recipe), epochs)
    return of_contrast(chosen, contrast)


def of_contrast(recipe: Recipe, contrast: str | None) -> str:
    """The recipe for volumes of a contrast, where one is given, as flows take it.

    Raises:
        SettingsError: it is for pictures, which have no contrast.
    """
    if contrast is None:
        return recipe.to_json()
    if recipe.volumes is None:
        raise SettingsError(
            f"contrast {contrast!r}: the recipe {recipe.name!r} is for pictures, whose "
            "contrast is not known; add --recipe volume"
        )
    return recipe.with_contrast([contrast]).to_json()
