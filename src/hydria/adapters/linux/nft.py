"""nftables in a network namespace, by the program `nft`: load text, list named objects and counters."""

import socket
import struct
import subprocess
import threading
from typing import Any

import msgspec
from pyroute2.netlink import NETLINK_NETFILTER

from hydria.adapters.linux.netns import identity, inside, reporting
from hydria.errors import HostError

_NFT_SECONDS = 20


# <linux/netfilter/nf_tables.h>: the generation of the ruleset, which each transaction increments.
_HEADER = struct.Struct("=IHHII")
_GET_GENERATION, _REQUEST = 10 << 8 | 16, 1
_GENERATION = struct.Struct(">I")
_GENERATION_AT = _HEADER.size + 8


class Tables:
    """The nftables rules of one namespace, which several parts load. It detects changes by others.

    `place` stays the same while only this object's transactions change the rules. Rules that were loaded at another
    place have to be loaded again.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._identity: tuple[int, int] | None = None
        # The generation of the ruleset after our last transaction; None before the first.
        self._left: int | None = None
        self._others = 0
        # How many times rules were loaded.
        self.loads = 0
        self._lock = threading.Lock()

    @property
    def place(self) -> tuple[object, int]:
        """The identity of the namespace, and the number of changes of its rules by others."""
        return self._identity, self._others

    def look(self) -> None:
        """Update `place`, unless another thread is loading rules and does it itself. Raises HostError."""
        if self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()

    def load(self, text: str) -> None:
        """Load rules in one transaction, completely or not at all. Raises HostError with nft's message."""
        with self._lock:
            self._look()
            before = _generation(self.namespace)
            load(self.namespace, text)
            self.loads += 1
            after = _generation(self.namespace)
            if after - before > 1 or (self._left is not None and before != self._left):
                self._others += 1
            self._left = after

    def _look(self) -> None:
        there = identity(self.namespace)
        if there != self._identity:
            self._identity, self._left = there, None
        elif self._left is not None and (number := _generation(self.namespace)) != self._left:
            self._others += 1
            self._left = number


def _generation(namespace: str) -> int:
    """Return the generation of the ruleset of a namespace. Raises HostError."""
    with reporting(f"The rules of {namespace} cannot be read"):
        with inside(namespace):
            netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        with netfilter:
            netfilter.settimeout(_NFT_SECONDS)
            netfilter.send(_HEADER.pack(_HEADER.size + 4, _GET_GENERATION, _REQUEST, 1, 0) + bytes(4))
            answer = netfilter.recv(4096)
    return int(_GENERATION.unpack_from(answer, _GENERATION_AT)[0])


def load(namespace: str, text: str) -> None:
    """Load rules in one transaction, completely or not at all. Raises HostError with nft's message."""
    _nft(f"nft cannot load the rules of {namespace}", namespace, "-f", "-", text=text)


def named(namespace: str, table: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the named objects of an inet table, by kind and name; nothing when there is no such table."""
    failure = f"nft cannot list the table {table} of {namespace}"
    if not _has(namespace, table, failure):
        return {}
    try:
        listed = _nft(failure, namespace, "-j", "-t", "list", "table", "inet", table)
    except HostError:
        if _has(namespace, table, failure):
            raise
        # The table was deleted meanwhile.
        return {}
    found = {}
    # The option -t leaves out elements of sets, of which there may be many.
    for item in _items(listed):
        for kind, value in item.items():
            if kind in ("chain", "counter", "ct timeout", "map", "set"):
                found[kind, str(value["name"])] = value
    return found


def _has(namespace: str, table: str, failure: str) -> bool:
    listed = _nft(failure, namespace, "-j", "list", "tables")
    return any(each.get("table", {}).get("name") == table for each in _items(listed))


def rules_by_chain(namespace: str, family: str, table: str) -> dict[str, int]:
    """Return the number of rules in each chain of a table; nothing when there is no such table."""
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
    """Return (packets, bytes) of an inet table's counters by name. Raises HostError when there is no such table."""
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
