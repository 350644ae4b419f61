"""The declared values as a list of keys: what the reader checks against and what the example file is made of."""

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
    """One thing that can be set: `section` is "" at the top of the file."""

    section: str
    name: str
    type: Any
    default: Any
    description: str

    @property
    def dotted(self) -> str:
        """The key as a person writes it: `server.port`."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def variable(self) -> str:
        """The environment variable that overrides it: `HYDRIA_SERVER_PORT`."""
        return "HYDRIA_" + self.dotted.replace(".", "_").upper()


def sections() -> dict[str, type[Struct]]:
    """List the tables of the file by name, in order."""
    hints = get_type_hints(Settings)
    return {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Struct)}


def every_key() -> Iterator[Key]:
    """List everything that can be set, in the order of the file."""
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
    """Return a settings file with every key at its default, each with its description: `hydria.toml.example`."""
    lines = [
        "# Hydria's settings. Every key is here with its default; take the # away to change one.",
        f"# Read from {DEFAULT_PATH}, or from where --settings or {PATH_VARIABLE} points.",
        "# An environment variable overrides a key: HYDRIA_ and the key, such as HYDRIA_SERVER_PORT for port below",
        "# [server]. A wrong key or value is refused with its place named.",
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
    """Say which values a key takes, for a sentence that begins with "must be"."""
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
        case _ if "right" in extra:
            return str(extra["right"])
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in described.values)
        case _:
            return "an absolute path"


def _toml(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f'"{value}"'
