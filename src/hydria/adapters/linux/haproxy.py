"""One amphora's HAProxy: started in its namespace, changed by its socket or a hitless reload, adopted after a crash.

A reload starts a second process that takes over the first one's listening sockets; the first ends when its last
connection does. There is no master process (docs/decisions/001-no-master-process.md).
"""

import asyncio
import contextlib
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import structlog
from msgspec import structs

from hydria.adapters.linux import haproxy_socket, stick_tables
from hydria.adapters.linux.haproxy_files import HaproxyFiles
from hydria.adapters.linux.haproxy_program import START_PATIENCE, Program
from hydria.adapters.linux.processes import Process, find, find_all, gone, now
from hydria.adapters.linux.vitals import Unusable, Vitals
from hydria.errors import HostError
from hydria.files import has, write_private
from hydria.model.status import ServerState
from hydria.render.haproxy import Rendering, Server
from hydria.render.haproxy.changes import Remove, Step, plan

log = structlog.get_logger(__name__)

_END_PATIENCE = 10.0

# A part of HAProxy's message when the process before it does not hand its sockets over.
_NO_SOCKETS = "sockets from the old process"


class Haproxy:
    """The HAProxy of one amphora."""

    def __init__(self, program: Program, directory: Path, namespace_path: str) -> None:
        self._program = program
        self._directory = directory
        self._files = HaproxyFiles(directory)
        self._namespace_path = namespace_path
        self._socket = str(directory / "haproxy.sock")
        self._process: Process | None = None
        # The configuration that runs; None when it is not known.
        self._rendering: Rendering | None = None
        # The files of the last configuration that ran; a failed change puts them back.
        self._kept: Mapping[str, str] = {}
        self._leaving: list[Server] = []
        # Whether it has nothing to serve.
        self._idle = False
        self._vitals = Vitals(directory, namespace_path, program.path)
        self._unrecorded = False  # whether a process may run that no file names
        # The names of servers whose health the agent checks instead of HAProxy.
        self._marked: frozenset[str] = frozenset()
        # The files by which a new process joins its control groups.
        self.groups: Sequence[Path] = ()
        self.memory_mb: int | None = None  # the limit of what is started (MiB)

    @property
    def process(self) -> Process | None:
        """The process that takes new connections, if it runs."""
        return self._process if self._process is not None and self._process.alive else None

    @property
    def worked(self) -> int | None:
        """The processor time of the process that takes new connections (`Process.worked`)."""
        return None if self._process is None else self._process.worked

    @property
    def configured(self) -> bool:
        """Whether a process may run: none does in a new amphora, and after a reboot."""
        return self._files.configuration.exists() or self._files.number.exists() or self._files.changing.exists()

    def adopt(self, rendering: Rendering | None) -> None:
        """Find the process that an earlier agent started; `rendering` is the configuration that it should run."""
        self._process = self._running()
        self._unrecorded = self._process is None and self._files.configuration.exists()
        self._vitals.begin(self._process)
        if rendering is None or self._files.changing.exists():
            return
        with contextlib.suppress(OSError):
            if has(self._files.configuration, rendering.text.encode()):
                # The remembered instance has no secrets.
                kept = {path: Path(path).read_text() for path in rendering.files}
                self._rendering = structs.replace(rendering, files=kept)
                self._kept = kept

    async def converge(self, rendering: Rendering) -> haproxy_socket.Session | None:
        """Run this configuration, by the runtime socket or a reload. Raises HostError; then the last one runs on.

        Returns a session with the process that was replaced and drains, if there is one, for the caller to close.
        """
        self._idle = False
        process = self.process
        usable = process is not None and self.unusable is None
        planned = plan(self._rendering, rendering, self._leaving) if usable else None
        last = None
        try:
            if planned is None:
                last = await self._start(rendering)
            elif self._rendering != rendering:
                await self._change(rendering, planned)
            elif self._vitals.outdated:
                last = await self._upgrade(rendering)
            elif process is not None:
                self._files.restore(rendering, process.pid)
                self._vitals.written()
        except HostError:
            self._files.write(self._kept)
            raise
        self._kept = rendering.files
        return last

    async def drain(self) -> haproxy_socket.Session | None:
        """Run nothing: the process finishes its connections and ends. Returns a session as `converge` does."""
        self._idle = True
        interrupted = self._files.changing.exists()
        if self.process is None and not interrupted:
            return None
        last = None
        with contextlib.suppress(HostError):
            last = await haproxy_socket.session(self._socket)
        self._files.changing.touch()
        # After a crash, a draining process must not be taken for one that serves.
        self._files.number.unlink(missing_ok=True)
        ending = self._ending()
        before, self._process = self._process, None
        self._retire(before, ending)
        if interrupted:
            self._retire_strays()
        self._leaving.clear()
        self._rendering, self._kept = None, {}
        self._files.remove_others({})
        self._files.changing.unlink()
        return last

    async def statistics(self) -> haproxy_socket.Statistics:
        """Read states and counters of this process. Raises HostError when it does not run but should."""
        if self._idle:
            return haproxy_socket.Statistics("")
        if self.process is None:
            raise HostError("HAProxy does not run.")
        try:
            statistics = await haproxy_socket.statistics(self._socket)
        except HostError:
            self._vitals.answered(well=False)
            raise
        self._vitals.answered(well=True)
        return statistics

    @property
    def unusable(self) -> Unusable | None:
        """Why the process must be replaced by one that takes nothing over from it; None while it is usable."""
        process = self.process
        return None if process is None else self._vitals.unusable(process)

    @property
    def drifted(self) -> bool:
        """Whether the process or its files are not as they should be. Costs a few system calls."""
        return self.process is not None and self._vitals.drifted(self.process)

    async def information(self) -> dict[str, str]:
        """Read `show info` of this process. Raises HostError when it does not run."""
        if self.process is None:
            raise HostError("HAProxy does not run.")
        return await haproxy_socket.information(self._socket)

    async def mark(self, states: Mapping[str, ServerState]) -> None:
        """Set the health of members that HAProxy does not check itself. Raises HostError.

        Members that `states` does not name, or that are not down, are up.
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
        """Delete the leaving servers whose last connection has ended; return whether some are left."""
        if self.process is None:
            self._leaving.clear()
        self._leaving = await haproxy_socket.delete_servers(self._socket, self._leaving)
        return bool(self._leaving)

    async def end(self) -> None:
        """End all processes, also draining ones. Raises HostError when they do not end."""
        processes = await asyncio.to_thread(list, self._all())
        for process in processes:
            process.signal(signal.SIGKILL)
        ended = await gone(processes, _END_PATIENCE)
        for process in processes:
            process.close()
        self._release()
        if not ended:
            raise HostError(f"HAProxy does not end ({', '.join(str(each.pid) for each in processes)}).")

    def close(self) -> None:
        """Close the handle of the process, which goes on."""
        self._release()

    # --- changes ---

    async def _change(self, rendering: Rendering, planned: list[Step]) -> None:
        self._files.changing.touch()
        self._rendering = None
        self._files.write(rendering.files)
        write_private(self._files.candidate, rendering.text.encode())
        # The check of the text takes a while, and applying the steps meanwhile does no harm if it fails.
        checked, applied = await asyncio.gather(
            self._check(), haproxy_socket.apply(self._socket, planned), return_exceptions=True
        )
        for each in (checked, applied):
            if each is not None:
                raise each
        self._files.candidate.rename(self._files.configuration)
        self._vitals.written()
        self._files.remove_others(rendering.files)
        self._files.changing.unlink()
        self._rendering = rendering
        present = {(server.backend, server.name) for server in rendering.servers}
        self._leaving = [each for each in self._leaving if (each.backend, each.name) not in present]
        self._leaving += [step.server for step in planned if isinstance(step, Remove)]

    async def _start(self, rendering: Rendering) -> haproxy_socket.Session | None:
        """Start a process for the configuration; a running one hands its sockets over and drains."""
        states, last = "1\n", None
        tables: dict[str, dict[str, str]] = {}
        if self.process is not None and self.unusable is None:
            with contextlib.suppress(HostError):
                last = await haproxy_socket.session(self._socket)
                shown = await last.ask(haproxy_socket.SHOW_STATES)
                running = self._rendering
                before = None if running is None else running.servers
                states = haproxy_socket.state_file(shown, rendering.servers, before, self._marked)
                tables = await stick_tables.read_tables(last, shown, stick_tables.same_tables(running, rendering))
        try:
            await self._replace(rendering, states, unresponsive=last is None)
            if last is not None:
                with contextlib.suppress(HostError, TimeoutError):
                    async with asyncio.timeout(START_PATIENCE):
                        await last.handed_over()
            with contextlib.suppress(HostError):
                await stick_tables.write_tables(self._socket, tables)
        except BaseException:
            if last is not None:
                last.close()
            raise
        return last

    async def _upgrade(self, rendering: Rendering) -> haproxy_socket.Session | None:
        """Have the HAProxy that was installed meanwhile take over; one that does not start replaces nothing."""
        try:
            return await self._start(rendering)
        except HostError as error:
            log.warning("haproxy_not_upgraded", directory=str(self._directory), reason=str(error))
            self._files.write(self._kept)
            self._vitals.pass_over()
            return None

    async def _replace(self, rendering: Rendering, states: str, *, unresponsive: bool) -> None:
        interrupted = self._files.changing.exists()
        self._files.propose(rendering, states)
        number, begun = self._files.candidate_number, now()
        ending = await self._launch(number, unresponsive=unresponsive)
        written = self._from_pid_file(number)
        process = written or self._started_since(begun)
        if process is None:
            raise HostError("HAProxy ended right after its start.")
        before, self._process, self._rendering = self._process, process, None
        self._vitals.begin(self._process)
        try:
            self._files.accept(process.pid, numbered=written is not None)
        finally:
            # The new process has the sockets now, whether its number could be written or not.
            self._retire(before, ending)
            if interrupted or self._unrecorded:
                self._retire_strays()
        self._unrecorded = False
        self._leaving.clear()
        self._files.remove_others(rendering.files)
        self._files.changing.unlink(missing_ok=True)
        self._vitals.written()
        self._rendering = rendering

    async def _launch(self, number: Path, *, unresponsive: bool) -> signal.Signals:
        """Start a process for the candidate. A running one hands its sockets over, unless it is unusable.

        Returns the signal that ends the running one.
        """
        arguments = ("-D", "-p", str(number), *self._limits())
        before, ending = self.process, self._ending()
        if before is not None and self.unusable is None:
            try:
                await self._run(*arguments, "-x", self._socket)
            except HostError as error:
                if _NO_SOCKETS not in str(error):
                    raise
                # A process that does not respond would keep getting a part of new connections.
                ending = signal.SIGKILL if unresponsive else signal.SIGUSR1
                log.warning("haproxy_replaced", directory=str(self._directory), reason=str(error))
            else:
                return ending
        elif (unusable := self.unusable) is not None:
            log.warning("haproxy_replaced", directory=str(self._directory), reason=unusable.reason)
        if before is not None and ending == signal.SIGKILL:
            before.signal(ending)
            await gone([before], _END_PATIENCE)
        await self._run(*arguments)
        return ending

    def _ending(self) -> signal.Signals:
        """Return the signal that ends the process: a serving one may finish its connections."""
        unusable = self.unusable
        return signal.SIGUSR1 if unusable is None or unusable.serves else signal.SIGKILL

    def _retire(self, before: Process | None, ending: signal.Signals = signal.SIGUSR1) -> None:
        """End the process before this one, by default after its connections."""
        if before is not None:
            before.signal(ending)
            before.close()

    def _retire_strays(self) -> None:
        """End all processes but the serving one: an interrupted change may have left some."""
        for process in self._all():
            if self._process is None or process.pid != self._process.pid:
                process.signal(signal.SIGUSR1)
            process.close()

    async def _check(self) -> None:
        await self._run("-c", "-q")

    def _limits(self) -> list[str]:
        return ["-m", str(self.memory_mb)] if self.memory_mb else []

    async def _run(self, *arguments: str) -> None:
        await self._program.run(self._namespace_path, self.groups, self._files.candidate, *arguments)

    # --- finding processes ---

    def _running(self) -> Process | None:
        return self._from_pid_file(self._files.number)

    def _from_pid_file(self, number: Path) -> Process | None:
        try:
            pid = int(number.read_text())
        except (OSError, ValueError):
            return None
        return find(pid, str(self._files.candidate))

    def _started_since(self, moment: float) -> Process | None:
        """Return the process that began since then: on a full disk HAProxy cannot write its number to a file."""
        found = None
        for process in self._all():
            if found is None and process.begun >= moment:
                found = process
            else:
                process.close()
        return found

    def _all(self) -> Iterable[Process]:
        return find_all(str(self._files.candidate))

    def _release(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
