"""A lock file that ensures one process of a kind on this machine. The kernel releases it when its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydria.errors import HostError


@contextmanager
def lock_once(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file, which contains the holder's process id. Raises HostError when another process holds it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise HostError(
                f"Another {what} runs already (process {holder}, {path}). Stop it first, or give this one its own "
                "state_dir and run_dir."
            ) from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise HostError(f"{path} cannot be written: {error.strerror}.") from None
        yield
    finally:
        os.close(descriptor)
