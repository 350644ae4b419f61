"""`hydria up`: server and agent as child processes, which are restarted when they end. Noop mode has no agent."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import structlog

from hydria import logs
from hydria.backoff import Backoff
from hydria.compose.clock import SystemClock
from hydria.compose.credentials import agent_secret, refuse_damaged
from hydria.errors import HostError
from hydria.files import make_directory
from hydria.locking import lock_once
from hydria.settings import Settings

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.25
_LAST_PAUSE = 5.0
# A child that ran for this long has started well: its next restart is quick again (seconds).
_WELL = 10.0
# How long a child may take to stop (seconds).
_TIMEOUT = 10.0
# How often the size of the log is checked (seconds).
_ROTATION = 2.0


async def supervise(
    settings: Settings,
    stop: asyncio.Event,
    settings_file: Path | None = None,
    *,
    noop: bool = False,
    log_file: Path | None = None,
) -> None:
    """Run server and agent (in noop mode only the server) until `stop` is set, and rotate their log file.

    Raises HostError when another `hydria up` is running.
    """
    make_directory(settings.run_dir)
    with lock_once(settings.run_dir / "up.lock", "`hydria up`"):
        # Made before both start, because an agent without the secret would wait.
        agent_secret(settings)
        _check_settings(settings)
        given = ("--settings", str(settings_file)) if settings_file else ()
        logging_to = ("--log-file", str(log_file)) if log_file else ()
        async with asyncio.TaskGroup() as group:
            for role in (("server", "--noop"),) if noop else (("server",), ("agent",)):
                group.create_task(_keep((*given, *role, *logging_to), role[0], stop))
            if log_file is not None:
                group.create_task(_rotate(log_file, settings.log_max_bytes, stop))


async def _rotate(log_file: Path, max_bytes: int, stop: asyncio.Event) -> None:
    while not stop.is_set():
        logs.rotate(log_file, max_bytes)
        await _stopped_within(_ROTATION, stop)


async def _stopped_within(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _check_settings(settings: Settings) -> None:
    """Raise HostError or SettingsError for what would make the server end at each start."""
    refuse_damaged(settings)
    if settings.api.policy_file is not None or settings.keystone.auth_url is not None:
        from hydria.compose import authorization  # noqa: PLC0415 - imports the API, which is needed only here

        authorization.policy_of(settings)
        authorization.keystone_identity(settings, SystemClock())


async def _keep(arguments: tuple[str, ...], role: str, stop: asyncio.Event) -> None:
    """Run a program, and restart it after any failure, until `stop` is set."""
    backoff = Backoff(_FIRST_PAUSE, _LAST_PAUSE)
    while not stop.is_set():
        begun, pause = time.monotonic(), backoff.next()
        try:
            code = await _run(arguments, role, stop)
        except OSError as error:
            log.error("not_started", role=role, reason=str(error), again_in=round(pause, 2))
        except Exception:
            log.exception("supervision_failed", role=role, again_in=round(pause, 2))
        else:
            if stop.is_set():
                return
            if time.monotonic() - begun > _WELL:
                backoff.reset()
                pause = backoff.next()
            log.error("ended", role=role, code=code, again_in=round(pause, 2))
        await _stopped_within(pause, stop)


async def _run(arguments: tuple[str, ...], role: str, stop: asyncio.Event) -> int | None:
    """Run a program until it ends or `stop` is set; return its exit status."""
    # The child ends when its standard input closes, also when the supervisor is killed.
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hydria.cli", *arguments, "--until-stdin-ends"),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    log.info("started", role=role, pid=child.pid)
    ended, stopped = asyncio.create_task(child.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if stop.is_set():
        await _end(child)
    return child.returncode


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(_TIMEOUT):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def running(settings: Settings) -> int | None:
    """Return the process id of the running `hydria up`, or None."""
    lock = settings.run_dir / "up.lock"
    try:
        with lock_once(lock, "`hydria up`"):
            return None
    except HostError:
        with contextlib.suppress(OSError, ValueError):
            return int(lock.read_text())
        return None
    except OSError:
        return None


def end(settings: Settings) -> bool:
    """Stop the running `hydria up` and wait for its end; return False when none is running. Raises HostError."""
    pid = running(settings)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise HostError(f"Hydria (process {pid}) belongs to another user. Stop it by: sudo hydria down") from None
    deadline = time.monotonic() + 3 * _TIMEOUT
    while running(settings) is not None:
        if time.monotonic() > deadline:
            raise HostError(f"Hydria (process {pid}) does not stop. See its log, then end it by: kill -9 {pid}")
        time.sleep(0.05)
    return True
