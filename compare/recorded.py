"""Octavia's answers kept as files, so that `./dev test` compares Hydria with them where there is no Octavia."""

import json

import msgspec

from compare.sides import ROOT
from compare.talk import Exchange

DIRECTORY = ROOT / "tests/compare/recorded"

# Generated ones need a fresh Octavia to mean anything; and of one attribute's probes POST says most.
_SKIPPED = ("generated ",)


def wanted(name: str) -> bool:
    """Say whether a case's answers are kept."""
    return not name.startswith(_SKIPPED)


def write(talks: dict[str, list[Exchange]]) -> None:
    """Keep the answers, one file for each area."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    areas: dict[str, dict[str, list[Exchange]]] = {}
    for name, talk in talks.items():
        areas.setdefault(_area(name), {})[name] = talk
    for area, kept in areas.items():
        lines = ",\n".join(
            json.dumps(name) + ": [\n" + ",\n".join(msgspec.json.encode(each).decode() for each in talk) + "\n]"
            for name, talk in kept.items()
        )
        (DIRECTORY / f"{area}.json").write_text("{\n" + lines + "\n}\n")


def read() -> dict[str, list[Exchange]]:
    """Return the kept answers by case."""
    kept: dict[str, list[Exchange]] = {}
    for file in sorted(DIRECTORY.glob("*.json")):
        kept |= msgspec.json.decode(file.read_bytes(), type=dict[str, list[Exchange]])
    return kept


def _area(name: str) -> str:
    first, rest = name.split(" ", 1)
    return f"{first}_{rest.split('.')[0]}" if first == "attribute" else first
