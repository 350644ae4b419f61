"""HAProxy's program: started in an amphora's namespace and in its control groups."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from hydria.adapters.linux.refused import Refused, alerts_in
from hydria.errors import HostError

# A start that takes longer has failed (seconds).
START_PATIENCE = 30.0

# The exit status of nsenter when there is no such program.
_NO_PROGRAM = 127

# A script that joins control groups before it starts HAProxy, so that all its memory counts. `$0` says whether it must.
_JOINING = 'while [ "$1" != -- ]; do echo 0 >"$1" || [ "$0" = auto ] || exit 125; shift; done; shift; exec "$@"'


class Program(Struct, frozen=True, kw_only=True):
    """The HAProxy to run: `path` as execvp finds it."""

    path: str
    # Whether a start fails when HAProxy cannot join its control groups.
    limits_required: bool = False

    async def run(self, namespace: str, groups: Sequence[Path], configuration: Path, *arguments: str) -> None:
        """Run it until it ends, or has gone to the background. Raises HostError with its message when it fails.

        `namespace` is the path of a network namespace; `groups` are files by which a process joins control groups.
        """
        mode = "required" if self.limits_required else "auto"
        joining = ("sh", "-c", _JOINING, mode, *map(str, groups), "--") if groups else ()
        child = await asyncio.create_subprocess_exec(
            *joining,
            *("nsenter", f"--net={namespace}", self.path, "-f", str(configuration)),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            # The process must outlive the agent, so it must not get the signals of the agent's process group.
            start_new_session=True,
            cwd="/",
        )
        try:
            async with asyncio.timeout(START_PATIENCE):
                _, said = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.wait()
            raise HostError(f"HAProxy did not start within {START_PATIENCE:.0f} s.") from None
        if child.returncode == _NO_PROGRAM:
            raise HostError(f"{self.path} is missing on the host. Install it there.")
        if child.returncode:
            raise Refused(await asyncio.to_thread(configuration.read_text), alerts_in(said.decode(errors="replace")))
