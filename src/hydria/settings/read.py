"""Reads settings from a TOML file and the environment. Each mistake is reported with its place."""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from hydria.errors import SettingsError
from hydria.settings.keys import DEFAULT_PATH, PATH_VARIABLE, Key, every_key, in_words, sections
from hydria.settings.values import Settings

# Variables with our prefix that are no settings: the path of the file, and the mark of a fenced test run.
_OTHER_VARIABLES = {PATH_VARIABLE, "HYDRIA_FENCED"}


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings file; the environment overrides it.

    The file is `path`, else the one that HYDRIA_SETTINGS names, else DEFAULT_PATH if it exists. An empty variable
    counts as not set. Raises SettingsError with one line for each mistake: its place, what is wrong, what is allowed.
    """
    named = path or (Path(environ[PATH_VARIABLE]) if environ.get(PATH_VARIABLE) else None)
    file = named or DEFAULT_PATH
    text = _read(file) if named or file.exists() else ""
    keys = {key.dotted: key for key in every_key()}
    mistakes: list[str] = []
    values: dict[str, Any] = {}
    for given in (*_from_file(file, text), *_from_environment(environ, keys)):
        key = keys.get(given.dotted)
        if given.dotted in sections():
            mistakes.append(f"{given.place}: must be a table: [{given.dotted}] and its keys below it")
            continue
        if key is None:
            mistakes.append(f"{given.place}: unknown{_nearest(given.name, [*keys, *sections()])}")
            continue
        try:
            values[key.dotted] = _convert(given, key)
        except ValueError:
            shown = "" if "url" in key.name or key.name == "password" else f", not {given.value!r}"
            mistakes.append(f"{given.place}: must be {in_words(key.type)}{shown}")
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    tables: dict[str, dict[str, Any]] = {section: {} for section in ("", *sections())}
    for dotted, value in values.items():
        tables[keys[dotted].section][keys[dotted].name] = value
    parts = {name: kind(**tables[name]) for name, kind in sections().items()}
    settings = Settings(**tables[""] | parts)
    if settings.keystone.auth_url is not None and settings.keystone.password is None:
        raise SettingsError(
            "keystone.password: must be set when keystone.auth_url is set, here or as HYDRIA_KEYSTONE_PASSWORD"
        )
    return settings


def at_home(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return the settings for a user other than root: default directories are replaced by some in the user's home."""
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or "/tmp") / ".local/state")  # noqa: S108
    own = {"state_dir": home / "hydria", "run_dir": home / "hydria/run"}
    return structs.replace(
        settings, **{key: path for key, path in own.items() if getattr(settings, key) == getattr(Settings(), key)}
    )


class _Given(Struct, frozen=True, kw_only=True):
    """A value as it was written; `name` is the name of the key, section or variable as written."""

    dotted: str
    name: str
    place: str
    value: Any
    text: bool = False


def _from_file(file: Path, text: str) -> Iterator[_Given]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from None
    lines = _lines(text)
    for name, value in content.items():
        if name in sections() and isinstance(value, dict):
            entries = {f"{name}.{key}": below for key, below in value.items()}
        else:
            entries = {name: value}
        for dotted, below in entries.items():
            place = f"{file}:{lines[dotted]}: {dotted}" if dotted in lines else f"{file}: {dotted}"
            yield _Given(dotted=dotted, name=dotted, place=place, value=below)


def _from_environment(environ: Mapping[str, str], keys: Mapping[str, Key]) -> Iterator[_Given]:
    dotted = {key.variable: key.dotted for key in keys.values()}
    for name in sorted(environ):
        if name.startswith("HYDRIA_") and name not in _OTHER_VARIABLES and environ[name]:
            yield _Given(
                dotted=dotted.get(name, name), name=name, place=f"environment: {name}", value=environ[name], text=True
            )


def _lines(text: str) -> dict[str, int]:
    """Return the line number of each key and section by its dotted name. Good enough for messages, no parser."""
    found: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]\s]+)\s*\]", line):
            section = header[1]
            found.setdefault(section, number)
        elif key := re.match(r"\s*([\w.-]+)\s*=", line):
            found.setdefault(f"{section}.{key[1]}" if section else key[1], number)
    return found


def _convert(given: _Given, key: Key) -> Any:
    value = msgspec.convert(given.value, key.type, strict=not given.text, dec_hook=_decode)
    if key.dotted == "homecloud.external_cidr" and not 8 <= ipaddress.IPv4Network(value).prefixlen <= 28:
        raise ValueError(value)
    return value


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and value.startswith("/"):
        return Path(value)
    raise ValueError(value)


def _nearest(name: str, known: list[str]) -> str:
    names = [*known, *(f"HYDRIA_{key.replace('.', '_').upper()}" for key in known)]
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: not UTF-8 text: {error.reason} at byte {error.start}") from None
