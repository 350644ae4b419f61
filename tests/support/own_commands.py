"""The command `hydria` in the process of the test, which saves the start of another one."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping

import structlog
from msgspec import Struct

from hydria.cli import app
from hydria.errors import HydriaError
from tests.support.served import Served


class Said(Struct, frozen=True):
    """What a command printed, and the sentence of its error, which is empty when it succeeded."""

    out: str
    error: str = ""


def hydria(server: Served, *words: str) -> Said:
    """Run `hydria` on the server's machine, as the first admin."""
    kept = server.credentials
    logged_in = {
        "OS_AUTH_URL": kept.auth_url,
        "OS_USERNAME": kept.username,
        "OS_PASSWORD": kept.password,
        "OS_PROJECT_NAME": kept.project_name,
        "OS_REGION_NAME": kept.region_name,
    }
    out, error = io.StringIO(), ""
    with _environment({**server.settings, **logged_in}), _own_logging(), contextlib.redirect_stdout(out):
        try:
            app(words, standalone_mode=False)
        except HydriaError as refused:
            error = str(refused)
    return Said(out.getvalue(), error)


@contextlib.contextmanager
def _own_logging() -> Iterator[None]:
    """Keep the logging that a command sets up for its process from the tests that follow in this one."""
    before, level, handlers = structlog.get_config(), logging.root.level, list(logging.root.handlers)
    with contextlib.redirect_stderr(sys.stderr):
        try:
            yield
        finally:
            structlog.configure(**before)
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    mask = os.umask(0o077)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.umask(mask)
        os.environ.clear()
        os.environ.update(before)
