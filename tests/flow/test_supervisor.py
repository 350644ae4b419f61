"""`hydria up` without an agent: the server is started again when it ends, and ends with its supervisor."""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from hydria import settings as settings_package
from hydria.compose.supervisor import supervise
from hydria.errors import HostError
from tests.support.waiting import eventually


def written(directory: Path) -> Path:
    """Write settings with directories of their own and a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = directory / "hydria.toml"
    file.write_text(f'state_dir = "{directory}/state"\nrun_dir = "{directory}/run"\n[server]\nport = {port}\n')
    return file


async def test_a_server_that_is_killed_is_started_again_and_ends_with_its_supervisor(tmp_path: Path) -> None:
    file, stop = written(tmp_path), asyncio.Event()
    settings = settings_package.load(file, {})
    (tmp_path / "hydria.log").write_text("x" * (settings.log_max_bytes + 1))
    with capture_logs() as logs:
        working = asyncio.create_task(supervise(settings, stop, file, noop=True, log_file=tmp_path / "hydria.log"))

        def started() -> list[int]:
            return [entry["pid"] for entry in logs if entry["event"] == "started"]

        async def answers() -> bool:
            async with httpx.AsyncClient(trust_env=False) as client:
                with contextlib.suppress(httpx.HTTPError):
                    return (await client.get(f"{settings.agent_server_url}/identity/v3")).is_success
            return False

        await eventually(answers)
        (first,) = started()
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: len(started()) == 2)
        await eventually(answers)
        # A second supervisor of the same directories is refused.
        with pytest.raises(HostError, match="`hydria up`"):
            await supervise(settings, stop, file, noop=True)
        stop.set()
        await working
    assert not await answers()
    assert [entry["code"] for entry in logs if entry["event"] == "ended"] == [-signal.SIGKILL]
    assert (tmp_path / "hydria.log").stat().st_size < settings.log_max_bytes
