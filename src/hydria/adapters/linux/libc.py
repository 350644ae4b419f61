"""System calls that Python has no function for."""

import contextlib
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    """Call a function of libc that returns 0 when it worked. Raises OSError with the kernel's reason."""
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def give_back_memory() -> None:
    """Return free memory to the system: by itself libc returns only the free memory at the end of its heap."""
    # Only the GNU libc has this function.
    with contextlib.suppress(AttributeError):
        libc.malloc_trim(0)
