"""One amphora's HAProxy: started in its namespace, changed by its socket or by a hitless reload, found after a crash.

A reload starts a second process that takes over the first one's listening sockets; the first ends when its last
connection does. There is no master process: a failed start is an exit status and a sentence, and memory is halved.

Files in the amphora's directory: `haproxy.cfg` is what runs, `candidate.cfg` what is about to, `changing` is there
while the two may differ; `tls` has certificates and keys, for root alone.
"""

import asyncio
import contextlib
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import structlog
from msgspec import Struct, structs

from hydria.adapters.linux import haproxy_socket, stick_tables
from hydria.adapters.linux.processes import Process, find, find_all, gone, now
from hydria.adapters.linux.refused import Refused, alerts_in
from hydria.errors import HostError
from hydria.files import make_directory, write_private
from hydria.model.status import ServerState
from hydria.render.haproxy import Rendering, Server
from hydria.render.haproxy.changes import Add, Adjust, Remove, Step, steps
from hydria.render.haproxy.tls import FOLDER

log = structlog.get_logger(__name__)

# A start that takes longer hangs (seconds).
_START_PATIENCE = 30.0
_END_PATIENCE = 10.0

# What nsenter exits with when there is no such program.
_NO_PROGRAM = 127

# Joins control groups before anything else is done, so that all memory counts; `$0` says whether it must.
_JOINING = 'while [ "$1" != -- ]; do echo 0 >"$1" || [ "$0" = auto ] || exit 125; shift; done; shift; exec "$@"'


class Program(Struct, frozen=True, kw_only=True):
    """The HAProxy to run: `path` as execvp finds it, the memory limit in MiB."""

    path: str
    memory_mb: int | None = None
    # Whether it starts only in its control groups.
    limits_required: bool = False


