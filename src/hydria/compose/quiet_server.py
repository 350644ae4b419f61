"""uvicorn for programs that handle signals themselves."""

import contextlib

import uvicorn


class QuietServer(uvicorn.Server):
    """uvicorn without signal handlers: the command decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield
