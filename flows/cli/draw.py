"""`mriad draw`: drawn heads as files, to try everything else on. It needs no home."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.cli.console import progress_shown
from flows.cli.options import AsJson
from flows.cli.output import show_drawn
from mriad_model.errors import SettingsError

MOST_HEADS = 5_000  # of a kind


def draw(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")],
    healthy: Annotated[
        int, typer.Option(min=0, max=MOST_HEADS, help="How many healthy heads.")
    ] = 20,
    lesions: Annotated[
        int, typer.Option(min=0, max=MOST_HEADS, help="How many heads with a lesion.")
    ] = 10,
    scan_format: Annotated[
        Literal["png", "nifti", "dicom"],
        typer.Option("--format", help="png: one slice a head; nifti, dicom: volumes."),
    ] = "png",
    contrast: Annotated[
        Literal["t1", "flair"], typer.Option(help="What they look like.")
    ] = "flair",
    seed: Annotated[
        int, typer.Option(min=0, max=100_000, help="The same seed draws the same heads.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw heads that are no patients: healthy ones and ones with a lesion, to try mriad on.

    Scans go to scans/no and scans/yes, a mask of each lesion to masks. All of them or none are
    written. Another seed draws other heads, of other patients.
    """
    if healthy + lesions == 0:
        raise SettingsError("no heads to draw: give --healthy or --lesions above 0")
    from tasks.intake.draw import draw as drawn_into  # noqa: PLC0415 - help should not wait for it

    target = Path(os.path.abspath(folder))  # noqa: PTH100 - keep links
    with progress_shown():
        drawn = drawn_into(target, healthy, lesions, seed, scan_format, contrast)
    show_drawn(folder, drawn, as_json=as_json)
