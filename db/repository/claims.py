"""Work in hand: who scores a scan, and until when. The one table whose rows change and go.

A claim is a lease. Who claims a scan scores it; if they die, their lease runs out and another
may claim it. So a lease is longer than the work between two renewals, and than the clocks of
two machines differ. A claim saves work and decides nothing: should two score one scan after
all, the record keeps one score (`db.repository.scores`).

Who held the claim before may have decided the scan since it was found undecided: ask
`db.repository.scores.undecided` again, after claiming.
"""

from collections.abc import Iterable

from sqlalchemy import Engine, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db import schema
from db.engine.connect import reading, writing
from db.entities import Claim
from db.mapping import noun_of, pieces
from db.timestamps import after


def claim_scans(
    engine: Engine,
    scan_ids: Iterable[int],
    model_id: int,
    owner: str,
    *,
    now: str,
    lease_seconds: float,
) -> list[int]:
    """Claim scans for scoring with a model; those that are the owner's now, in this order.

    A scan is the owner's if nobody holds it, its lease has run out, or it was theirs before,
    which begins its lease anew. One statement looks and takes, so no two owners both have it.

    Args:
        engine: of the record.
        scan_ids: to claim.
        model_id: that is to score them.
        owner: unique to the run that claims.
        now: a recorded moment.
        lease_seconds: until others may take the scans over.

    Raises:
        RecordError: there is no such scan or model.

    """
    table = schema.claim
    wanted = list(dict.fromkeys(scan_ids))
    insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    lapsed = or_(table.c.expires_at <= now, table.c.owner == owner)
    statement = statement.on_conflict_do_update(
        index_elements=[table.c.scan_id, table.c.model_id],
        set_={"owner": statement.excluded.owner, "expires_at": statement.excluded.expires_at},
        where=lapsed,
    )
    expires_at = after(now, lease_seconds)
    ours: set[int] = set()
    with writing(engine, chained=False) as connection:
        for piece in pieces(wanted):
            rows = [
                {
                    "scan_id": scan_id,
                    "model_id": model_id,
                    "owner": owner,
                    "expires_at": expires_at,
                }
                for scan_id in piece
            ]
            ours.update(connection.execute(statement.returning(table.c.scan_id), rows).scalars())
    return [scan_id for scan_id in wanted if scan_id in ours]


def renew_claims(engine: Engine, owner: str, *, now: str, lease_seconds: float) -> int:
    """Begin the lease of all of an owner's claims anew; how many are still theirs."""
    table = schema.claim
    statement = update(table).where(table.c.owner == owner)
    with writing(engine, chained=False) as connection:
        done = connection.execute(statement.values(expires_at=after(now, lease_seconds)))
        return done.rowcount


def release_claims(engine: Engine, owner: str, scan_ids: Iterable[int] | None = None) -> int:
    """Give up an owner's claims on these scans (None: all), scored or not; how many there were."""
    table = schema.claim
    theirs = delete(table).where(table.c.owner == owner)
    with writing(engine, chained=False) as connection:
        if scan_ids is None:
            return connection.execute(theirs).rowcount
        return sum(
            connection.execute(theirs.where(table.c.scan_id.in_(piece))).rowcount
            for piece in pieces(scan_ids)
        )


def claims_on(engine: Engine, scan_ids: Iterable[int], model_id: int) -> dict[int, Claim]:
    """Who holds these scans for scoring with a model, by scan; leases that ran out included."""
    table = schema.claim
    found: dict[int, Claim] = {}
    with reading(engine) as connection:
        for piece in pieces(scan_ids):
            query = select(table).where(table.c.model_id == model_id, table.c.scan_id.in_(piece))
            for row in connection.execute(query).mappings():
                found[row["scan_id"]] = noun_of(Claim, row)
    return found
