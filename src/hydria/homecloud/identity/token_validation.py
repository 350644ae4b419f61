"""Validates tokens: one statement reads the owner, its roles, and whether the token is still valid."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Row, and_, bindparam, exists, select

from hydria.homecloud.identity.rows import ApplicationCredential, Assignment, Project, Revocation, Role, User
from hydria.homecloud.identity.tokens import Payload
from hydria.store import Transaction, columns

# The role that each role implies.
IMPLIED = {"admin": "member", "member": "reader"}


class ValidToken(Struct, frozen=True, kw_only=True):
    """A valid token's owner in a project (or in none), with the names of all roles, implied ones included.

    `until` is when that ends by itself (UTC seconds).
    """

    user_id: str
    user_name: str
    until: float
    project_id: str | None = None
    project_name: str = ""
    roles: frozenset[str] = frozenset()
    credential_name: str = ""
    credential_unrestricted: bool = False


_u, _p, _a, _r = columns(User), columns(Project), columns(Assignment), columns(Role)
_c, _x = columns(ApplicationCredential), columns(Revocation)

_STANDING = (
    select(
        _u.name.label("user_name"),
        _u.enabled.label("user_enabled"),
        _u.token_epoch,
        _p.name.label("project_name"),
        _p.enabled.label("project_enabled"),
        _r.name.label("role"),
        _c.name.label("credential_name"),
        _c.unrestricted,
        _c.role_ids,
        _c.expires_at,
    )
    .select_from(
        _u.id.table.outerjoin(_p.id.table, _p.id == bindparam("project_id"))
        .outerjoin(_a.user_id.table, and_(_a.user_id == _u.id, _a.project_id == _p.id))
        .outerjoin(_r.id.table, _r.id == _a.role_id)
        .outerjoin(
            _c.id.table,
            and_(_c.id == bindparam("credential_id"), _c.user_id == _u.id, _c.project_id == _p.id),
        )
    )
    .where(
        _u.id == bindparam("user_id"),
        ~exists(select(_x.id).where(_x.id.in_((bindparam("audit_id"), bindparam("first_audit_id"))))),
    )
)


def with_implied(names: Iterable[str]) -> frozenset[str]:
    """Return role names and the names of all that they imply."""
    found: set[str] = set()
    for name in names:
        step: str | None = name
        while step is not None and step not in found:
            found.add(step)
            step = IMPLIED.get(step)
    return frozenset(found)


def valid_token(transaction: Transaction, payload: Payload, now: float) -> ValidToken | None:
    """Return a token's owner and scope at `now` (UTC seconds), or None when the token is not valid."""
    if payload.expires_at <= now:
        return None
    result = transaction.execute(
        _STANDING,
        {
            "user_id": payload.user_id,
            "project_id": payload.project_id,
            "credential_id": payload.credential_id,
            "audit_id": payload.audit_ids[0],
            "first_audit_id": payload.audit_ids[-1],
        },
    )
    rows = result.all()
    if not rows or not rows[0].user_enabled or rows[0].token_epoch != payload.token_epoch:
        return None
    if payload.project_id is None:
        return ValidToken(user_id=payload.user_id, user_name=rows[0].user_name, until=payload.expires_at)
    return _in_project(transaction, payload, rows, now)


def _in_project(transaction: Transaction, payload: Payload, rows: Sequence[Row[Any]], now: float) -> ValidToken | None:
    row = rows[0]
    roles = with_implied(each.role for each in rows if each.role is not None)
    if payload.credential_id is not None:
        if row.credential_name is None or (row.expires_at is not None and row.expires_at <= now):
            return None
        roles &= with_implied(_names(transaction, msgspec.json.decode(row.role_ids)))
    if not row.project_enabled or not roles:
        return None
    return ValidToken(
        user_id=payload.user_id,
        user_name=row.user_name,
        until=min(payload.expires_at, row.expires_at or payload.expires_at),
        project_id=payload.project_id,
        project_name=row.project_name,
        roles=roles,
        credential_name=row.credential_name or "",
        credential_unrestricted=bool(row.unrestricted),
    )


def roles_in(transaction: Transaction, user_id: str, project_id: str) -> frozenset[str]:
    """Return the names of a user's roles in a project, implied ones included."""
    statement = (
        select(_r.name)
        .join_from(_a.role_id.table, _r.id.table, _r.id == _a.role_id)
        .where(_a.user_id == user_id, _a.project_id == project_id)
    )
    return with_implied(transaction.execute(statement).scalars())


def _names(transaction: Transaction, role_ids: list[str]) -> list[str]:
    return list(transaction.execute(select(_r.name).where(_r.id.in_(role_ids))).scalars())
