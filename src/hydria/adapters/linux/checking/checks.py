"""The health checks of one amphora: a task for each member, and the results."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path

import msgspec
import structlog

from hydria.adapters.linux.checking.probes import HttpProbe, Probe, Target, TcpProbe, UdpProbe, Unwell
from hydria.adapters.linux.checking.raw import PingProbe, SctpProbe
from hydria.errors import HostError
from hydria.files import write_private
from hydria.model.status import ServerState
from hydria.tasks import endless

log = structlog.get_logger(__name__)

_PROBES: dict[str, Callable[[Target], Probe]] = {
    "HTTP": HttpProbe,
    "PING": PingProbe,
    "SCTP": SctpProbe,
    "TCP": TcpProbe,
    "UDP-CONNECT": UdpProbe,
}


class Checks:
    """States by member id. `on_change` runs when one has changed; a file keeps them over a restart of the agent."""

    def __init__(self, path: Path, on_change: Callable[[], Coroutine[None, None, None]]) -> None:
        self._path = path
        self._on_change = on_change
        self._telling: set[asyncio.Task[None]] = set()
        self._running: dict[str, tuple[Target, asyncio.Task[None]]] = {}
        try:
            self._states = msgspec.json.decode(path.read_bytes(), type=dict[str, ServerState])
        except (OSError, msgspec.DecodeError):
            self._states = {}

    @property
    def states(self) -> dict[str, ServerState]:
        """The states of the members that are checked."""
        return {key: self._states.get(key, "unknown") for key in self._running}

    @property
    def ended(self) -> bool:
        """Whether a task has ended, which none does by itself."""
        return any(task.done() for _, task in self._running.values())

    def watch(self, targets: Iterable[Target]) -> None:
        """Check these targets and no others; unchanged ones go on undisturbed. Raises HostError."""
        wanted = {target.member_id: target for target in targets}
        for key in [key for key, (target, task) in self._running.items() if wanted.get(key) != target or task.done()]:
            before, task = self._running.pop(key)
            task.cancel()
            if key in wanted and wanted[key].question != before.question and self._states.get(key) == "up":
                # The old state is the result of another check: the first result of the new one counts.
                del self._states[key]
        for key, target in wanted.items():
            if key not in self._running:
                probe = _PROBES[target.type](target)
                self._running[key] = target, endless(self._keep(target, probe), f"check of {key}")
        gone = self._states.keys() - wanted.keys()
        for key in gone:
            del self._states[key]
        if gone:
            self._write()

    async def close(self) -> None:
        """Stop checking and notifying."""
        for task in self._telling:
            task.cancel()
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, target: Target, probe: Probe) -> None:
        loop = asyncio.get_running_loop()
        streak = 0
        try:
            while True:
                begun = loop.time()
                try:
                    reason = await _ask(target, probe)
                except HostError as error:
                    # Nothing was checked, so the state stays.
                    log.warning("check_failed", member=target.member_id, reason=str(error))
                except Exception:
                    # A defect of ours must not change the state, or end the checks.
                    log.exception("check_broken", member=target.member_id)
                else:
                    streak = self._judge(target, reason, streak)
                await asyncio.sleep(max(0.0, begun + target.delay - loop.time()))
        finally:
            probe.close()

    def _judge(self, target: Target, reason: str | None, streak: int) -> int:
        """Take in one result (None for a healthy member); return how many in a row contradict the state."""
        found: ServerState = "up" if reason is None else "down"
        known = self._states.get(target.member_id)
        if known == found:
            return 0
        needed = target.rise if found == "up" else target.fall
        # The first result counts at once.
        if known is not None and streak + 1 < needed:
            return streak + 1
        log.info("member_checked", member=target.member_id, state=found, reason=reason)
        self._states[target.member_id] = found
        self._write()
        task = asyncio.create_task(self._on_change())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return 0

    def _write(self) -> None:
        # Without the file, only a restarted agent is affected.
        with contextlib.suppress(OSError):
            write_private(self._path, msgspec.json.encode(self._states))


async def _ask(target: Target, probe: Probe) -> str | None:
    """Return why the member is unhealthy, or None. Raises HostError when it cannot be checked."""
    try:
        async with asyncio.timeout(target.timeout):
            await probe.ask()
    except TimeoutError:
        return None if probe.silence else f"no answer within {target.timeout} s"
    except OSError as error:
        return error.strerror or str(error)
    except Unwell as error:
        return str(error)
    return None
