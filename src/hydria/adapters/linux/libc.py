"""System calls that Python has no function for."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    """Call a function of libc that returns 0 when it worked. Raises OSError with the kernel's reason."""
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
