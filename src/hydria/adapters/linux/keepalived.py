"""One amphora's keepalived: started in its namespace, changed by SIGHUP, adopted after a restart of the agent."""

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from hydria.adapters.linux.processes import Process, find, find_all, gone
from hydria.errors import HostError
from hydria.files import has, write_private

log = structlog.get_logger(__name__)

# The patience with a start, and with an end, in which keepalived gives up the VIPs (seconds).
_START_PATIENCE, _END_PATIENCE = 10.0, 5.0

_NO_PROGRAM = 127

# Joins control groups before keepalived starts, as far as possible.
_JOINING = 'while [ "$1" != -- ]; do echo 0 >"$1"; shift; done 2>/dev/null; shift; exec "$@"'


class Keepalived:
    """The keepalived of one amphora. `failed` is the file by which it learns that HAProxy cannot serve."""

    def __init__(self, program: str, directory: Path, namespace_path: str) -> None:
        self._program = program
        self._namespace_path = namespace_path
        self._configuration = directory / "keepalived.conf"
        self._number = directory / "keepalived.pid"
        self._child_number = directory / "vrrp.pid"
        self.failed = directory / "haproxy.failed"
        self._process: Process | None = None
        self._known = False
        # The configuration that this agent had loaded last.
        self._loaded: str | None = None

    @property
    def process(self) -> Process | None:
        """The process, if it runs."""
        if not self._known:
            self._process, self._known = self._adopt(), True
        return self._process if self._process is not None and self._process.alive else None

    def mark(self, *, failed: bool) -> None:
        """Say whether HAProxy can serve. Where it cannot, the other amphora takes over."""
        content = "1\n" if failed else "0\n"
        if has(self.failed, content.encode()):
            return
        # Written in place: keepalived watches the file, not its name.
        self.failed.write_text(content)

    async def ensure(self, text: str, groups: Sequence[Path]) -> bool:
        """Run this configuration; return whether a process had to be started. Raises HostError."""
        process = self.process
        if process is not None and text == self._loaded and has(self._configuration, text.encode()):
            return False
        write_private(self._configuration, text.encode())
        self._loaded = text
        if process is not None:
            # Also when it was adopted: the agent before may have ended before it could do this.
            process.signal(signal.SIGHUP)
            return False
        # A stray child would not let another one start.
        await self._kill()
        await self._start(groups)
        return True

    async def end(self) -> None:
        """End it, if it runs: it tells the other amphora, which takes over at once, and gives up the VIPs."""
        process = self.process
        if process is None and not self._configuration.exists():
            return
        if process is not None:
            process.signal(signal.SIGTERM)
            await gone([process], _END_PATIENCE)
        await self._kill()
        self._release()
        for file in (self._configuration, self.failed, self._number, self._child_number):
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the handle of the process, which goes on."""
        self._release()

    async def _start(self, groups: Sequence[Path]) -> None:
        files = ("-f", self._configuration, "-p", self._number, "-r", self._child_number)
        # It would log to the machine's syslog. The agent logs who carries the VIPs.
        keepalived = (self._program, "--vrrp", "--no-syslog", *map(str, files))
        child = await asyncio.create_subprocess_exec(
            *("sh", "-c", _JOINING, "sh", *map(str, groups), "--"),
            *("nsenter", f"--net={self._namespace_path}", *keepalived),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        try:
            async with asyncio.timeout(_START_PATIENCE):
                code = await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
            raise HostError(f"keepalived did not start within {_START_PATIENCE:.0f} s.") from None
        if code == _NO_PROGRAM:
            raise HostError(f"{self._program} is missing on the host. Install the package keepalived.")
        self._process = await self._await_number()

    async def _await_number(self) -> Process:
        """Return the process as soon as its number is known: it is a child of the one that was started."""
        deadline = time.monotonic() + _START_PATIENCE
        while (process := self._adopt()) is None:
            if time.monotonic() > deadline:
                raise HostError("keepalived ended right after its start.")
            await asyncio.sleep(0.01)
        return process

    def _adopt(self) -> Process | None:
        try:
            return find(int(self._number.read_text()), str(self._configuration))
        except (OSError, ValueError):
            return None

    async def _kill(self) -> None:
        processes = await asyncio.to_thread(lambda: list(find_all(str(self._configuration))))
        for process in processes:
            process.signal(signal.SIGKILL)
        ended = await gone(processes, _END_PATIENCE)
        for process in processes:
            process.close()
        if not ended:
            raise HostError("keepalived does not end.")

    def _release(self) -> None:
        if self._process is not None:
            self._process.close()
        self._process, self._known = None, True
