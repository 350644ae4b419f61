"""Settings of the C library and the garbage collector for a process that runs for months."""

import contextlib
import ctypes
import gc

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ONE_MIB = 1 << 20


def return_large_blocks() -> None:
    """Make the C library return blocks of 1 MiB and more to the kernel when they are freed.

    By default glibc raises this threshold when such a block is freed: after the first hash of a password it keeps the
    tens of MB that a hash needs.
    """
    # Other C libraries have neither `mallopt` nor that threshold.
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _ONE_MIB)
        # One arena is enough: the GIL lets one thread allocate at a time.
        library.mallopt(_M_ARENA_MAX, 1)


def freeze_long_lived_objects() -> None:
    """Exclude the objects that exist now, mostly modules, from later garbage collections: they live on anyway."""
    gc.collect()
    gc.freeze()


def return_free_memory() -> None:
    """Return all free memory to the kernel. By itself the C library returns only the free end of its heap."""
    # Only the GNU C library has this function.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
