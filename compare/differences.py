"""Compares two transcripts of one case, and finds the reasons of the differences."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from msgspec import Struct

from compare.talk import Exchange

REASONS = Path(__file__).with_name("differences.toml")
_MISSING = "(not there)"


class Difference(Struct, frozen=True, kw_only=True):
    """A difference between the answers to one request. `at` is `status`, `header …` or a path in the body."""

    case: str
    step: int
    route: str
    about: str | None
    at: str
    octavia: Any
    hydria: Any
    sent: Any
    user: str | None = None
    path: str = ""


class Reason(Struct, frozen=True, kw_only=True):
    """The reason of an intended difference: patterns (as in a shell) for its place, and a sentence."""

    case: str = "*"
    route: str = "*"
    path: str = "*"
    about: str = "*"
    at: str = "*"
    octavia: str = "*"
    hydria: str = "*"
    reason: str

    def explains(self, difference: Difference) -> bool:
        """Return True when this is the reason of a difference."""
        return all(
            fnmatchcase(str(getattr(difference, name)), getattr(self, name))
            for name in ("case", "route", "path", "about", "at", "octavia", "hydria")
        )


def reasons() -> list[Reason]:
    """Read the reasons from `differences.toml`."""
    import msgspec  # noqa: PLC0415 - needed only here

    return msgspec.convert(tomllib.loads(REASONS.read_text())["difference"], list[Reason])


def compare(case: str, octavia: list[Exchange], hydria: list[Exchange]) -> list[Difference]:
    """Return the differences. After a step that the rest needs and that one side refused, nothing is compared."""
    found: list[Difference] = []
    for step, (real, ours) in enumerate(zip(octavia, hydria, strict=True)):
        for at, one, other in _differences(real, ours):
            found.append(
                Difference(
                    case=case,
                    step=step,
                    route=real.route,
                    about=real.about,
                    at=at,
                    octavia=one,
                    hydria=other,
                    sent=real.sent,
                    user=real.user,
                    path=real.path,
                )
            )
        if real.needed and 201 in (real.status, ours.status) and real.status != ours.status:
            break
    return found


def _differences(real: Exchange, ours: Exchange) -> list[tuple[str, Any, Any]]:
    if real.status != ours.status:
        # The bodies of a success and of a refusal are not comparable.
        return [("status", _outcome(real), _outcome(ours))]
    found = [
        (f"header {name}", value, ours.headers.get(name))
        for name, value in real.headers.items()
        if value != ours.headers.get(name)
    ]
    if isinstance(real.body, dict) and {"code", "title", "description"} <= real.body.keys():
        # Pecan's own fault body, when Octavia's code was not reached or did not catch the refusal.
        text = ours.body.get("faultstring") if isinstance(ours.body, dict) else ours.body
        found.append(("shape", "code, title, description", "faultcode, faultstring, debuginfo"))
        return found + _in_body("faultstring", real.body["description"], text)
    return found + _in_body("", real.body, _part(real.body, ours.body) if real.part else ours.body)


def _part(kept: Any, whole: Any) -> Any:
    """Return the part of a body that another body has too."""
    if isinstance(kept, dict) and isinstance(whole, dict):
        return {name: _part(kept[name], value) for name, value in whole.items() if name in kept}
    return whole


def _outcome(exchange: Exchange) -> str:
    fault = exchange.body.get("faultstring") if isinstance(exchange.body, dict) else None
    return f"{exchange.status} {fault}" if fault else str(exchange.status)


def _in_body(at: str, real: Any, ours: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(real, dict) and isinstance(ours, dict):
        return [
            difference
            for name in sorted(real.keys() | ours.keys())
            for difference in _in_body(
                f"{at}.{name}" if at else name, real.get(name, _MISSING), ours.get(name, _MISSING)
            )
        ]
    if isinstance(real, list) and isinstance(ours, list) and len(real) == len(ours):
        return [
            difference for one, other in zip(real, ours, strict=True) for difference in _in_body(f"{at}[]", one, other)
        ]
    return [] if _same(real, ours) else [(at or "body", real, ours)]


def _same(real: Any, ours: Any) -> bool:
    # In Python 1, 1.0 and True are equal, for a client they are not.
    return type(real) is type(ours) and bool(real == ours)
