"""Options that commands share, and how a command begins: settings, home, log, server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.progress import progress_shown
from flows.runtime.context import Context, write_context
from flows.runtime.settings import Settings, login_name
from flows.service.server.prefect_server import prefect_server
from mriad_model.enums import Policy
from mriad_model.errors import SettingsError

LARGEST_ID = 2**63 - 1
RECIPES = (
    "default, autoencoder or seed for pictures; volume, volume-network or volume-autoencoder for "
    "volumes."
)
SCAN_NAMES = "Its id, a path of it, its SeriesInstanceUID, or how its sha256 begins."
Home = Annotated[
    Path | None,
    typer.Option(help="Where everything lives (default: MRIAD_HOME, else ./mriad-home)."),
]
FolderArgument = Annotated[Path, typer.Argument(metavar="PATH", help="A folder, or one file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda (default: MRIAD_DEVICE).")]
RecipeName = Annotated[str | None, typer.Option("--recipe", help=RECIPES)]
RecipeNames = Annotated[
    str | None,
    typer.Option(
        "--recipes",
        metavar="NAME,NAME",
        help="Several recipes, side by side; padim beside them is PaDiM (extra features).",
    ),
]
Contrast = Annotated[
    str | None,
    typer.Option("--contrast", help="Of the volumes to learn: T1w, FLAIR, ... (default: theirs)."),
]
FromModel = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Adapt this model (its id, or active) to healthy scans that are new to it: those of "
        "another scanner.",
    ),
]
UseAbnormal = Annotated[
    bool,
    typer.Option(
        "--use-abnormal",
        help="Learn from scans labelled abnormal too, with the mask NAME_mask.png beside each.",
    ),
]
TrainMasks = Annotated[
    Path | None,
    typer.Option("--masks", metavar="DIR", help="With --use-abnormal: where the masks are."),
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="At most this many epochs (default: the recipe's).")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Of splits, weights and augmentation.")]
Sigmas = Annotated[
    float | None, typer.Option(help="Threshold: mean + K standard deviations (default: 1).")
]
Rate = Annotated[
    float | None,
    typer.Option(help="Threshold: the share of healthy scans that it may flag, such as 0.05."),
]
Reviewer = Annotated[
    str | None,
    typer.Option("--reviewer", metavar="NAME", help="Who reviews (default: your login name)."),
]
Files = Annotated[
    str, typer.Option("--files", metavar="GLOB", help="Only names that match, in any case.")
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="CSV", help="Labels from a CSV: columns path and label."),
]
PatientsOption = Annotated[
    str | None,
    typer.Option(
        "--patients",
        metavar="folder|bids|CSV",
        help="Whose the scans are: the first folder below no/ and yes/; sub-XXX in the name; or a "
        "CSV with columns path and patient, and label, mask, difference, level if it has them.",
    ),
]
MasksOption = Annotated[
    Path | None,
    typer.Option("--masks", metavar="FOLDER", help="Masks of lesions, named as their scans."),
]


def policy_and_k(
    settings: Settings,
    sigmas: float | None,
    rate: float | None,
    quantile: float | None = None,
) -> tuple[Policy, float]:
    """How to draw a threshold: by an option of the command line, else by the settings.

    Raises:
        SettingsError: several options are given.
    """
    given = {Policy.SIGMAS: sigmas, Policy.QUANTILE: quantile, Policy.RATE: rate}
    chosen = [(policy, k) for policy, k in given.items() if k is not None]
    if len(chosen) > 1:
        raise SettingsError("give one of --sigmas, --quantile and --rate")
    for policy, k in chosen:
        return policy, k
    if settings.rate is not None:
        return Policy.RATE, settings.rate
    return Policy.SIGMAS, settings.sigmas


@contextmanager
def flow_context(home: Path | None, *modules: str, **given: object) -> Iterator[Context]:
    """For commands that run a flow: chooses a Prefect server, shows progress.

    `modules`, the flow's and what it needs late, are imported while a server starts.
    """
    place = write_context(home, **given)
    with prefect_server(place.home, place.settings, *modules), progress_shown():
        yield place


def reviewer_name(given: str | None) -> str:
    """Who reviews: the name given, else the login name.

    Raises:
        SettingsError: there is neither; a review is a person's.
    """
    name = login_name() if given is None else given.strip()
    if not name:
        raise SettingsError("a review needs its reviewer's name: give --reviewer NAME")
    return name
