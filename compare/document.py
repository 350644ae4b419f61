"""`docs/compatibility.md`, made from the results of a comparison: one row for each route and each attribute."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from compare.differences import Difference, Reason
from compare.sides import ROOT
from compare.talk import Exchange

PAGE = ROOT / "docs/compatibility.md"

_HEAD = """\
# Hydria beside Octavia

Made by `./dev compare`, which sends the same requests to the real Octavia 19.0.0 and to Hydria in noop mode and
compares status, body and headers; do not edit it. What differs on purpose has its reason in `compare/differences.toml`
and below. A case's name finds its requests in `compare/cases` or `compare/attributes.py`:
`./dev compare --cases 'NAME'` runs it.

"""

_TRAFFIC = """\
## What differs in traffic

The comparison is of the API. On purpose, Hydria's traffic differs from that of Octavia's amphorae here:

- `HEADER` rules are compared with the whole value. Octavia cuts every value at its commas, so that a rule for a whole
  `User-Agent` never matches. EQUAL_TO and REGEX match an element of a list too, but in headers that are no lists
  (`User-Agent`, dates, `Referer` …); STARTS_WITH and ENDS_WITH only in headers that are lists by definition (`Accept`,
  `X-Forwarded-For` …).
- `HOST_NAME` rules ignore the port and a dot at the end in `Host`, unless the rule's value has a port itself.
- A `FILE_TYPE` rule with REGEX matches the type (`^(jpg|png)$`) or, as in Octavia, the path (`\\.(jpg|png)$`).
- `X-Real-IP`, `X-Client-IP` and `X-Forwarded-IP` are inserted, in place of a client's own; Octavia ignores them.
- A GET, HEAD or OPTIONS that a member failed to answer is asked again once, where another member may be chosen.

As in Octavia:

- `PATH` rules compare the path as the client writes it: neither `//admin` nor `/./admin` nor `/%61dmin` starts with
  `/admin`. Let the members refuse what nobody may see, or reject by a REGEX that allows what is wanted (`invert`).
- A REGEX whose search reaches PCRE2's limits counts as not matched, also in a REJECT policy. Write expressions without
  nested repetition (`(a+)+`).

"""


def write(talks: dict[str, list[Exchange]], found: list[Difference], known: list[Reason]) -> None:
    """Write the page."""
    PAGE.write_text(
        _HEAD
        + _summary(talks, found)
        + _reasons(found, known)
        + _TRAFFIC
        + _routes(talks, found, known)
        + _attributes(talks, found, known)
    )


def _summary(talks: dict[str, list[Exchange]], found: list[Difference]) -> str:
    requests = sum(len(talk) for talk in talks.values())
    differing = len({(each.case, each.step) for each in found})
    return (
        f"{len(talks)} cases, {requests} requests; {requests - differing} answers are the same, {differing} differ.\n\n"
    )


def _reasons(found: list[Difference], known: list[Reason]) -> str:
    lines = ["## Why answers differ", "", "| number | where | why |", "| --- | --- | --- |"]
    for number, reason in enumerate(known, start=1):
        explained = [each for each in found if reason.explains(each)]
        where = sorted({_cell(each.about or each.route) for each in explained})
        if explained:
            shown = ", ".join(f"`{each}`" for each in where[:4]) + (
                f" and {len(where) - 4} more" if len(where) > 4 else ""
            )
            lines.append(f"| {number} | {shown} | {_cell(reason.reason)} |")
    open_ = [each for each in found if not any(reason.explains(each) for reason in known)]
    if open_:
        lines += [
            "",
            "Without a reason yet:",
            "",
            "| route | case | where | Octavia | Hydria |",
            "| --- | --- | --- | --- | --- |",
        ]
        seen = set()
        for each in open_:
            key = (each.route, each.about, each.at, str(each.octavia)[:40], str(each.hydria)[:40])
            if key not in seen:
                seen.add(key)
                cells = (_cell(each.route), _cell(each.case), _cell(each.at), _value(each.octavia), _value(each.hydria))
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def _routes(talks: dict[str, list[Exchange]], found: list[Difference], known: list[Reason]) -> str:
    statuses: dict[str, set[int]] = defaultdict(set)
    cases: dict[str, str] = {}
    for name, talk in talks.items():
        for exchange in talk:
            statuses[exchange.route].add(exchange.status)
            if not name.startswith(("attribute ", "generated ")):
                cases.setdefault(exchange.route, name)
    lines = ["## Routes", "", "| route | Octavia 19 | Hydria | case |", "| --- | --- | --- | --- |"]
    for route in sorted(statuses, key=lambda each: (each.split(" ")[1], each)):
        if route not in cases:
            continue
        octavia = ", ".join(str(status) for status in sorted(statuses[route]))
        ours = _ours([each for each in found if each.route == route and each.at == "status"], known)
        lines.append(f"| `{route}` | {octavia} | {ours} | {cases[route]} |")
    return "\n".join(lines) + "\n\n"


def _attributes(talks: dict[str, list[Exchange]], found: list[Difference], known: list[Reason]) -> str:
    lines = [
        "## Attributes", "",
        "Octavia's answers to the values tried, by status; what is long is cut. *left out* is a body without it.", "",
        "| attribute | Octavia 19 | Hydria | case |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, talk in talks.items():
        if not name.startswith("attribute "):
            continue
        _, attribute, method = name.split(" ")
        probes = [each for each in talk if each.about == attribute]
        by_status: dict[int, list[str]] = defaultdict(list)
        for each in probes:
            by_status[each.status].append(_tried(each.sent, attribute))
        octavia = "; ".join(f"{status}: {', '.join(values)}" for status, values in sorted(by_status.items()))
        ours = _ours([each for each in found if each.case == name and each.about == attribute], known)
        lines.append(f"| {method} `{attribute}` | {octavia} | {ours} | {name} |")
    return "\n".join(lines) + "\n"


def _ours(differences: Iterable[Difference], known: list[Reason]) -> str:
    numbers, open_ = set(), 0
    for each in differences:
        explaining = [number for number, reason in enumerate(known, start=1) if reason.explains(each)]
        numbers |= set(explaining[:1])
        open_ += not explaining
    words = [f"reason {', '.join(str(number) for number in sorted(numbers))}"] if numbers else []
    words += [f"{open_} answers differ"] if open_ else []
    return "; ".join(words) or "the same"


def _tried(sent: Any, attribute: str) -> str:
    root, _, name = attribute.partition(".")
    body = sent.get(root) if isinstance(sent, dict) else None
    if not isinstance(body, dict) or name not in body:
        return "*left out*"
    return _value(body[name])


def _value(value: Any) -> str:
    text = value if isinstance(value, str) and value.startswith(("2", "4", "5")) and " " in value else json.dumps(value)
    text = text if len(text) <= 60 else text[:57] + "…"
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("`", "'")
