"""How a process that runs for months keeps its memory small and its pauses short."""

import contextlib
import ctypes
import gc

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ONE_MIB = 1 << 20


def return_large_blocks() -> None:
    """Have the C library return blocks of 1 MiB and more to the kernel as they are freed.

    Left alone, glibc learns from the first hash of a password to keep its tens of MB for the next.
    """
    # Another C library has no such switch, nor that habit.
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _ONE_MIB)
        # Python's threads take turns: heaps of their own would only lie about.
        library.mallopt(_M_ARENA_MAX, 1)


def freeze_long_lived_objects() -> None:
    """Leave what is there by now, modules above all, out of every later garbage collection: it stays anyway."""
    gc.collect()
    gc.freeze()
