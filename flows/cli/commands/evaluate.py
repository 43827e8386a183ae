"""`mriad evaluate`: a recipe on labelled scans, by folds; beside baselines that need no model.

The flow is imported inside: Prefect reads its settings on import, and `--help` should not wait for
torch.
"""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.cli import lines
from flows.cli.options import (
    AsJson,
    Contrast,
    Device,
    Epochs,
    Files,
    Home,
    Labels,
    MasksOption,
    PatientsOption,
    Rate,
    RecipeName,
    RecipeNames,
    Seed,
    Sigmas,
    flow_context,
    policy_and_k,
)
from flows.cli.preconditions import (
    COMPARATOR,
    chosen_recipe,
    comparator,
    holds_files,
    listing_of,
    require_evaluable,
    unmatched_lines,
)
from flows.runtime.context import existing, folder_name, read_context
from flows.runtime.settings import local_user
from mriad_model.errors import NoScans, SettingsError

ONE_FILE = "one file; an evaluation needs a folder, with healthy and abnormal scans"


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A folder with healthy and abnormal scans: in no/ and yes/, or healthy/ and "
            "abnormal/, unless an option labels them.",
        ),
    ],
    protocol: Annotated[
        Literal["seed", "heldout"],
        typer.Option(help="seed: train and test on the same images; heldout: never."),
    ] = "heldout",
    recipe: RecipeName = None,
    recipes: RecipeNames = None,
    contrast: Contrast = None,
    epochs: Epochs = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeat with other seeds.")] = 1,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the held-out protocol.")] = 5,
    healthy: Annotated[
        int | None,
        typer.Option(min=4, help="Learn from so many healthy scans, at most; a patient's are one."),
    ] = None,
    files: Files = "*",
    labels: Labels = None,
    patients: PatientsOption = None,
    masks: MasksOption = None,
    labels_from_masks: Annotated[
        bool,
        typer.Option(
            "--labels-from-masks", help="A scan with a mask is abnormal, without one healthy."
        ),
    ] = False,
    sigmas: Sigmas = None,
    rate: Rate = None,
    seed: Seed = None,
    device: Device = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Measure a recipe on labelled scans, beside baselines that need no model.

    A file NAME_mask beside a scan NAME is the mask of its lesions.
    """
    folder, labels = folder_name(path), existing(labels)
    if path.is_file():
        raise SettingsError(f"{folder}: {ONE_FILE}")
    listing = listing_of(patients, masks, labels_from_masks=labels_from_masks, labels=labels)
    unmatched = unmatched_lines(labels, folder)
    if not holds_files(folder, files):
        raise NoScans(f"{folder}: no files there; name a folder with labelled scans")
    if recipe is not None and recipes is not None:
        raise SettingsError("give one of --recipe and --recipes")
    from mriad_model.evaluation.protocol import EvaluationPlan, EvaluationProtocol

    names = [] if recipes is None else [name.strip() for name in recipes.split(",")]
    if names[:1] == [COMPARATOR]:
        raise SettingsError(f"--recipes {recipes}: name a recipe first, and then {COMPARATOR!r}")
    if len(set(names)) < len(names):
        raise SettingsError(f"--recipes {recipes}: a recipe is named twice")
    given = {"recipe": names[0] if names else recipe, "seed": seed, "sigmas": sigmas}
    given |= {"rate": rate, "device": device}
    policy, k = policy_and_k(read_context(home, **given).settings, sigmas, rate)
    chosen = chosen_recipe(read_context(home, **given), epochs, contrast)
    others = [
        chosen_recipe(read_context(home, **given | {"recipe": name}), epochs, contrast)
        for name in names[1:]
        if name != COMPARATOR
    ]
    if COMPARATOR in names:
        others += comparator()
    plan = EvaluationPlan(
        EvaluationProtocol(protocol), n_folds=folds, policy=policy, k=k, most_healthy=healthy
    )
    require_evaluable(folder, files, labels, listing, plan, (chosen, *others))
    with flow_context(home, "flows.evaluate", **given) as place:
        from flows.evaluate import evaluate_model
        from mriad_model.datasets.labels import Labelling

        found = evaluate_model(
            place.home,
            folder,
            EvaluationProtocol(protocol),
            chosen,
            Labelling(
                local_user(), from_folders=labels is None, csv=str(labels) if labels else None
            ),
            glob=files,
            repeats=repeats,
            folds=folds,
            k=k,
            seed=place.settings.seed,
            device=place.settings.device,
            listing=listing,
            others=others,
            policy=policy,
            most_healthy=healthy,
        )
    lines.show_evaluate(place.home, found, unmatched, as_json=as_json)
