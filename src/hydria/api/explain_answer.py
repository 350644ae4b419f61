"""Where a request would go, as JSON values."""

from typing import Any

import msgspec
from msgspec import Struct

from hydria.model import Pool
from hydria.model.sentences import said, say
from hydria.render.explain import Explanation
from hydria.render.explain.rules import PolicyResult


def explanation(found: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON values."""
    listener, pool = found.listener, found.pool
    return {
        "outcome": found.outcome,
        "status": found.status,
        "location": found.location,
        **said(found.words),
        "listener": None if listener is None else _some(listener, "id", "name", "protocol", "protocol_port"),
        "tls": {"certificate": found.certificate, **said(found.tls)} if found.tls else None,
        "policies": [_policy(each, decides=each.policy.id == found.decides) for each in found.policies],
        "pool": None if pool is None else _some(pool, "id", "name", "protocol", "lb_algorithm"),
        "members": [
            {
                **_some(each.member, "id", "name", "address", "protocol_port", "weight", "backup"),
                "operating_status": each.status,
                "takes": each.takes,
                **said((each.sentence,)),
            }
            for each in found.members
        ],
        "persistence": None if pool is None else _persistence(pool),
        "notes": list(found.notes),
    }


def _policy(found: PolicyResult, *, decides: bool) -> dict[str, Any]:
    return {
        **_some(found.policy, "id", "name", "position", "action"),
        "matched": found.matched,
        "decides": decides,
        **said((found.sentence,)),
        "rules": [
            {
                **_some(each.rule, "id", "type", "compare_type", "key", "value", "invert"),
                "matched": each.matched,
                "seen": list(each.seen),
                **said(each.words),
            }
            for each in found.rules
        ],
    }


def _persistence(pool: Pool) -> dict[str, Any] | None:
    kept = pool.session_persistence
    if kept is None:
        return None
    codes = {"SOURCE_IP": "kept_by_address", "HTTP_COOKIE": "kept_by_cookie", "APP_COOKIE": "kept_by_own_cookie"}
    sentence = say(codes[kept.type], **({"cookie": kept.cookie_name} if kept.cookie_name else {}))
    return {"type": kept.type, "cookie_name": kept.cookie_name, **said((sentence,))}


def _some(resource: Struct, *names: str) -> dict[str, Any]:
    return {name: msgspec.to_builtins(getattr(resource, name)) for name in names}
