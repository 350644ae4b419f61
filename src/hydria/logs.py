"""Logging of the programs: structured lines on standard error, or in a file that is rotated by renaming."""

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import Any

import structlog

from hydria.settings import Settings

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2

# The longest text in a line (characters).
_LONGEST_TEXT = 4000


class LogStream(io.TextIOBase):
    """Standard error as a text stream whose writes never raise: a full disk or a closed pipe loses lines only.

    With `path`, standard output and standard error are that file. It is opened again after it was renamed.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lost = 0
        # True when the last line was written partly, because the disk became full.
        self._torn = False
        self._reopen_if_renamed()

    def write(self, text: str) -> int:
        """Write a text, or count it as lost. Write the number of lost texts when writing works again."""
        self._reopen_if_renamed()
        lost = f'{{"event": "log_lines_lost", "level": "error", "count": {self._lost}}}\n' if self._lost else ""
        data = (("\n" if self._torn else "") + lost + text).encode(errors="backslashreplace")
        try:
            while data:
                written = os.write(_STANDARD_ERROR, data)
                self._torn = written < len(data)
                data = data[written:]
        except OSError:
            self._lost += 1
        else:
            self._lost, self._torn = 0, False
        return len(text)

    def flush(self) -> None:
        """Do nothing: each text is written at once."""

    def fileno(self) -> int:
        """Return the descriptor, for programs that inherit it."""
        return _STANDARD_ERROR

    def isatty(self) -> bool:
        """Return True for a terminal."""
        return os.isatty(_STANDARD_ERROR)

    def _reopen_if_renamed(self) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            try:
                current = os.stat(self._path)
                if os.path.samestat(current, os.fstat(_STANDARD_ERROR)):
                    return
            except FileNotFoundError:
                pass
            opened = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.dup2(opened, _STANDARD_OUTPUT)
            os.dup2(opened, _STANDARD_ERROR)
            os.close(opened)


def rotate(path: Path, max_bytes: int) -> bool:
    """Rename a log that is larger than `max_bytes` to `<name>.1`, which it replaces. Return True when it was renamed.

    Programs that write through a `LogStream` open the new file by themselves.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size > max_bytes:
            path.replace(path.with_name(path.name + ".1"))
            return True
    return False


def _bounded(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Truncate long texts, which may come from a client."""
    for key, value in event.items():
        if isinstance(value, str) and len(value) > _LONGEST_TEXT and key != "exception":
            event[key] = f"{value[:_LONGEST_TEXT]}… ({len(value)} characters)"
    return event


class _NeverRaises:
    """A mixin for bound loggers. An event whose values cannot be formatted is written without them."""

    def _proxy_to_logger(self, method_name: str, event: str | None = None, *args: Any, **values: Any) -> Any:
        try:
            return super()._proxy_to_logger(method_name, event, *args, **values)  # type: ignore[misc]
        except structlog.DropEvent:
            return None
        except Exception as error:
            with contextlib.suppress(Exception):
                sys.stderr.write(f"{event!r} could not be logged: {type(error).__name__}\n")
            return None


def set_up(settings: Settings, file: Path | None = None) -> None:
    """Configure logging for this process, once. With `file`, standard output and error go there."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    stream = LogStream(file)
    # Libraries write to sys.stderr too, such as warnings.
    sys.stderr = stream
    pretty = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bounded,
    ]
    if pretty:
        processors.append(structlog.dev.ConsoleRenderer())
    else:
        # JSON escapes line breaks, so a user's text cannot forge a log line.
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    filtering = structlog.make_filtering_bound_logger(level)
    structlog.configure(
        processors=processors,
        wrapper_class=type("Logger", (_NeverRaises, filtering), {}),
        logger_factory=structlog.WriteLoggerFactory(stream),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    logging.basicConfig(
        level=max(level, logging.WARNING), format="%(levelname)s %(name)s: %(message)s", handlers=[handler]
    )
