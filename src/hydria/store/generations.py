"""The only writer of a load balancer's generation: each change increments it.

It adds a hint, a milestone, and a row of the load balancer's history.
"""

import secrets
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, update
from sqlalchemy.sql.dml import ReturningUpdate

from hydria.model import LoadBalancer
from hydria.model.differences import State, state_of
from hydria.store.resources import tree
from hydria.store.revisions import Bump, has_history, record
from hydria.store.tables import columns, rows_of
from hydria.store.transaction import Milestone, Transaction

# JSON numbers are exact up to here.
_LARGEST = 2**53


def new_change_id() -> int:
    """Return a random `change_id`. After a database was restored, an equal generation has another change id."""
    return 1 + secrets.randbelow(_LARGEST - 1)


def bump(
    transaction: Transaction, key: str, *, deleted_at: str | None = None, cause: str = "", whole: bool = False
) -> LoadBalancer:
    """Increment the generation of one load balancer; return the new row.

    With `deleted_at`, a time as the API writes it, mark the load balancer for deletion. `cause` says what made the
    change where no call did. `whole` is True where resources change that do not carry the new generation.
    """
    before = _state(transaction, key)
    given = {"key": key, "change": new_change_id()} | ({} if deleted_at is None else {"now": deleted_at})
    row = transaction.execute(_bump_one(deleting=deleted_at is not None), given).one()
    bumped = rows_of(LoadBalancer).load(row)
    _announce(transaction, {bumped.id: bumped.generation})
    _note(transaction, bumped, cause, whole=whole or not row.recorded, before=before)
    return bumped


def bump_where(transaction: Transaction, which: ColumnElement[bool], *, cause: str = "") -> dict[str, int]:
    """Increment the generations of all matching load balancers that are not being deleted; return them by id.

    `cause` says what made the change where no call did.
    """
    c = columns(LoadBalancer)
    table = rows_of(LoadBalancer).table
    statement = update(table).where(which, c.deleted_in.is_(None))
    statement = statement.values(generation=c.generation + 1, change_id=new_change_id())
    bumped = {}
    for row in transaction.execute(statement.returning(table, has_history(c.id).label("recorded"))):
        found = rows_of(LoadBalancer).load(row)
        bumped[found.id] = found.generation
        _note(transaction, found, cause, whole=not row.recorded, bare=True)
    _announce(transaction, bumped)
    return bumped


def begin(transaction: Transaction, load_balancer: LoadBalancer, *, cause: str = "") -> None:
    """Insert a load balancer with its first generation."""
    transaction.insert(load_balancer)
    _announce(transaction, {load_balancer.id: load_balancer.generation})
    _note(transaction, load_balancer, cause, whole=True, before={} if transaction.dry_run else None)
    transaction.bumps[load_balancer.id].root = load_balancer


def _note(
    transaction: Transaction,
    bumped: LoadBalancer,
    cause: str,
    *,
    whole: bool,
    bare: bool = False,
    before: State | None = None,
) -> None:
    """Have the change recorded at the end of the transaction; several changes in one are one revision."""
    known: Bump | None = transaction.bumps.get(bumped.id)
    if known is not None:
        known.last, known.whole, known.bare = bumped.generation, known.whole or whole, known.bare and bare
        return
    words = cause if transaction.author is None else transaction.author.cause
    transaction.bumps[bumped.id] = Bump(
        first=bumped.generation,
        last=bumped.generation,
        cause=words or "changed",
        whole=whole,
        bare=bare,
        before=before,
    )
    transaction.before_commit(_record)


def _record(transaction: Transaction) -> None:
    record(transaction, transaction.bumps)


def _state(transaction: Transaction, key: str) -> State | None:
    """Return the state before a change, in a dry run."""
    if not transaction.dry_run:
        return None
    load_balancer = transaction.get(LoadBalancer, key)
    return None if load_balancer is None else state_of(tree(transaction, load_balancer))


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
    return statement.returning(table, has_history(c.id).label("recorded"))
