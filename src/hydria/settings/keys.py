"""The settings as a list of keys, for the reader and for the example file."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from hydria.settings.values import Settings

DEFAULT_PATH = Path("/etc/hydria/hydria.toml")
PATH_VARIABLE = "HYDRIA_SETTINGS"


class Key(Struct, frozen=True, kw_only=True):
    """One setting. `section` is "" for keys at the top of the file."""

    section: str
    name: str
    type: Any
    default: Any
    description: str

    @property
    def dotted(self) -> str:
        """The name with its section: `server.port`."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def variable(self) -> str:
        """The environment variable that overrides the key: `HYDRIA_SERVER_PORT`."""
        return "HYDRIA_" + self.dotted.replace(".", "_").upper()


def sections() -> dict[str, type[Struct]]:
    """Return the tables of the file by name, in order."""
    hints = get_type_hints(Settings)
    return {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Struct)}


def every_key() -> Iterator[Key]:
    """Yield all settings, in the order of the file."""
    tables: dict[str, type[Struct]] = {"": Settings, **sections()}
    for section, kind in tables.items():
        hints = get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            if section or field.name not in sections():
                described = msgspec.inspect.type_info(hints[field.name])
                extra = getattr(described, "extra_json_schema", None) or {}
                yield Key(
                    section=section,
                    name=field.name,
                    type=hints[field.name],
                    default=field.default,
                    description=extra.get("description", ""),
                )


def example() -> str:
    """Return `hydria.toml.example`: a settings file with the description and default of every key."""
    lines = [
        "# Hydria's settings. Every key is listed with its default; remove the # to change a key.",
        f"# This file is read from {DEFAULT_PATH}, or from the path in --settings or {PATH_VARIABLE}.",
        "# An environment variable overrides a key: HYDRIA_SERVER_PORT overrides port in the table [server].",
        "# Hydria refuses to start with an unknown key or a wrong value, and names its line.",
    ]
    section = ""
    for key in every_key():
        if key.section != section:
            section = key.section
            lines += ["", "", f"# {(sections()[section].__doc__ or '').strip()}", f"[{section}]"]
        lines += ["", *textwrap.wrap(key.description, 110, initial_indent="# ", subsequent_indent="# ")]
        lines += [f"# Must be {in_words(key.type)}.", f"#{key.name} = {_toml(key.default)}".rstrip()]
    return "\n".join(lines) + "\n"


def in_words(kind: Any) -> str:
    """Return a description of the allowed values, to follow "must be"."""
    described = msgspec.inspect.type_info(kind)
    extra: dict[str, Any] = {}
    while True:
        if isinstance(described, msgspec.inspect.Metadata):
            extra = {**extra, **(described.extra or {})}
            described = described.type
        elif isinstance(described, msgspec.inspect.UnionType):
            described = next(part for part in described.types if not isinstance(part, msgspec.inspect.NoneType))
        else:
            break
    match described:
        case _ if "allowed" in extra:
            return str(extra["allowed"])
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.FloatType(ge=low, le=high):
            return f"a number from {low} to {high}"
        case msgspec.inspect.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in described.values)
        case _:
            return "an absolute path"


def _toml(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value}"'
