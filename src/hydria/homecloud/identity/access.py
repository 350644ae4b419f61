"""Access rules of the identity service: admins may do everything, a user what concerns itself."""

from typing import Any

from hydria.errors import Invalid
from hydria.homecloud.identity.faults import expecting, forbidden, immutable
from hydria.homecloud.identity.rows import DOMAIN_ID, DOMAIN_NAME
from hydria.http.operation import Call

PREFIX = "/identity"
DOMAIN = {"id": DOMAIN_ID, "name": DOMAIN_NAME}


def only_admin(call: Call, action: str) -> None:
    """Refuse (403) callers who are not admins."""
    if not call.caller.is_admin:
        raise forbidden(f"identity:{action}")


def admin_or(call: Call, user_id: str | None, action: str) -> None:
    """Refuse (403) callers who are neither admins nor this user."""
    if user_id is None or call.caller.user_id != user_id:
        only_admin(call, action)


def changeable(kind: str, row: Any, verb: str, options: Any = None) -> None:
    """Refuse (403) to change or delete an immutable row, unless the change clears that option."""
    if row.options.get("immutable") and (options or {}).get("immutable", True):
        raise immutable(verb, kind, row.id)


def same_domain(given: Any, target: str) -> None:
    """Refuse (400) any domain but the default one, the only one that there is."""
    if isinstance(given, str) and given != DOMAIN_ID:
        raise expecting(f"an existing domain_id instead of '{given}'", target)


def merged(old: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return options or further attributes after a change; null takes one away."""
    return {key: value for key, value in {**old, **given}.items() if value is not None}


def further(old: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that Keystone does not know and keeps, after a change."""
    return merged(old, {key: value for key, value in given.items() if key not in ("id", "links")})


def same_id(kind: str, row: Any, extra: dict[str, Any]) -> None:
    """Refuse (400) a body that would change the id."""
    if extra.get("id", row.id) != row.id:
        raise Invalid(f"Cannot change {kind} ID")


def v3(call: Call, *steps: str) -> str:
    """Return the address of something below the API's root."""
    return "/".join((f"{call.base_url}{PREFIX}/v3", *steps))
