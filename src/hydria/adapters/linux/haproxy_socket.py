"""HAProxy's runtime socket: commands, and their answers about servers and traffic."""

import asyncio
import csv
import io
import re
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from hydria.errors import HostError
from hydria.model.status import CheckResult, ServerState
from hydria.render.haproxy import Server
from hydria.render.haproxy.changes import Add, Adjust, Exclude, Include, Remove, Renew, Rotate, Step

SHOW_STATISTICS = "show stat"
SHOW_STATES = "show servers state"

# The longest time that HAProxy may take for an answer (seconds).
_PATIENCE = 5.0

# The end of an answer in a session, and the longest answer (bytes).
_PROMPT = b"\n> "
_LONGEST = 64 * 1024**2
# The most bytes that one read takes.
_CHUNK = 256 * 1024

# The longest text of a check's result that is reported (characters).
_LONGEST_TEXT = 200

# Columns of `show servers state`: the server, and its health (the state, and from `_SINCE` to `_CHECK_HEALTH`).
_BACKEND, _NAME, _STATE, _ADMIN, _SINCE, _CHECK_HEALTH = 1, 3, 5, 6, 9, 12
_DOWN = "0"


class Session:
    """Several commands to one process, also after another process has taken over the path.

    HAProxy hangs up after ten seconds of silence. A process does not end while it has a session.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, command: str) -> str:
        """Send a line, return the answer. Raises HostError."""
        return (await self.ask_all([command]))[0]

    async def ask_all(self, commands: Sequence[str]) -> list[str]:
        """Send lines without waiting in between, return the answers. Raises HostError."""
        with _answering():
            self._writer.write("".join(f"{command}\n" for command in commands).encode())
            return [await self._answer() for _ in commands]

    async def _answer(self) -> str:
        async with asyncio.timeout(_PATIENCE):
            return (await self._reader.readuntil(_PROMPT)).decode(errors="replace").removesuffix("\n> ").strip()

    async def state(self) -> Literal["serving", "finishing", "finished"]:
        """Return whether the process serves, drains, or has no connection any more. Raises HostError."""
        shown = _pairs(await self.ask("show info"))
        if shown.get("Stopping") != "1":
            return "serving"
        return "finished" if shown.get("CurrConns") == "0" else "finishing"

    async def handed_over(self) -> None:
        """Wait until this process accepts nothing new: until then it may answer on the path instead of the next one."""
        while await self.state() == "serving":
            pass

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def session(path: str) -> Session:
    """Open a session with the process that has the path now. Raises HostError."""
    with _answering():
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST)
            writer.write(b"prompt\n")
            await reader.readuntil(b"> ")
            return Session(reader, writer)


async def ask(path: str, command: str) -> str:
    """Send one line, return the whole answer. Raises HostError when there is none."""
    with _answering():
        async with asyncio.timeout(_PATIENCE):
            # Streams take twice the processor time, and a host with very many asks again and again.
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as end:
                loop, chunks = asyncio.get_running_loop(), []
                await loop.sock_connect(end, path)
                await loop.sock_sendall(end, f"{command}\n".encode())
                while chunk := await loop.sock_recv(end, _CHUNK):
                    chunks.append(chunk)
                return b"".join(chunks).decode(errors="replace").strip()


async def listen(path: str, command: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a command whose answer does not end; return its streams for the caller to close. Raises OSError."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"{command}\n".encode())
    return reader, writer


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise HostError(f"HAProxy does not answer on its socket: {error or 'no answer'}") from None


class Statistics:
    """One reading of `show stat`."""

    def __init__(self, text: str) -> None:
        # csv.DictReader takes twice as long, and this is read for each amphora again and again.
        lines = csv.reader(io.StringIO(text.removeprefix("# ")))
        names = next(lines, [])
        self.rows: list[dict[str, str]] = [dict(zip(names, line, strict=False)) for line in lines if line]

    def servers(self) -> dict[str, ServerState]:
        """Return the states of members, by id; a pool behind several listeners counts once."""
        return {
            row["svname"]: _state(row["status"], row["check_status"])
            for row in self.rows
            if row["svname"] not in ("FRONTEND", "BACKEND")
        }

    def checks(self, now: float) -> dict[str, CheckResult]:
        """Return what the last checks of members that are down saw, by id; `now` is in seconds since the epoch."""
        return {
            row["svname"]: _check_result(row, now)
            for row in self.rows
            if row["svname"] not in ("FRONTEND", "BACKEND")
            and _state(row["status"], row["check_status"]) == "down"
            and row["check_status"]
        }


def _check_result(row: dict[str, str], now: float) -> CheckResult:
    text = row.get("last_chk") or row.get("check_desc") or ""
    return CheckResult(
        # A star stands for a check that runs at this moment.
        result=row["check_status"].lstrip("* "),
        code=int(row["check_code"]) if row["check_code"] else None,
        text=text[:_LONGEST_TEXT],
        latency_ms=int(row["check_duration"]) if row["check_duration"] else None,
        since=int(now) - int(row["lastchg"] or 0),
    )


async def statistics(path: str) -> Statistics:
    """Read states and counters. Raises HostError."""
    return Statistics(await ask(path, SHOW_STATISTICS))


async def information(path: str) -> dict[str, str]:
    """Read `show info`, by its names. Raises HostError."""
    return _pairs(await ask(path, "show info"))


def _pairs(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(": ") for line in text.splitlines())}


def _state(status: str, check: str) -> ServerState:
    if status == "no check":
        return "unchecked"
    if status.startswith("DOWN"):
        return "down"
    # The state is unknown until the first check has ended, although HAProxy sends traffic already.
    if check.lstrip("* ") in ("INI", ""):
        return "unknown"
    return "up" if status.startswith(("UP", "NOLB", "DRAIN")) else "unknown"


async def apply(path: str, planned: Iterable[Step]) -> None:
    """Apply steps to the running process. Raises HostError when it refuses one; then some others are applied."""
    commands: list[tuple[str, str]] = []
    for step in planned:
        if isinstance(step, Renew | Include | Exclude):
            await _change_certificate(path, step)
        else:
            commands += _commands(step)
    if not commands:
        return
    running = await session(path)
    try:
        answers = await running.ask_all([command for command, _ in commands])
    finally:
        running.close()
    for (command, expected), answer in zip(commands, answers, strict=True):
        if answer != expected:
            # Without the key of session tickets, which is secret.
            shown = command.rpartition(" ")[0] if command.startswith("set ssl tls-key") else command
            raise HostError(f"HAProxy refuses '{shown}': {answer or 'no answer'}")


def _commands(step: Add | Adjust | Remove | Rotate) -> Iterator[tuple[str, str]]:
    """Yield the commands of a step, each with the answer that means success."""
    if isinstance(step, Add):
        server = step.server
        key = f"{server.backend}/{server.name}"
        words = ("add server", key, server.address, "weight", str(server.weight), *map(_word, server.options))
        yield " ".join(words), "New server registered."
        if server.cookie_key is not None:
            yield f"set dynamic-cookie-key backend {server.backend} {server.cookie_key}", ""
        if "check" in server.options:
            yield f"enable health {key}", ""
        if server.enabled:
            yield f"set server {key} state ready", ""
    elif isinstance(step, Adjust):
        key = f"{step.after.backend}/{step.after.name}"
        if step.before.weight != step.after.weight:
            yield f"set server {key} weight {step.after.weight}", ""
        if step.before.enabled != step.after.enabled:
            yield f"set server {key} state {'ready' if step.after.enabled else 'maint'}", ""
    elif isinstance(step, Rotate):
        yield f"set ssl tls-key {_word(step.path)} {step.key}", "TLS ticket key updated!"
    elif isinstance(step, Remove):
        yield f"set server {step.server.backend}/{step.server.name} state maint", ""


def _word(text: str) -> str:
    """Return text as one word of a command, where quotes have no meaning."""
    return re.sub(r"([\\; \t])", r"\\\1", text)


async def _change_certificate(path: str, step: Renew | Include | Exclude) -> None:
    file = _word(step.path)
    if isinstance(step, Exclude):
        await _expect(path, f"del ssl crt-list {_word(step.certificates)} {file}", "deleted")
        await _expect(path, f"del ssl cert {file}", "deleted")
        return
    if isinstance(step, Include):
        await _expect(path, f"new ssl cert {file}", "New empty certificate store")
    # An empty line ends the content, and text after it would be commands.
    content = "".join(f"{line}\n" for line in step.content.splitlines() if line.strip())
    await _expect(path, f"set ssl cert {file}", "ransaction", f" <<\n{content}")
    await _expect(path, f"commit ssl cert {file}", "Success!")
    if isinstance(step, Include):
        await _expect(path, f"add ssl crt-list {_word(step.certificates)} {file}", "Success!")


async def _expect(path: str, command: str, expected: str, content: str = "") -> None:
    """Send a command with secret `content`. Raises HostError unless the answer contains `expected`."""
    answer = await ask(path, command + content)
    if expected not in answer:
        raise HostError(f"HAProxy refuses '{command}': {answer[:300] or 'no answer'}")


async def delete_servers(path: str, servers: Sequence[Server]) -> list[Server]:
    """Delete disabled servers; return those that still have connections. Raises HostError."""
    if not servers:
        return []
    running = await session(path)
    try:
        answers = await running.ask_all([f"del server {each.backend}/{each.name}" for each in servers])
    finally:
        running.close()
    gone = ("deleted", "No such server")
    return [each for each, said in zip(servers, answers, strict=True) if not any(word in said for word in gone)]


def state_file(states: str, servers: Iterable[Server], before: Iterable[Server] | None, marked: Collection[str]) -> str:
    """Return the server-state file for the next process, from `show servers state` of this one.

    `servers` are those of the new configuration, `before` those of this process (None: unknown), `marked` the names of
    servers whose health the agent sets. Only health is copied. HAProxy prefers the weights, ports, TLS and check
    addresses of the file to its configuration, so those are taken from the new configuration, or left out.
    """
    wanted = {(each.backend, each.name): each for each in servers if each.enabled}
    asked = None if before is None else {(each.backend, each.name): each.asks for each in before}
    kept = ["1"]
    for line in states.splitlines()[1:]:
        columns = line.split(" ")
        if line.startswith("#"):
            kept.append(line)
        elif len(columns) > _CHECK_HEALTH:
            key = (columns[_BACKEND], columns[_NAME])
            server = wanted.get(key)
            if server is None or columns[_ADMIN] != "0" or not ("check" in server.options or server.name in marked):
                continue
            if asked is not None and asked.get(key) != server.asks and columns[_STATE] != _DOWN:
                # The old state is the result of another check: without it, the first result of the new check counts.
                continue
            kept.append(_state_line(columns, server))
    return "\n".join(kept) + "\n"


def _state_line(columns: Sequence[str], server: Server) -> str:
    """Return a server's line of a server-state file: its health as it was, everything else as configured."""
    weight = str(server.weight)
    port = server.address.rpartition(":")[2]
    # The zeros mean: enabled, no check or agent that was switched off, no forced ids. Behind the last column that
    # HAProxy requires come TLS and the check's port and address.
    words = [*columns[: _STATE + 1], "0", weight, weight, *columns[_SINCE : _CHECK_HEALTH + 1], "0", "0", "0", "0"]
    return " ".join((*words, "-", port, "-"))
