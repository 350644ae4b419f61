"""The entries of stick tables, copied from one HAProxy process to the next, so that persistence survives a reload.

HAProxy's own mechanism, a peers section, loses everything when a process is replaced in its first ten seconds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hydria.adapters.linux import haproxy_socket
from hydria.adapters.linux.haproxy_socket import SHOW_STATES, Session
from hydria.render.haproxy import Rendering

_ENTRY = re.compile(r"^0x[0-9a-f]+: key=(.*) use=\d+ exp=\d+ (?:.* )?server_id=(\d+)\b")

_UNACCEPTED = re.compile(r"(?<!\\)(?:\\\\)*\\[a-z]")

# The columns of `show servers state`.
_BACKEND, _NUMBER, _NAME = 1, 2, 3

# The runtime socket accepts 16 KiB a line (tune.bufsize).
_LINE = 12_000


async def read_tables(process: Session, states: str, tables: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the entries of a process: members by client, for each table. Raises HostError.

    `states` is its `show servers state`.
    """
    names = {(table, number): name for (table, name), number in _numbers(states).items()}
    found = {}
    for table in tables:
        entries = _entries(await process.ask(f"show table {table}"))
        found[table] = {key: names[table, number] for key, number in entries.items() if (table, number) in names}
    return found


async def write_tables(path: str, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Add the entries of the process before; those of members that this one lacks are skipped. Raises HostError."""
    if not any(tables.values()):
        return
    numbers = _numbers(await haproxy_socket.ask(path, SHOW_STATES))
    for line in _lines(_set_commands(tables, numbers)):
        await haproxy_socket.ask(path, line)


def _entries(shown: str) -> dict[str, str]:
    found = (_ENTRY.match(line) for line in shown.splitlines())
    # HAProxy shows a key in the notation that it accepts, except for control characters, which it does not accept.
    return {match[1]: match[2] for match in found if match and not _UNACCEPTED.search(match[1])}


def _numbers(states: str) -> dict[tuple[str, str], str]:
    """Return the numbers that stand for servers in tables, which each process assigns itself."""
    rows = (line.split(" ") for line in states.splitlines())
    return {(row[_BACKEND], row[_NAME]): row[_NUMBER] for row in rows if len(row) > _NAME}


def _set_commands(tables: Mapping[str, Mapping[str, str]], numbers: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for table, entries in tables.items():
        for client, member in entries.items():
            number = numbers.get((table, member))
            if number is not None:
                key = client.replace(";", "\\;")
                yield f"set table {table} key {key} data.server_id {number}"


def _lines(commands: Iterable[str]) -> Iterator[str]:
    gathered: list[str] = []
    for command in commands:
        if gathered and sum(map(len, gathered)) + len(gathered) + len(command) > _LINE:
            yield ";".join(gathered)
            gathered = []
        gathered.append(command)
    if gathered:
        yield ";".join(gathered)


def same_tables(before: Rendering | None, after: Rendering) -> list[str]:
    """Return the tables whose keys have the same meaning as before; all when the running configuration is unknown."""
    return [name for name, keys in after.tables.items() if before is None or before.tables.get(name) == keys]
