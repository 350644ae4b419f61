"""nftables in a network namespace, by the program: text in, and what has a name in a table out."""

import subprocess
from typing import Any

import msgspec

from hydria.adapters.linux.netns import inside, reporting
from hydria.errors import HostError

_NFT_SECONDS = 20


def load(namespace: str, text: str) -> None:
    """Load rules as one transaction: all of it or nothing. Raises HostError with nft's words."""
    _nft(f"nft cannot load the rules of {namespace}", namespace, "-f", "-", text=text)


def named(namespace: str, table: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what has a name in an inet table, by kind and name; nothing when there is no such table."""
    failure = f"nft cannot list the table {table} of {namespace}"
    listed = _nft(failure, namespace, "-j", "list", "tables")
    if not any(each.get("table", {}).get("name") == table for each in _items(listed)):
        return {}
    found = {}
    # Elements of sets are left out: there may be many.
    for item in _items(_nft(failure, namespace, "-j", "-t", "list", "table", "inet", table)):
        for kind, value in item.items():
            if kind in ("chain", "counter", "ct timeout", "map", "set"):
                found[kind, str(value["name"])] = value
    return found


def rules_by_chain(namespace: str, family: str, table: str) -> dict[str, int]:
    """Return how many rules each chain of a table has; nothing when there is no such table."""
    found: dict[str, int] = {}
    listed = _nft(f"nft cannot list the rules of {namespace}", namespace, "-j", "-t", "list", "ruleset", family)
    for item in _items(listed):
        for kind, value in item.items():
            if kind == "chain" and value["table"] == table:
                found.setdefault(str(value["name"]), 0)
            elif kind == "rule" and value["table"] == table:
                found[str(value["chain"])] = found.get(str(value["chain"]), 0) + 1
    return found


def counters(namespace: str, table: str) -> dict[str, tuple[int, int]]:
    """Return (packets, bytes) of an inet table's counters by name. Raises HostError where there is no such table."""
    failure = f"nft cannot read the counters of {namespace}"
    listed = _nft(failure, namespace, "-j", "list", "counters", "table", "inet", table)
    values = [each["counter"] for each in _items(listed) if "counter" in each]
    return {str(each["name"]): (int(each["packets"]), int(each["bytes"])) for each in values}


def _items(listed: str) -> list[dict[str, dict[str, Any]]]:
    return msgspec.json.decode(listed)["nftables"]  # type: ignore[no-any-return]


def _nft(failure: str, namespace: str, *arguments: str, text: str = "") -> str:
    with reporting(failure), inside(namespace):
        try:
            done = subprocess.run(
                ["nft", *arguments], input=text, capture_output=True, text=True, timeout=_NFT_SECONDS, check=False
            )
        except FileNotFoundError:
            raise HostError(f"{failure}: the program is missing. Install the package nftables.") from None
        except subprocess.TimeoutExpired:
            raise HostError(f"{failure}: it did not end within {_NFT_SECONDS} seconds.") from None
    if done.returncode != 0:
        raise HostError(f"{failure}: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'no reason'}.")
    return done.stdout
