"""Open vSwitch's database on this host, by its own protocol (JSON-RPC, RFC 7047). Blocks: call it in a thread.

Only three things are done here: a port is added, deleted, and waited for. docs/decisions says why no library is used.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from hydria.errors import HostError

_DATABASE = "Open_vSwitch"
_SECONDS = 10.0
# Neutron's agent looks for new ports every few seconds.
_AGENT_SECONDS = 30.0
_PAUSE = 0.005
# The VLAN in which Neutron's agent puts ports that must carry nothing.
_DEAD_VLAN = 4095
# The mark of our rows, with the amphora's id.
_MARK = "hydria-amphora"
# Counts a change that ovs-vswitchd is to make.
_NEXT = {"op": "mutate", "table": _DATABASE, "where": [], "mutations": [["next_cfg", "+=", 1]]}
_SHOWN = ["name", "external_ids", "error"]

_Row = dict[str, Any]


class OvsPort(Struct, frozen=True, kw_only=True):
    """A port in Open vSwitch. `port_id` is Neutron's, `wired` says that OVN has installed its flows.

    `amphora_id` is empty for a port that is not Hydria's.
    """

    name: str
    amphora_id: str
    port_id: str
    wired: bool = False
    error: str = ""


class Ovsdb:
    """The database behind a Unix socket (`unix:/path`). Every method raises HostError."""

    def __init__(self, remote: str) -> None:
        self._remote = remote
        self._path = remote.removeprefix("unix:")

    def hostname(self) -> str:
        """Return the name by which OVN knows this host, empty when Open vSwitch does not say one."""
        with self._connected() as database:
            found = database.select(_DATABASE, [], ["external_ids"])
        return str(_map(found[0]["external_ids"]).get("hostname", "")) if found else ""

    def ports(self) -> list[OvsPort]:
        """Return all ports of Hydria's."""
        with self._connected() as database:
            found = map(_port, database.select("Interface", [], _SHOWN))
        return [port for port in found if port.amphora_id]

    def port(self, name: str) -> OvsPort | None:
        """Return the port of an interface's name, or None."""
        with self._connected() as database:
            found = database.select("Interface", [["name", "==", name]], _SHOWN)
        return _port(found[0]) if found else None

    def add(self, bridge: str, port: OvsPort, mac: str) -> None:
        """Add a port to a bridge, for a link that exists."""
        # ML2/OVS goes by the MAC.
        ids = {"iface-id": port.port_id, "attached-mac": mac, "iface-status": "active", _MARK: port.amphora_id}
        marks = ["map", [[key, value] for key, value in ids.items()]]
        link = {"name": port.name, "external_ids": marks}
        row = {"name": port.name, "interfaces": ["named-uuid", "link"], "external_ids": marks}
        with self._connected() as database:
            if not database.select("Bridge", [["name", "==", bridge]], ["name"]):
                raise HostError(
                    f"Open vSwitch of this host has no bridge {bridge}, on which Neutron wants the port. See whether"
                    " ovn-controller, or Neutron's agent, runs."
                )
            database.transact(
                {"op": "insert", "table": "Interface", "uuid-name": "link", "row": link},
                {"op": "insert", "table": "Port", "uuid-name": "port", "row": row},
                _mutation(["name", "==", bridge], "insert", ["named-uuid", "port"]),
                _NEXT,
            )

    def delete(self, name: str) -> bool:
        """Delete a port, and wait until Open vSwitch has let its link go; return False when there was none.

        Without that wait a new link of the same name would carry nothing on the userspace datapath.
        """
        with self._connected() as database:
            found = database.select("Port", [["name", "==", name]], ["_uuid"])
            if not found:
                return False
            key = found[0]["_uuid"]
            bridges = database.select("Bridge", [], ["_uuid", "ports"])
            holders = [each["_uuid"] for each in bridges if key in _set(each["ports"])]
            database.transact(*(_mutation(["_uuid", "==", each], "delete", key) for each in holders), _NEXT)
            _await(database.configured)
        return True

    def await_wired(self, name: str, *, by_agent: bool = False) -> bool:
        """Wait until OVN, or Neutron's own agent, has installed a port's flows.

        Return False when that takes too long.
        """
        deadline = time.monotonic() + (_AGENT_SECONDS if by_agent else _SECONDS)
        with self._connected() as database:
            while time.monotonic() < deadline:
                found = database.select("Interface", [["name", "==", name]], _SHOWN)
                if not found:
                    raise HostError(f"The port {name} was removed from Open vSwitch while it was being plugged.")
                port = _port(found[0])
                if port.error:
                    raise HostError(f"Open vSwitch cannot use the link {name}: {port.error}")
                if database.tagged(name) if by_agent else port.wired:
                    return True
                time.sleep(_PAUSE)
        return False

    @contextmanager
    def _connected(self) -> Iterator["_Connection"]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
                stream.settimeout(_SECONDS)
                stream.connect(self._path)
                yield _Connection(stream)
        except OSError as error:
            raise HostError(f"Open vSwitch's database {self._remote} does not answer: {error}") from None


