"""The health checks of one amphora: a task for each member, and the results."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path

import msgspec
import structlog
from msgspec import structs

from hydria.adapters.linux.checking.probes import HttpProbe, Probe, Target, TcpProbe, UdpProbe, Unwell
from hydria.adapters.linux.checking.raw import PingProbe, SctpProbe
from hydria.errors import HostError
from hydria.files import write_private
from hydria.model.status import CheckResult, ServerState
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
        # What the checks of members that are down saw, by member id.
        self._seen: dict[str, CheckResult] = {}
        try:
            self._states = msgspec.json.decode(path.read_bytes(), type=dict[str, ServerState])
        except (OSError, msgspec.DecodeError):
            self._states = {}

    @property
    def states(self) -> dict[str, ServerState]:
        """The states of the members that are checked."""
        return {key: self._states.get(key, "unknown") for key in self._running}

    @property
    def results(self) -> dict[str, CheckResult]:
        """What the checks of members that are down saw, by member id; kept while they see the same."""
        return {key: seen for key, seen in self._seen.items() if self._states.get(key) == "down"}

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
            self._seen.pop(key, None)
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
                    failure = await _ask(target, probe)
                except HostError as error:
                    # Nothing was checked, so the state stays.
                    log.warning("check_failed", member=target.member_id, reason=str(error))
                except Exception:
                    # A defect of ours must not change the state, or end the checks.
                    log.exception("check_broken", member=target.member_id)
                else:
                    streak = self._judge(target, failure, streak)
                await asyncio.sleep(max(0.0, begun + target.delay - loop.time()))
        finally:
            probe.close()

    def _judge(self, target: Target, failure: CheckResult | None, streak: int) -> int:
        """Take in one result (None for a healthy member); return how many in a row contradict the state."""
        found: ServerState = "up" if failure is None else "down"
        self._see(target.member_id, failure)
        known = self._states.get(target.member_id)
        if known == found:
            return 0
        needed = target.rise if found == "up" else target.fall
        # The first result counts at once.
        if known is not None and streak + 1 < needed:
            return streak + 1
        log.info("member_checked", member=target.member_id, state=found, reason=failure.text if failure else None)
        self._states[target.member_id] = found
        if found == "up":
            self._seen.pop(target.member_id, None)
        self._write()
        task = asyncio.create_task(self._on_change())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return 0

    def _see(self, key: str, failure: CheckResult | None) -> None:
        """Keep what a check saw: since the first of the failures in a row, and how it failed last."""
        if failure is None:
            # One success does not bring a member back: until then the last failure says why it is down.
            if self._states.get(key) != "down":
                self._seen.pop(key, None)
            return
        before = self._seen.get(key)
        same = before is not None and (before.result, before.text) == (failure.result, failure.text)
        if before is not None:
            failure = before if same else structs.replace(failure, since=before.since)
        self._seen[key] = failure

    def _write(self) -> None:
        # Without the file, only a restarted agent is affected.
        with contextlib.suppress(OSError):
            write_private(self._path, msgspec.json.encode(self._states))


async def _ask(target: Target, probe: Probe) -> CheckResult | None:
    """Return what was seen of an unhealthy member, or None. Raises HostError when it cannot be checked."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(target.timeout):
            await probe.ask()
    except TimeoutError:
        return None if probe.silence else _failure("L4TOUT", f"no answer within {target.timeout} s", begun)
    except OSError as error:
        # The event loop has a text of its own, with the address.
        text = os.strerror(error.errno) if error.errno else str(error)
        return _failure("L4CON", text, begun)
    except Unwell as error:
        return _failure("L7RSP" if error.code is None else "L7STS", str(error), begun, error.code)
    return None


def _failure(result: str, text: str, begun: float, code: int | None = None) -> CheckResult:
    """Return a result in HAProxy's words; `begun` is when the check began, by the monotonic clock."""
    latency = round(1000 * (time.monotonic() - begun))
    return CheckResult(result=result, code=code, text=text, latency_ms=latency, since=int(time.time()))
