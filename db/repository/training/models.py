"""Datasets, models, thresholds and activations; candidate against current model."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, Engine, and_, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Activation, Dataset, DatasetScan, Model, Threshold
from db.mapping import (
    append_new,
    append_row,
    columns_of,
    insert_new,
    row_by_id,
    row_of,
    rows_of,
    select_in,
    values_of,
)
from db.timestamps import now
from mriad_model.enums import LEARNED_ROLES, Role
from mriad_model.errors import NoScans, NotInRecord, RecordError

Member = tuple[int, Role, int]  # scan id, role, near-duplicate group
LISTED_BY: Final = "mriad activate"  # models and their thresholds
NO_MODEL: Final = (
    "no model is active; ingest healthy scans with: mriad ingest FOLDER --label healthy,"
    " then train with: mriad train"
)


def freeze_dataset(
    engine: Engine,
    members: Sequence[Member],
    run_id: int,
    folds: Mapping[int, int] | None = None,
) -> int:
    """The id of the dataset that these scans in these roles make; the same set, the same row.

    `folds`, by scan, are those of cross-fitting, whose scans have the role train.

    Raises:
        NotInRecord: a member names a scan that is not there.
        RecordError: a scan, or a near-duplicate group, has two roles or folds.
    """
    fold_of = folds or {}
    _refuse_two_roles(members)
    _refuse_two_folds(members, fold_of)
    with writing(engine) as connection:
        hashes = _hashes(connection, [scan_id for scan_id, _, _ in members])
        lines = sorted(
            f"{hashes[scan_id]} {role.value}{_of_fold(fold_of.get(scan_id))}\n"
            for scan_id, role, _ in members
        )
        dataset = Dataset(sha256("".join(lines).encode()).hexdigest(), run_id, now())
        dataset_id, new = append_row(connection, schema.dataset, dataset)
        if new:
            rows = [
                values_of(DatasetScan(dataset_id, *member, fold_of.get(member[0])))
                for member in members
            ]
            append_new(connection, schema.dataset_scan, rows)
        return dataset_id


def append_model(engine: Engine, model: Model) -> int:
    """The id of the model with these weights."""
    with writing(engine) as connection:
        return append_row(connection, schema.model, model)[0]


def append_threshold(engine: Engine, threshold: Threshold) -> int:
    """The id of the threshold that this policy draws through these calibration scans.

    Raises:
        RecordError: the model was trained on one of its calibration scans; or cross-fitted with
            one of them in another fold than in the threshold's dataset.
    """
    with writing(engine) as connection:
        _refuse_seen_scans(connection, threshold)
        _refuse_other_folds(connection, threshold)
        return append_row(connection, schema.threshold, threshold)[0]


def activate(engine: Engine, threshold_id: int, reason: str, author: str) -> int:
    """Activate a threshold and its model; the id of the activation.

    What is active already stays so under its first activation.
    """
    table = schema.activation
    with writing(engine) as connection:
        wanted = select(schema.threshold.c.id).where(schema.threshold.c.id == threshold_id)
        if connection.execute(wanted).first() is None:
            raise NotInRecord(f"There is no threshold {threshold_id} in the record")
        last = connection.execute(
            select(table.c.id, table.c.threshold_id).order_by(table.c.id.desc()).limit(1)
        ).first()
        if last is not None and last.threshold_id == threshold_id:
            return int(last.id)
        activation = Activation(threshold_id, reason, author, now())
        (new,) = insert_new(connection, table, [values_of(activation)], table.c.id)
        return int(new.id)


def _refuse_two_roles(members: Sequence[Member]) -> None:
    scans: dict[int, set[Role]] = defaultdict(set)
    groups: dict[int, set[Role]] = defaultdict(set)
    for scan_id, role, group in members:
        scans[scan_id].add(role)
        groups[group].add(Role.TRAIN if role is Role.LABELLED_ABNORMAL else role)
    for what, roles in (("scan", scans), ("near-duplicate group", groups)):
        for number, names in roles.items():
            if len(names) > 1:
                raise RecordError(
                    f"The {what} {number} has two roles in one dataset "
                    f"({', '.join(sorted(names))}): near-duplicates share one"
                )
    if len(scans) < len(members):
        raise RecordError("A dataset names a scan twice: a scan has one role in a dataset")


def _refuse_two_folds(members: Sequence[Member], folds: Mapping[int, int]) -> None:
    of_group: dict[int, set[int | None]] = defaultdict(set)
    for scan_id, role, group in members:
        if role is not Role.LABELLED_ABNORMAL or scan_id in folds:
            of_group[group].add(folds.get(scan_id))
        if scan_id in folds and role is not Role.TRAIN:
            raise RecordError(f"Scan {scan_id} has a fold and does not train: it is {role.value}")
    for group, found in of_group.items():
        if len(found) > 1:
            raise RecordError(
                f"The near-duplicate group {group} has two folds in one dataset: a member would "
                "learn what it is calibrated with"
            )


def _of_fold(fold: int | None) -> str:
    return "" if fold is None else f" {fold}"


def _hashes(connection: Connection, scan_ids: Sequence[int]) -> dict[int, str]:
    table = schema.scan
    query = select(table.c.id, table.c.sha256)
    found = dict(select_in(connection, query, table.c.id, scan_ids))
    missing = set(scan_ids) - found.keys()
    if missing:
        raise NotInRecord(f"There is no scan {min(missing)} in the record")
    return found


def _refuse_seen_scans(connection: Connection, threshold: Threshold) -> None:
    learned, calibrates = schema.dataset_scan.alias(), schema.dataset_scan.alias()
    query = (
        select(learned.c.scan_id)
        .join(schema.model, schema.model.c.dataset_id == learned.c.dataset_id)
        .join(calibrates, calibrates.c.scan_id == learned.c.scan_id)
        .where(
            schema.model.c.id == threshold.model_id,
            learned.c.role.in_([role.value for role in LEARNED_ROLES]),
            calibrates.c.dataset_id == threshold.dataset_id,
            calibrates.c.role == Role.CALIBRATION.value,
        )
    )
    seen = connection.execute(query).scalars().all()
    if seen:
        raise RecordError(
            f"The threshold is refused: {len(seen)} of its calibration scans, such as scan "
            f"{min(seen)}, trained or validated model {threshold.model_id}; "
            "calibrate with healthy scans that the model has not seen"
        )


def _refuse_other_folds(connection: Connection, threshold: Threshold) -> None:
    learned, calibrates = schema.dataset_scan.alias(), schema.dataset_scan.alias()
    query = (
        select(calibrates.c.scan_id, calibrates.c.fold, learned.c.fold)
        .select_from(calibrates)
        .join(schema.model, schema.model.c.id == threshold.model_id)
        .outerjoin(
            learned,
            and_(
                learned.c.dataset_id == schema.model.c.dataset_id,
                learned.c.scan_id == calibrates.c.scan_id,
            ),
        )
        .where(
            calibrates.c.dataset_id == threshold.dataset_id,
            calibrates.c.fold.is_not(None),
            calibrates.c.fold.is_distinct_from(learned.c.fold),
        )
        .limit(1)
    )
    for scan_id, fold, own in connection.execute(query):
        raise RecordError(
            f"The threshold is refused: calibration scan {scan_id} is in fold {fold} of its "
            f"dataset, and in {'none' if own is None else own} of model {threshold.model_id}'s"
        )


@dataclass(frozen=True, slots=True)
class CurrentThreshold:
    """What is active: the last activation, its threshold and that threshold's model."""

    activation: Activation
    threshold: Threshold
    model: Model


