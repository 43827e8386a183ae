"""`mriad draw`: drawn heads as files, to try everything else on. It needs no home."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.console import show_json, show_lines, show_notice
from flows.cli.documents.intake import draw_document
from flows.cli.options import AsJson
from flows.cli.progress import progress_shown
from flows.runtime.messages import counted
from mriad_model.errors import SettingsError

if TYPE_CHECKING:
    from mriad_model.phantom.write import DrawnScan

MOST_HEADS = 5_000  # of a kind
NO_HEADS = "no heads to draw: give --healthy or --lesions above 0"
HEALTHY = "{folder}/scans/no: {heads}."
ABNORMAL = "{folder}/scans/yes: {heads} with a lesion ({kinds}); masks in {folder}/masks."
NO_PATIENTS = "Drawn, not scanned: there are no such patients."


def draw(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder to make.")],
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
        raise SettingsError(NO_HEADS)
    from tasks.intake.draw import draw as drawn_into  # noqa: PLC0415 - help should not wait for it

    target = Path(os.path.abspath(folder))  # noqa: PTH100 - keep links
    with progress_shown():
        drawn = drawn_into(target, healthy, lesions, seed, scan_format, contrast)
    if as_json:
        show_json(draw_document(drawn))
    else:
        _show(folder, drawn)


def _show(folder: Path, drawn: "Sequence[DrawnScan]") -> None:
    lesions = Counter(each.lesion.value.replace("_", " ") for each in drawn if each.lesion)
    healthy = len(drawn) - lesions.total()
    show_lines(HEALTHY.format(folder=folder, heads=counted(healthy, "healthy head")))
    if lesions:
        kinds = ", ".join(f"{n} {kind}" for kind, n in lesions.items())
        heads = counted(lesions.total(), "head")
        show_lines(ABNORMAL.format(folder=folder, heads=heads, kinds=kinds))
    show_lines(NO_PATIENTS)
    show_notice()
