"""The history of load balancers: a row for each change, written in its transaction, and what hosts say of it later.

The oldest row of a load balancer has its whole tree, the others have what their change touched.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select, update
from sqlalchemy.sql.dml import Update

from hydria.model import LoadBalancer, Resource
from hydria.model.applied import Applied
from hydria.model.differences import State, state_of
from hydria.model.revision import applied, pack, unpack
from hydria.store.resources import CHILDREN, tree
from hydria.store.tables import columns, register, rows_of
from hydria.store.transaction import Transaction
from hydria.store.union_select import UnionSelect
from hydria.times import stamp


class Revision(Struct, frozen=True, kw_only=True):
    """One change of a load balancer, which made `generation`.

    `cause` says in words what made the change. The user, the project and the request's id are None for changes that no
    call made. `begun_at` is its time in seconds since the epoch. `touched` is a text of `hydria.model.revision`;
    `whole` says that it is the whole tree.
    `served_at` is when every amphora served it, after `seconds`, with generation `served_with`. `ways` has what hosts
    say of the change by amphora id. `failure` is why an attempt to serve it failed last, at `failed_at`.
    """

    load_balancer_id: str
    generation: int
    created_at: str
    begun_at: float
    cause: str
    user_id: str | None = None
    project_id: str | None = None
    request_id: str | None = None
    whole: bool = False
    touched: str
    served_at: str | None = None
    seconds: float | None = None
    served_with: int | None = None
    ways: dict[str, Applied] = {}
    failure: str | None = None
    failed_at: str | None = None


# The text of a revision that touches no resource.
_NOTHING = pack(())

register(Revision, "revisions", key=("load_balancer_id", "generation"))


class Bump(Struct, kw_only=True):
    """The change of one load balancer in a transaction: the generations from `first` to `last`.

    `whole` asks for a revision with the whole tree. `before` is the state before the change, kept in dry runs only.
    `root` is the row of a load balancer that the transaction made. A `bare` change touches no resource.
    """

    first: int
    last: int
    cause: str
    whole: bool
    before: State | None = None
    root: LoadBalancer | None = None
    bare: bool = False


def has_history(load_balancer_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a load balancer has a revision."""
    c = columns(Revision)
    return select(c.generation).where(c.load_balancer_id == load_balancer_id).exists()


def record(transaction: Transaction, bumps: dict[str, Bump]) -> None:
    """Write the revisions of a transaction's changes, at its end."""
    at = datetime.now(UTC) if transaction.author is None else transaction.author.at
    found = []
    for key, bump in bumps.items():
        touched = _touched(transaction, key, bump)
        if touched is not None:
            found.append(_revision(transaction, key, bump, touched, at))
    if len(found) == 1:
        # After a restored backup there may be one of this number.
        if not transaction.ensure(found[0]):
            transaction.update(found[0])
    else:
        transaction.ensure_all(found)


def _revision(transaction: Transaction, key: str, bump: Bump, touched: str, at: datetime) -> Revision:
    author = transaction.author
    revision = Revision(
        load_balancer_id=key,
        generation=bump.last,
        created_at=stamp(at),
        begun_at=at.timestamp(),
        cause=bump.cause,
        whole=bump.whole,
        touched=touched,
    )
    if author is None:
        return revision
    who = {"user_id": author.user_id, "project_id": author.project_id, "request_id": author.request_id}
    return structs.replace(revision, **who)


def _touched(transaction: Transaction, key: str, bump: Bump) -> str | None:
    if bump.bare and not bump.whole:
        return _NOTHING
    if bump.whole:
        load_balancer = bump.root or transaction.get(LoadBalancer, key)
        if load_balancer is None:
            return None
        return pack(state_of(tree(transaction, load_balancer)).values())
    union = _select_touched()
    parameters = {"key": key, "first": bump.first}
    found = union.load(transaction.execute(union.statement, parameters))
    resources: list[Resource] = [each for kind in found.values() for each in kind]
    gone = [each.id for each in resources if each.deleted_in is not None and not isinstance(each, LoadBalancer)]
    return pack((each for each in resources if each.id not in gone), gone)


@cache
def _select_touched() -> UnionSelect:
    first: ColumnElement[Any] = bindparam("first")
    where: dict[type[Struct], tuple[ColumnElement[bool], ...]] = {LoadBalancer: (_is_touched(LoadBalancer, first),)}
    for kind in CHILDREN:
        where[kind] = (columns(kind).load_balancer_id == bindparam("key"), _is_touched(kind, first))
    where[LoadBalancer] = (columns(LoadBalancer).id == bindparam("key"), *where[LoadBalancer])
    return UnionSelect(where)


def _is_touched(kind: type[Resource], first: Any) -> ColumnElement[bool]:
    c = columns(kind)
    return or_(c.changed_in >= first, c.deleted_in >= first)


# --- what hosts say ---


