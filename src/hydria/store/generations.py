"""The only writer of a load balancer's generation: each change increments it, and adds a hint and a milestone."""

import secrets
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, update
from sqlalchemy.sql.dml import ReturningUpdate

from hydria.model import LoadBalancer
from hydria.store.tables import columns, rows_of
from hydria.store.transaction import Milestone, Transaction

# JSON numbers are exact up to here.
_LARGEST = 2**53


def new_change_id() -> int:
    """Return a random `change_id`. After a database was restored, an equal generation has another change id."""
    return 1 + secrets.randbelow(_LARGEST - 1)


def bump(transaction: Transaction, key: str, *, deleted_at: str | None = None) -> LoadBalancer:
    """Increment the generation of one load balancer; return the new row.

    With `deleted_at`, a time as the API writes it, mark the load balancer for deletion.
    """
    given = {"key": key, "change": new_change_id()} | ({} if deleted_at is None else {"now": deleted_at})
    row = transaction.execute(_bump_one(deleting=deleted_at is not None), given).one()
    bumped = rows_of(LoadBalancer).load(row)
    _announce(transaction, {bumped.id: bumped.generation})
    return bumped


def bump_where(transaction: Transaction, which: ColumnElement[bool]) -> dict[str, int]:
    """Increment the generations of all matching load balancers that are not being deleted; return them by id."""
    c = columns(LoadBalancer)
    statement = update(rows_of(LoadBalancer).table).where(which, c.deleted_in.is_(None))
    rows = transaction.execute(
        statement.values(generation=c.generation + 1, change_id=new_change_id()).returning(c.id, c.generation)
    )
    bumped = {row.id: row.generation for row in rows}
    _announce(transaction, bumped)
    return bumped


def begin(transaction: Transaction, load_balancer: LoadBalancer) -> None:
    """Insert a load balancer with its first generation."""
    transaction.insert(load_balancer)
    _announce(transaction, {load_balancer.id: load_balancer.generation})


def _announce(transaction: Transaction, bumped: dict[str, int]) -> None:
    if bumped:
        transaction.hint("instances")
    for key, generation in bumped.items():
        transaction.milestones.append(Milestone(load_balancer_id=key, generation=generation, served=False))


@cache
def _bump_one(*, deleting: bool) -> ReturningUpdate[Any]:
    table, c = rows_of(LoadBalancer).table, columns(LoadBalancer)
    statement = (
        update(table).where(c.id == bindparam("key")).values(generation=c.generation + 1, change_id=bindparam("change"))
    )
    if deleting:
        statement = statement.values(deleted_in=c.generation + 1, updated_at=bindparam("now"))
    return statement.returning(table)
