"""Backing up: the record, whole and of one moment, and the models it names, into a new folder.

Started by a command, without the workflow engine.
"""

import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine

from db.engine.backup import copy_record
from db.engine.chain_check import broken_links, first_lines
from db.engine.chain_head import head
from db.engine.connect import open_record
from db.engine.integrity import counts
from db.engine.sqlite import DATABASE
from db.entities import Model
from db.repository.training import models as models_records
from db.timestamps import now
from mriad_model.enums import NOTICE
from mriad_model.errors import HomeError
from mriad_model.files import make_folder, sha256_of, write_atomically
from mriad_model.paths import escape_path, source_path
from tasks.runtime.home import SITE_KEY, plain

CONTENTS = "backup.json"
MOST_LINKS = 20  # that do not hold, listed
ELSEWHERE = (
    "the record is in PostgreSQL and not in this backup: back it up with pg_dump "
    "--format=custom, before the models"
)
KEEP_KEY_APART = (
    f"not in it is {SITE_KEY}: keep a copy of the key in another place, for the record and the "
    "key together undo the pseudonyms"
)


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds, and what it could not."""

    path: str
    record: str | None  # its file's name; None: it is in a database of its own
    record_sha256: str | None
    scans: int
    decisions: int
    models: int  # that were copied
    missing: list[str]  # models that are not as recorded, a sentence each
    notes: list[str]
    created_at: str
    head: str | None = None  # of the record that was copied
    broken: list[str] = field(default_factory=list)  # where the copy's chain does not hold


def back_up(engine: Engine, home: Path, target: Path) -> Backup:
    """Make a backup that is there whole, or not at all; laid out as a home is.

    A missing or changed model is not copied but named; a link of the record's chain that does not
    hold is named: the rest is worth keeping.

    Raises:
        HomeError: there is something at the target, or it cannot be written.
        RecordError: the record is damaged.
    """
    if os.path.lexists(target):
        raise HomeError(f"{escape_path(target)} is there already: name a new folder")
    scratch = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        make_folder(target.parent)
        make_folder(scratch)
        made = _fill(engine, home, scratch, target)
        _sync_all(scratch)
        scratch.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise HomeError(f"{escape_path(target)}: {plain(error)}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return made


def _fill(engine: Engine, home: Path, folder: Path, target: Path) -> Backup:
    in_home = engine.dialect.name == "sqlite"
    if in_home:
        copy_record(engine, folder / DATABASE)
        saved = open_record(folder, read_only=True)
    else:
        saved = engine
    try:
        # What the copy names, which is what a restored home needs; files come before rows.
        models, total = models_records.models(saved), counts(saved)
        newest = head(saved)
        broken = first_lines(broken_links(saved), MOST_LINKS) if in_home else []
    finally:
        if in_home:
            saved.dispose()
    wrong = [each for model in models if (each := _copy_model(model, home, folder)) is not None]
    made = Backup(
        path=escape_path(target),
        record=DATABASE if in_home else None,
        record_sha256=sha256_of(folder / DATABASE) if in_home else None,
        scans=total.scans,
        decisions=total.decisions,
        models=len(models) - len(wrong),
        missing=wrong,
        notes=([] if in_home else [ELSEWHERE])
        + ([KEEP_KEY_APART] if (home / SITE_KEY).exists() else []),
        created_at=now(),
        head=None if newest is None else str(newest),
        broken=broken,
    )
    about = {**asdict(made), "software_version": version("mriad"), "notice": NOTICE}
    write_atomically(folder / CONTENTS, json.dumps(about, indent=2).encode())
    return made


def _copy_model(model: Model, home: Path, folder: Path) -> str | None:
    """Copy a model's file, unless it is not the recorded one: then, why not."""
    source, copy = source_path(model.path, home), source_path(model.path, folder)
    try:
        if sha256_of(source) != model.sha256:
            return f"model {model.id} ({model.path}) was changed"
    except OSError as error:
        return f"model {model.id} ({model.path}): {plain(error)}"
    make_folder(copy.parent)
    with source.open("rb") as data, open(copy, "xb", opener=_private) as out:
        shutil.copyfileobj(data, out)
    if sha256_of(copy) != model.sha256:
        raise HomeError(f"{escape_path(copy)} was not written as it was read: check the disk")
    return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync_all(folder: Path) -> None:
    """Sync every file and folder, those within first."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(place, name))
        _sync(Path(place))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
