"""Files and directories that only their owner can read, whatever the umask. Files are replaced atomically."""

import contextlib
import os
import stat
from pathlib import Path

from hydria.errors import HostError


def write_private(file: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file of mode 0600 through a draft in its directory, so that a crash leaves the old or the new content.

    `durable` also waits until content and name are on the disk: without it a power cut may leave an empty file.
    """
    # Text, because paths as objects cost as much as the system calls, and an agent writes thousands of files.
    draft = f"{file}.draft"
    try:
        descriptor = _made(draft)
    except FileExistsError:
        # A draft that a crash left may have another mode, and a symbolic link of that name must not be followed.
        os.unlink(draft)
        descriptor = _made(draft)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o600)
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(descriptor)
        os.replace(draft, file)
    except BaseException:
        # On a full disk an incomplete draft would use up the remaining space.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        raise
    if durable:
        _sync_directory(file.parent)


def has(file: Path, content: bytes) -> bool:
    """Say whether a file can be read and has this content."""
    try:
        with open(file, "rb", buffering=0) as stream:
            return stream.read(len(content) + 1) == content
    except OSError:
        return False


def _made(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def open_private_log(file: Path) -> int:
    """Open a log of mode 0600 for appending; returns the descriptor."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def make_directory(directory: Path, mode: int = 0o700) -> None:
    """Make a directory with exactly this mode. An existing one gets the mode too, unless another user owns it.

    Raises HostError for a directory that all users share, such as /tmp.
    """
    directory.mkdir(mode=mode, parents=True, exist_ok=True)
    found = directory.stat()
    if found.st_mode & stat.S_ISVTX and found.st_mode & stat.S_IWOTH:
        raise HostError(f"{directory} is shared by all users of this machine. Name a directory inside it instead.")
    if stat.S_IMODE(found.st_mode) != mode and os.geteuid() in (0, found.st_uid):
        directory.chmod(mode)


def make_private(file: Path) -> None:
    """Make an empty file of mode 0600; take the rights of group and others from an existing one."""
    # An existing file is not opened: closing it would release this process's POSIX locks on it.
    with contextlib.suppress(FileExistsError):
        os.close(_made(str(file)))
    narrow(file)


def narrow(*files: Path) -> None:
    """Remove the rights of group and others from files of ours; skip missing files."""
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            found = file.stat()
            if found.st_mode & 0o077 and os.geteuid() in (0, found.st_uid):
                file.chmod(stat.S_IMODE(found.st_mode) & 0o700)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