def current_threshold(engine: Engine) -> CurrentThreshold | None:
    """What is active; None before the first activation."""
    activation, threshold, model = schema.activation, schema.threshold, schema.model
    query = (
        select(
            *columns_of(activation, "a_"), *columns_of(threshold, "t_"), *columns_of(model, "m_")
        )
        .join(threshold, threshold.c.id == activation.c.threshold_id)
        .join(model, model.c.id == threshold.c.model_id)
        .order_by(activation.c.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return CurrentThreshold(
        row_of(Activation, row, "a_"), row_of(Threshold, row, "t_"), row_of(Model, row, "m_")
    )


def active_threshold(engine: Engine) -> CurrentThreshold:
    """What is active. NoScans before the first activation."""
    current = current_threshold(engine)
    if current is None:
        raise NoScans(NO_MODEL)
    return current


def model_by_id(engine: Engine, model_id: int) -> Model:
    """The model of this id. NotInRecord if there is none."""
    with reading(engine) as connection:
        return row_by_id(connection, Model, schema.model, model_id, LISTED_BY)


def lineage(engine: Engine, model_id: int) -> list[Model]:
    """The models that a model was adapted from, one from the other, the nearest first."""
    found: list[Model] = []
    before = model_by_id(engine, model_id).from_model_id
    while before is not None and before < model_id:  # a model is younger than its origin
        model_id, row = before, model_by_id(engine, before)
        found.append(row)
        before = row.from_model_id
    return found


def handed_down_scans(engine: Engine, model_id: int) -> set[int]:
    """The scans of the models that a model was adapted from: another scanner's, not of its pool."""
    rows = lineage(engine, model_id)
    return {i for row in rows for i in dataset_roles(engine, row.dataset_id)}


def learned_scans(engine: Engine, model_id: int) -> set[int]:
    """The scans that a model, or one that it was adapted from, learned from."""
    rows = [model_by_id(engine, model_id), *lineage(engine, model_id)]
    return {
        scan_id
        for row in rows
        for scan_id, role in dataset_roles(engine, row.dataset_id).items()
        if role in LEARNED_ROLES
    }


def scans_not_scored(engine: Engine, model_id: int) -> set[int]:
    """The scans that a model does not score: all of its members learned from them."""
    return learned_scans(engine, model_id) - model_folds(engine, model_id).keys()


def threshold_by_id(engine: Engine, threshold_id: int) -> Threshold:
    """The threshold of this id. NotInRecord if there is none."""
    with reading(engine) as connection:
        return row_by_id(connection, Threshold, schema.threshold, threshold_id, LISTED_BY)


def models(engine: Engine) -> list[Model]:
    """All models, oldest first."""
    query = select(schema.model).order_by(schema.model.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Model, query)


def thresholds(engine: Engine) -> list[Threshold]:
    """All thresholds, oldest first."""
    query = select(schema.threshold).order_by(schema.threshold.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Threshold, query)


def activations(engine: Engine) -> list[Activation]:
    """All activations, oldest first; the last is active."""
    query = select(schema.activation).order_by(schema.activation.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Activation, query)


def dataset_roles(engine: Engine, dataset_id: int) -> dict[int, Role]:
    """Scan id -> its role in a dataset."""
    table = schema.dataset_scan
    query = select(table.c.scan_id, table.c.role).where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return {row.scan_id: Role(row.role) for row in connection.execute(query)}


def dataset_groups(engine: Engine, dataset_id: int) -> dict[int, int]:
    """Scan id -> its group in a dataset: twins, and scans of one patient, share one."""
    table = schema.dataset_scan
    query = select(table.c.scan_id, table.c.twin_group).where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return dict(connection.execute(query).tuples().all())


def dataset_folds(engine: Engine, dataset_id: int) -> dict[int, int]:
    """Scan id -> its fold in a dataset, of those that are cross-fitted."""
    table = schema.dataset_scan
    query = select(table.c.scan_id, table.c.fold).where(
        table.c.dataset_id == dataset_id, table.c.fold.is_not(None)
    )
    with reading(engine) as connection:
        return dict(connection.execute(query).tuples().all())


def model_folds(engine: Engine, model_id: int) -> dict[int, int]:
    """Scan id -> the member of a model that did not learn it, of those that the others learned."""
    return dataset_folds(engine, model_by_id(engine, model_id).dataset_id)