class Haproxy:
    """The HAProxy of one amphora."""

    def __init__(self, program: Program, directory: Path, namespace_path: str) -> None:
        self._program = program
        self._directory = directory
        self._namespace_path = namespace_path
        self._socket = str(directory / "haproxy.sock")
        self._process: Process | None = None
        # None: something runs of which we do not know what.
        self._rendering: Rendering | None = None
        # The files of the last configuration that ran: what fails puts them back.
        self._kept: Mapping[str, str] = {}
        self._leaving: list[Server] = []
        # There is nothing for it to do.
        self._resting = False
        # Members whose health is told by somebody who checks in HAProxy's place.
        self._marked: frozenset[str] = frozenset()
        # The files by which what is started joins its control groups.
        self.groups: Sequence[Path] = ()

    @property
    def process(self) -> Process | None:
        """The process that takes new connections, if it runs."""
        return self._process if self._process is not None and self._process.alive else None

    def adopt(self, rendering: Rendering | None) -> None:
        """Find the process that runs since before a restart; `rendering` is what it should be running."""
        self._process = self._recorded()
        if rendering is None or self._changing.exists():
            return
        with contextlib.suppress(OSError):
            if (self._directory / "haproxy.cfg").read_text() == rendering.text:
                # What is remembered of it has no secrets.
                kept = {path: Path(path).read_text() for path in rendering.files}
                self._rendering = structs.replace(rendering, files=kept)
                self._kept = kept

    async def converge(self, rendering: Rendering) -> haproxy_socket.Session | None:
        """Run this configuration: change nothing, servers, or reload. Raises HostError; then the last one runs on.

        Returns a session with a process that was replaced and finishes: for the caller to close.
        """
        self._resting = False
        planned = self._plan(rendering) if self.process is not None else None
        last = None
        try:
            if planned is None:
                last = await self._start(rendering)
            elif self._rendering != rendering:
                await self._change(rendering, planned)
        except HostError:
            self._write_files(self._kept)
            raise
        self._kept = rendering.files
        return last

    async def rest(self) -> haproxy_socket.Session | None:
        """Run nothing: what runs finishes its connections and ends. Returns a session as `converge` does."""
        self._resting = True
        interrupted = self._changing.exists()
        if self.process is None and not interrupted:
            return None
        last = None
        with contextlib.suppress(HostError):
            last = await haproxy_socket.session(self._socket)
        self._changing.touch()
        # Whoever comes after a crash must not take one that finishes for one that serves.
        (self._directory / "haproxy.pid").unlink(missing_ok=True)
        before, self._process = self._process, None
        self._retire(before)
        if interrupted:
            self._retire_strays()
        self._leaving.clear()
        self._rendering, self._kept = None, {}
        self._remove_files({})
        self._changing.unlink()
        return last

    async def statistics(self) -> haproxy_socket.Statistics:
        """Read states and counters of this process. Raises HostError when it does not run but should."""
        if self._resting:
            return haproxy_socket.Statistics("")
        if self.process is None:
            raise HostError("HAProxy does not run.")
        return await haproxy_socket.statistics(self._socket)

    async def information(self) -> dict[str, str]:
        """Read what this process says of itself. Raises HostError when it does not run."""
        if self.process is None:
            raise HostError("HAProxy does not run.")
        return await haproxy_socket.information(self._socket)

    async def mark(self, states: Mapping[str, ServerState]) -> None:
        """Tell the health of members that HAProxy does not check itself; it is up to date afterwards. Raises HostError.

        Those that are not named, or not known to be down, are up.
        """
        self._marked = frozenset(states)
        if self.process is None or self._rendering is None:
            return
        servers = self._rendering.servers
        read = await self.statistics()
        down = {(row["pxname"], row["svname"]) for row in read.rows if row["status"].startswith("DOWN")}
        for server in servers:
            wanted = states.get(server.name) == "down"
            if server.enabled and "check" not in server.options and wanted != ((server.backend, server.name) in down):
                health = "down" if wanted else "up"
                await haproxy_socket.ask(self._socket, f"set server {server.backend}/{server.name} health {health}")

    async def sweep(self) -> bool:
        """Delete the servers whose last connection has ended; says whether some are left."""
        if self.process is None:
            self._leaving.clear()
        self._leaving = await haproxy_socket.forget(self._socket, self._leaving)
        return bool(self._leaving)

    async def end(self) -> None:
        """End all processes, the ones that only finish connections too. Raises HostError when they do not end."""
        processes = await asyncio.to_thread(list, self._all())
        for process in processes:
            process.signal(signal.SIGKILL)
        ended = await gone(processes, _END_PATIENCE)
        for process in processes:
            process.close()
        self._let_go()
        if not ended:
            raise HostError(f"HAProxy does not end ({', '.join(str(each.pid) for each in processes)}).")

    def close(self) -> None:
        """Let go of the process; it runs on."""
        self._let_go()

    # --- the ways of a change ---

    def _plan(self, rendering: Rendering) -> list[Step] | None:
        planned = steps(self._rendering, rendering) if self._rendering is not None else None
        if planned is None:
            return None
        left = {(server.backend, server.name): server for server in self._leaving}
        plan: list[Step] = []
        for step in planned:
            again = left.get((step.server.backend, step.server.name)) if isinstance(step, Add) else None
            if again is None or not isinstance(step, Add):
                plan.append(step)
            elif (again.address, again.options) != (step.server.address, step.server.options):
                return None
            else:
                # It is still there, out of service, until its last connection ends.
                plan.append(Adjust(structs.replace(again, enabled=False), step.server))
        return plan

    async def _change(self, rendering: Rendering, planned: list[Step]) -> None:
        self._changing.touch()
        self._rendering = None
        self._write_files(rendering.files)
        write_private(self._candidate, rendering.text.encode())
        # The text takes a while to be looked through, and what runs is no worse for what it is told meanwhile.
        checked, applied = await asyncio.gather(
            self._check(), haproxy_socket.apply(self._socket, planned), return_exceptions=True
        )
        for each in (checked, applied):
            if each is not None:
                raise each
        self._candidate.rename(self._directory / "haproxy.cfg")
        self._remove_files(rendering.files)
        self._changing.unlink()
        self._rendering = rendering
        present = {(server.backend, server.name) for server in rendering.servers}
        self._leaving = [each for each in self._leaving if (each.backend, each.name) not in present]
        self._leaving += [step.server for step in planned if isinstance(step, Remove)]

    async def _start(self, rendering: Rendering) -> haproxy_socket.Session | None:
        """Start a process for the configuration; one that runs hands its sockets over and finishes."""
        states, last = "1\n", None
        memories: dict[str, dict[str, str]] = {}
        if self.process is not None:
            with contextlib.suppress(HostError):
                last = await haproxy_socket.session(self._socket)
                shown = await last.ask(haproxy_socket.SHOW_STATES)
                running = self._rendering
                before = None if running is None else running.servers
                states = haproxy_socket.carry_over(shown, rendering.servers, before, self._marked)
                memories = await stick_tables.recall(last, shown, _same_tables(running, rendering))
        try:
            await self._replace(rendering, states)
            if last is not None:
                with contextlib.suppress(HostError, TimeoutError):
                    await _handed_over(last)
            with contextlib.suppress(HostError):
                await stick_tables.teach(self._socket, memories)
        except BaseException:
            if last is not None:
                last.close()
            raise
        return last

    async def _replace(self, rendering: Rendering, states: str) -> None:
        takeover = ["-x", self._socket] if self.process is not None else []
        interrupted = self._changing.exists()
        self._changing.touch()
        write_private(self._directory / "servers.state", states.encode())
        self._write_files(rendering.files)
        write_private(self._candidate, rendering.text.encode())
        number, begun = self._directory / "candidate.pid", now()
        await self._run("-D", "-p", str(number), *self._limits(), *takeover)
        written = self._numbered(number)
        process = written or self._begun_since(begun)
        if process is None:
            raise HostError("HAProxy ended right after its start.")
        before, self._process, self._rendering = self._process, process, None
        try:
            if written is None:
                write_private(number, f"{process.pid}\n".encode())
            number.rename(self._directory / "haproxy.pid")
            self._candidate.rename(self._directory / "haproxy.cfg")
        finally:
            # It has the sockets now, whether it could be written down or not.
            self._retire(before)
            if interrupted:
                self._retire_strays()
        self._leaving.clear()
        self._remove_files(rendering.files)
        self._changing.unlink()
        self._rendering = rendering

    def _write_files(self, files: Mapping[str, str]) -> None:
        if files:
            make_directory(self._directory / FOLDER)
        for path, content in files.items():
            write_private(Path(path), content.encode())

    def _remove_files(self, files: Mapping[str, str]) -> None:
        """Remove what an earlier configuration named and this one does not."""
        with contextlib.suppress(FileNotFoundError):
            for file in (self._directory / FOLDER).iterdir():
                if str(file) not in files:
                    file.unlink()

    def _retire(self, before: Process | None) -> None:
        """Have the process before this one finish its connections and end."""
        if before is not None:
            before.signal(signal.SIGUSR1)
            before.close()

    def _retire_strays(self) -> None:
        """Do so with all but the one that serves: a change that was cut off may have left some."""
        for process in self._all():
            if self._process is None or process.pid != self._process.pid:
                process.signal(signal.SIGUSR1)
            process.close()

    async def _check(self) -> None:
        await self._run("-c", "-q")

    def _limits(self) -> list[str]:
        return ["-m", str(self._program.memory_mb)] if self._program.memory_mb else []

    async def _run(self, *arguments: str) -> None:
        """Run HAProxy with the candidate configuration. Raises HostError with what it says when it fails."""
        mode = "required" if self._program.limits_required else "auto"
        joining = ("sh", "-c", _JOINING, mode, *map(str, self.groups), "--") if self.groups else ()
        command = (
            *joining,
            *("nsenter", f"--net={self._namespace_path}", self._program.path, "-f", str(self._candidate)),
        )
        child = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            # Signals for the agent's group are not for what must outlive it.
            start_new_session=True,
            cwd="/",
        )
        try:
            async with asyncio.timeout(_START_PATIENCE):
                _, said = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()
            raise HostError(f"HAProxy did not start within {_START_PATIENCE:.0f} s.") from None
        if child.returncode == _NO_PROGRAM:
            raise HostError(f"{self._program.path} is missing on the host. Install it there.")
        if child.returncode:
            raise Refused(self._candidate.read_text(), alerts_in(said.decode(errors="replace")))

    # --- finding ---

    @property
    def _candidate(self) -> Path:
        return self._directory / "candidate.cfg"

    @property
    def _changing(self) -> Path:
        return self._directory / "changing"

    def _recorded(self) -> Process | None:
        return self._numbered(self._directory / "haproxy.pid")

    def _numbered(self, number: Path) -> Process | None:
        try:
            pid = int(number.read_text())
        except (OSError, ValueError):
            return None
        return find(pid, str(self._candidate))

    def _begun_since(self, moment: float) -> Process | None:
        """Return the process that began since then: on a full disk HAProxy cannot write its number down."""
        found = None
        for process in self._all():
            if found is None and process.begun >= moment:
                found = process
            else:
                process.close()
        return found

    def _all(self) -> Iterable[Process]:
        return find_all(str(self._candidate))

    def _let_go(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


def _same_tables(before: Rendering | None, after: Rendering) -> list[str]:
    """Return the tables whose keys mean the same as before; all where it is not known what ran."""
    return [name for name, keys in after.tables.items() if before is None or before.tables.get(name) == keys]


async def _handed_over(last: haproxy_socket.Session) -> None:
    """Wait until the process before takes nothing new: until then it may answer on the path that is the next one's."""
    async with asyncio.timeout(_START_PATIENCE):
        while await last.state() == "serving":
            pass