def mark_served(transaction: Transaction, load_balancer: LoadBalancer, before: int, now: datetime) -> None:
    """Note that every amphora serves the generations behind `before`, up to the observed one."""
    transaction.execute(
        _serving(),
        {
            "key": load_balancer.id,
            "before": before,
            "observed": load_balancer.observed,
            "at": stamp(now),
            "now": now.timestamp(),
        },
    )


@cache
def _serving() -> Update:
    c = columns(Revision)
    passed: ColumnElement[Any] = bindparam("now") - c.begun_at
    which = (c.load_balancer_id == bindparam("key")) & (c.generation > bindparam("before"))
    return (
        update(rows_of(Revision).table)
        .where(which, c.generation <= bindparam("observed"), c.served_at.is_(None))
        .values(served_at=bindparam("at"), served_with=bindparam("observed"), seconds=passed)
    )


def mark_failed(transaction: Transaction, load_balancer: LoadBalancer, now: datetime) -> None:
    """Note why the newest attempt to serve a generation failed."""
    c = columns(Revision)
    which = (c.load_balancer_id == load_balancer.id) & (c.generation == load_balancer.failed)
    failed = {"failure": load_balancer.reason, "failed_at": stamp(now)}
    transaction.execute(update(rows_of(Revision).table).where(which).values(**failed))


def add_way(transaction: Transaction, load_balancer_id: str, amphora_id: str, way: Applied) -> None:
    """Store by which way an amphora came to serve a generation, and what that cost so far."""
    c = columns(Revision)
    which = (c.load_balancer_id == load_balancer_id) & (c.generation == way.generation)
    for revision in transaction.find(Revision, which):
        if revision.ways.get(amphora_id) != way:
            transaction.update(structs.replace(revision, ways={**revision.ways, amphora_id: way}))


# --- reading ---


def revisions_of(transaction: Transaction, load_balancer_id: str) -> list[Revision]:
    """Return the revisions of a load balancer, the oldest first."""
    return transaction.load(Revision, _all_of(), {"key": load_balancer_id})


def revision_of(transaction: Transaction, load_balancer_id: str, generation: int) -> Revision | None:
    """Return one revision, or None."""
    c = columns(Revision)
    found = transaction.find(Revision, c.load_balancer_id == load_balancer_id, c.generation == generation)
    return found[0] if found else None


def last_failure_of(transaction: Transaction, load_balancer_id: str) -> Revision | None:
    """Return the newest revision that failed, whether it is served now or not."""
    found = transaction.load(Revision, _last_failed(), {"key": load_balancer_id})
    return found[0] if found else None


@cache
def _last_failed() -> Select[Any]:
    c = columns(Revision)
    statement = select(rows_of(Revision).table).where(c.load_balancer_id == bindparam("key"), c.failure.is_not(None))
    return statement.order_by(c.generation.desc()).limit(1)


@cache
def _all_of() -> Select[Any]:
    c = columns(Revision)
    return select(rows_of(Revision).table).where(c.load_balancer_id == bindparam("key")).order_by(c.generation)


def states(revisions: Iterable[Revision]) -> Iterable[tuple[Revision, State]]:
    """Yield each revision with the tree as it was then; the first one must be whole."""
    state: State = {}
    for revision in revisions:
        state = applied({} if revision.whole else state, unpack(revision.touched))
        yield revision, state


# --- pruning ---


class Keep(Struct, frozen=True, kw_only=True):
    """Which revisions are kept: those made since `since` (a stamp), and at most `most` of each load balancer."""

    since: str
    most: int


def prune(transaction: Transaction, keep: Keep, *, after: str, limit: int) -> str:
    """Drop what need not be kept of `limit` load balancers whose ids follow `after`; return the last of these ids.

    An empty text is returned at the end of all ids. The newest revision of each load balancer stays, and the oldest one
    that stays gets the whole tree.
    """
    looked = [tuple(row) for row in transaction.execute(_sizes(), {"after": after, "limit": limit})]
    for key, count, oldest in looked:
        if count > keep.most or (oldest < keep.since and count > 1):
            _prune(transaction, key, keep)
    return looked[-1][0] if len(looked) == limit else ""


def _prune(transaction: Transaction, key: str, keep: Keep) -> None:
    found = list(states(revisions_of(transaction, key)))
    fits = (
        index
        for index, (revision, _) in enumerate(found)
        if len(found) - index <= keep.most and revision.created_at >= keep.since
    )
    revision, state = found[next(fits, len(found) - 1)]
    c = columns(Revision)
    if transaction.delete(Revision, c.load_balancer_id == key, c.generation < revision.generation):
        transaction.update(structs.replace(revision, whole=True, touched=pack(state.values())))


@cache
def _sizes() -> Select[Any]:
    c = columns(Revision)
    key = c.load_balancer_id
    statement = select(key, func.count(), func.min(c.created_at)).where(key > bindparam("after"))
    return statement.group_by(key).order_by(key).limit(bindparam("limit"))