class _Connection:
    """One connection, with one request at a time."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._decoder = json.JSONDecoder()
        self._text = ""

    def select(self, table: str, where: list[Any], columns: list[str]) -> list[_Row]:
        """Return the rows of a table."""
        operation = {"op": "select", "table": table, "where": where, "columns": columns}
        return list(self.transact(operation)[0]["rows"])

    def configured(self) -> bool:
        """Say whether ovs-vswitchd has made what the database says."""
        row = self.select(_DATABASE, [], ["next_cfg", "cur_cfg"])[0]
        return int(row["cur_cfg"]) >= int(row["next_cfg"])

    def tagged(self, name: str) -> bool:
        """Say whether Neutron's agent has given a port a VLAN of the bridge, which it does when its flows are there."""
        found = self.select("Port", [["name", "==", name]], ["tag"])
        tags = _set(found[0]["tag"]) if found else []
        return bool(tags) and tags[0] != _DEAD_VLAN

    def transact(self, *operations: Mapping[str, Any]) -> list[Any]:
        """Run operations in one transaction and return their results. Raises HostError."""
        request = {"method": "transact", "params": [_DATABASE, *operations], "id": 1}
        self._stream.sendall(json.dumps(request).encode())
        answer = self._receive()
        results = list(answer.get("result") or [])
        wrong = answer.get("error") or next((each for each in results if each and "error" in each), None)
        if wrong:
            raise HostError(f"Open vSwitch refuses a change of its database: {wrong}")
        return results

    def _receive(self) -> dict[str, Any]:
        """Return the answer to the request; a question whether we are alive is answered meanwhile."""
        while True:
            self._text = self._text.lstrip()
            try:
                message, end = self._decoder.raw_decode(self._text)
            except ValueError:
                part = self._stream.recv(65536)
                if not part:
                    raise OSError("the connection was closed") from None
                self._text += part.decode()
                continue
            self._text = self._text[end:]
            if message.get("method") == "echo":
                reply = {"result": message["params"], "error": None, "id": message["id"]}
                self._stream.sendall(json.dumps(reply).encode())
            elif message.get("id") == 1:
                return dict(message)


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise HostError("ovs-vswitchd of this host does not follow its database. See whether it runs.")
        time.sleep(_PAUSE)


def _mutation(where: list[Any], how: str, port: list[str]) -> dict[str, Any]:
    """Return the change of the ports of a bridge."""
    return {"op": "mutate", "table": "Bridge", "where": [where], "mutations": [["ports", how, port]]}


def _port(row: _Row) -> OvsPort:
    ids, errors = _map(row["external_ids"]), _set(row["error"])
    return OvsPort(
        name=str(row["name"]),
        amphora_id=ids.get(_MARK, ""),
        port_id=ids.get("iface-id", ""),
        wired=ids.get("ovn-installed") == "true",
        error=str(errors[0]) if errors else "",
    )


def _map(value: list[Any]) -> dict[str, str]:
    return dict(value[1])


def _set(value: Any) -> list[Any]:
    """Return a set of the protocol; one of a single value is written as that value."""
    return list(value[1]) if isinstance(value, list) and value[:1] == ["set"] else [value]
