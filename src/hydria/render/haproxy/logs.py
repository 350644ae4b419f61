"""The access log: the format of HAProxy's lines, and their parser. Pure.

Lines go to a ring in HAProxy's memory, which costs no system call and is read over the runtime socket, and to a syslog
socket where the settings name one. A line costs a twelfth of HAProxy's work for a request. So of successful requests
only some are logged, unless they go to syslog or the log is followed; errors and TCP connections always are.
"""

import re
from datetime import datetime

from msgspec import Struct

from hydria.model import Listener
from hydria.render.haproxy.parts import SYSLOG, Section, Surroundings, mode_of
from hydria.render.quoting import quote

RING = "traffic"
_WATCHED = "proc.watched"
# When a successful request was logged last (milliseconds since the epoch), and how long the next ones are not.
_SAMPLED, _PAUSE = "proc.sampled", 50

# Bytes of the whole ring, and of its longest line; longer lines are cut.
_SIZE, _LENGTH = 65536, 2048

_ENDS = "listener=%f client=%ci client_port=%cp backend=%b member=%s"
_TIMES = "wait=%Tw connect=%Tc"
_HTTP = f"traffic {_ENDS} status=%ST in=%U out=%B {_TIMES} response=%Tr total=%Tt end=%tsc request=%{{+Q}}r"
_TCP = f"traffic {_ENDS} in=%U out=%B {_TIMES} total=%Tt end=%tsc"

_LINE = re.compile(r"(?:<\d+>)?(?P<at>\d{4}-\d\d-\d\dT\S+) (?P<text>.*)")
_SUCCEEDED = re.compile(r" traffic .*? status=[23]\d\d ")
_ANSWERED = re.compile(r" traffic .*? member=(?P<member>\S+) status=[23]\d\d .*? response=(?P<response>\d+) ")
_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|(\S*))')


def ring() -> Section:
    """Return the section of the ring."""
    return [f"ring {RING}", "format timed", f"maxlen {_LENGTH}", f"size {_SIZE}"]


def global_lines() -> list[str]:
    """Return the lines of the global section."""
    return [f"set-var {_SAMPLED} int(0)"]


def traffic_lines(listener: Listener, surroundings: Surroundings) -> list[str]:
    """Return the lines of a frontend that log its traffic."""
    if mode_of(listener) != "http":
        return [*_targets(surroundings, "info"), f"log-format {quote(_TCP)}"]
    lines = [*_targets(surroundings, "info"), f"log-format {quote(_HTTP)}"]
    if not surroundings.syslog:
        lately = f"{{ date(0,ms),sub({_SAMPLED}) lt {_PAUSE} }}"
        # While the variable of followers is not set its condition is false, as intended.
        watched = f"{{ date,sub({_WATCHED}) lt 0 }}"
        lines.append(f"http-response set-log-level silent if {lately} {{ status 200:399 }} !{watched}")
        lines.append(f"http-response set-var({_SAMPLED}) date(0,ms) if !{lately} {{ status 200:399 }}")
    return lines


def watch(until: int) -> tuple[str, ...]:
    """Return the commands of the runtime socket that log every request until a time (seconds since the epoch)."""
    # HAProxy 2.6 has it as an experimental command.
    return ("experimental-mode on", f"set var {_WATCHED} int({until})")


def health_lines(surroundings: Surroundings) -> list[str]:
    """Return the lines of a backend that log changes of its members' health, without logging traffic twice."""
    return _targets(surroundings, "notice")


def _targets(surroundings: Surroundings, level: str) -> list[str]:
    targets = [f"log ring@{RING} len {_LENGTH} local0 {level}"]
    if surroundings.syslog:
        targets.append(f"log {SYSLOG} len {_LENGTH} format rfc5424 local0 {level}")
    return targets


class Entry(Struct, frozen=True, kw_only=True):
    """One line: its time (with an offset) and text; `fields` are those of traffic, empty for a change of health."""

    at: datetime
    text: str
    fields: dict[str, str] = {}


def parse(line: str) -> Entry | None:
    """Parse a line of the ring; None for one whose beginning was overwritten."""
    match = _LINE.match(line)
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(match["at"])
    except ValueError:
        return None
    text = match["text"]
    fields = {name: quoted or plain for name, quoted, plain in _FIELD.findall(text)} if _is_traffic(text) else {}
    return Entry(at=at, text=text, fields=fields)


def succeeded(line: str) -> bool:
    """Return whether a line is of a successful HTTP request, cheaply."""
    return _SUCCEEDED.search(line) is not None


def response_time(line: str) -> tuple[str, str, int] | None:
    """Return the time, the member and the milliseconds until the response of a successful request's line, or None.

    Cheaper than `parse`: this is for every line.
    """
    match = _ANSWERED.search(line)
    at, _, _ = line.partition(" ")
    return None if match is None else (at.rpartition(">")[2], match["member"], int(match["response"]))


def _is_traffic(text: str) -> bool:
    return text.startswith("traffic ")


def kind_of(entry: Entry, listener: Listener | None) -> str:
    """Return what an entry is about: `health`, or a request or connection that `failed` or `succeeded`."""
    if not entry.fields:
        return "health"
    end, status = ending(entry.fields, listener), entry.fields.get("status", "200")
    failed = status >= "400" or (end is not None and end != _ENDED["L"])
    return "failed" if failed else "succeeded"


# HAProxy's termination states: the cause of the end, and the phase (its manual, 8.5).
_ENDED = {
    "C": "the client hung up",
    "S": "the member hung up or refused",
    "P": "the load balancer refused",
    "R": "the load balancer had no room for it",
    "I": "the load balancer failed",
    "D": "the member went down",
    "U": "an active member came back",
    "K": "an operator ended it",
    "L": "the load balancer answered itself",
}
_PHASE = {
    "R": "before the whole request was there",
    "Q": "while it waited for a member",
    "C": "while the member was connected to",
    "H": "before the member's answer was there",
    "D": "while data was passed",
    "L": "while the last data was passed",
    "T": "while it was held back",
}
# The side whose timeout expired.
_SILENT = {"c": "the client", "s": "the member"}


def ending(fields: dict[str, str], listener: Listener | None) -> str | None:
    """Return why a connection ended early, with the timeout to change if it was one; None for a normal end."""
    end = fields.get("end", "") + "--"
    who, phase = end[0], end[1]
    if who in _SILENT:
        timeout = "timeout_client_data"
        if who == "s":
            timeout = "timeout_member_connect" if phase in ("C", "Q") else "timeout_member_data"
        after = f" for {getattr(listener, timeout)} ms" if listener is not None else ""
        target = listener.id if listener is not None else fields.get("listener", "LISTENER")
        option = "--" + timeout.replace("_", "-")
        return (
            f"{_SILENT[who]} was silent{after} {_PHASE.get(phase, '')}: {timeout} of the listener"
            f" (openstack loadbalancer listener set {option} MILLISECONDS {target})"
        )
    if who not in _ENDED:
        return None
    if who == "L":
        # A redirect, for instance: the phase would only say that no member was asked.
        return _ENDED[who]
    return f"{_ENDED[who]} {_PHASE.get(phase, '')}".rstrip()
