"""Octavia's recorded answers, so that `./dev test` compares Hydria with them without an Octavia."""

import json

import msgspec
from msgspec import structs

from compare.sides import ROOT
from compare.talk import Exchange

DIRECTORY = ROOT / "tests/compare/recorded"


def wanted(name: str) -> bool:
    """Return True when a case's answers are recorded: all except those of random requests."""
    return not name.startswith("generated ")


def write(talks: dict[str, list[Exchange]]) -> None:
    """Write the answers, one file for each area."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    areas: dict[str, dict[str, list[Exchange]]] = {}
    for name, talk in talks.items():
        areas.setdefault(_area(name), {})[name] = talk
    for area, kept in areas.items():
        lines = ",\n".join(
            json.dumps(name) + ": [\n" + ",\n".join(msgspec.json.encode(_short(each)).decode() for each in talk) + "\n]"
            for name, talk in kept.items()
        )
        (DIRECTORY / f"{area}.json").write_text("{\n" + lines + "\n}\n")


def _short(exchange: Exchange) -> Exchange:
    """Return the recorded part of an exchange: for a success about one attribute, that attribute's value."""
    body = exchange.body
    if exchange.about is None or exchange.status > 299 or not isinstance(body, dict) or len(body) != 1:
        return exchange
    ((root, inner),) = body.items()
    attribute = exchange.about.rpartition(".")[2]
    if not isinstance(inner, dict) or attribute not in inner:
        return exchange
    return structs.replace(exchange, body={root: {attribute: inner[attribute]}}, part=True)


def read() -> dict[str, list[Exchange]]:
    """Return the recorded answers by case."""
    kept: dict[str, list[Exchange]] = {}
    for file in sorted(DIRECTORY.glob("*.json")):
        kept |= msgspec.json.decode(file.read_bytes(), type=dict[str, list[Exchange]])
    return kept


def _area(name: str) -> str:
    first, rest = name.split(" ", 1)
    return f"{first}_{rest.split('.')[0]}" if first == "attribute" else first
