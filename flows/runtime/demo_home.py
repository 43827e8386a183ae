"""Where the demonstration works: a home for each data set, so that no model learns from two."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from db.repository.intake.labels import healthy_pool
from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path, recorded_path

if TYPE_CHECKING:
    from sqlalchemy import Engine

DEMO_HOME = Path("demo-home")  # of drawn heads, so that the home in use stays as it is
DRAWN = "demo-scans"


def demo_home(data: Path | None) -> Path:
    """The home of a demonstration: `demo-home`, or `demo-home-NAME` for the folder NAME."""
    if data is None:
        return DEMO_HOME
    name = os.path.basename(os.path.abspath(data))  # noqa: PTH100, PTH119 - keep links
    return DEMO_HOME.with_name(f"{DEMO_HOME.name}-{name}") if name else DEMO_HOME


def refuse_other_data(engine: "Engine", home: Path, data: Path | None) -> None:
    """Refuse a home whose healthy scans are of another data set.

    Raises:
        SettingsError: some are of another; a model would learn from both.
    """
    own = recorded_path(home / DRAWN if data is None else data, home).rstrip("/") + "/"
    others = [
        each.sighting.path
        for each in healthy_pool(engine)
        if not each.sighting.path.startswith(own)
    ]
    if others:
        known = others[0].rpartition("/")[0] or "the home itself"
        raise SettingsError(
            f"{escape_path(home)}: it holds healthy scans of another data set ({known}), and one "
            "model would learn of both; choose another home with --home"
        )
