"""What administrators do with hosts: list, drain, enable, disable and forget them, and invite new ones."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import update

from hydria.contract import Joined, Joining
from hydria.controller.joining import invite, join
from hydria.controller.placement import heard_since, loads
from hydria.controller.reports import Reporter
from hydria.errors import Conflict, Invalid, NotFound
from hydria.protocols import Topologies, Vault
from hydria.store import Transaction, columns
from hydria.store.hosts import Server
from hydria.store.resources import Amphora, KnownHost, Orphan
from hydria.store.tables import rows_of
from hydria.times import stamp

log = structlog.get_logger(__name__)


class HostAdmin:
    """The rights and the duties of hosts. Hosts are named by their id, or by a name that only one has."""

    def __init__(
        self, topologies_of: Callable[[Transaction], Topologies], reporter: Reporter, vault: Vault, silence: int
    ) -> None:
        """`silence` is how long a host may not poll before it is silent (seconds)."""
        self._silence = silence
        self._topologies_of = topologies_of
        self._reporter = reporter
        self._vault = vault

    def shown(self, transaction: Transaction, hosts: list[KnownHost], now: datetime) -> list[dict[str, Any]]:
        """Return the bodies of hosts."""
        amphorae = loads(transaction)
        return [_body(host, amphorae.get(host.id, 0), heard_since(now, self._silence)) for host in hosts]

    def find(self, transaction: Transaction, key: str) -> KnownHost:
        """Return a host by its id, or by its name if only one host has it. Raises NotFound, Conflict."""
        c = columns(KnownHost)
        found = transaction.find(KnownHost, c.id == key) or transaction.find(KnownHost, c.name == key)
        if not found:
            raise NotFound(f"Host {key} not found.")
        if len(found) > 1:
            raise Conflict(f"Several hosts have the name {key}. Name one by its id.")
        return found[0]

    def drain(self, transaction: Transaction, key: str) -> None:
        """Move all amphorae of a host to others, and give it none."""
        self._set(transaction, key, enabled=False, draining=True)

    def enable(self, transaction: Transaction, key: str) -> None:
        """Give a host amphorae again."""
        self._set(transaction, key, enabled=True, draining=False)

    def disable(self, transaction: Transaction, key: str) -> None:
        """Give a host no new amphorae; those that it has stay."""
        self._set(transaction, key, enabled=False, draining=False)

    def forget(self, transaction: Transaction, key: str, now: datetime, *, force: bool) -> None:
        """Delete a host and everything that it said. Its secret is void. Raises NotFound, Conflict.

        A host with amphorae is deleted only by force; they count as removed, and are placed anew.
        """
        host = self.find(transaction, key)
        if host.secret_hash is None and host.seen_at >= heard_since(now, self._silence):
            # It has the servers' own secret, which stays valid.
            raise Conflict(
                f"The agent of {host.name} runs on a server's own machine, and would be back at once. Stop it first: "
                "hydria down"
            )
        c = columns(Amphora)
        amphorae = [each.id for each in transaction.find(Amphora, c.host == host.id)]
        if amphorae and not force:
            raise Conflict(
                f"The host {host.name} has {len(amphorae)} amphorae. Drain it first: hydria host drain {host.name}. If "
                f"it is lost, forget it by force: hydria host forget --force {host.name}"
            )
        transaction.delete(KnownHost, columns(KnownHost).id == host.id)
        transaction.delete(Orphan, columns(Orphan).host == host.id)
        if amphorae:
            leaving = update(rows_of(Amphora).table).where(c.host == host.id).values(leaving=True)
            transaction.execute(leaving)
            self._reporter.withdrawn(transaction, host.id, amphorae, now)
        topologies = self._topologies_of(transaction)
        topologies.record_trouble(host.id, {})
        topologies.connected(host.facts.physical_networks)
        left = [each.wired for each in transaction.find(KnownHost)]
        if left:
            topologies.all_have_made(min(left))
        transaction.hint("hosts")
        transaction.hint("instances")
        log.warning("host_forgotten", host=host.id, name=host.name, amphorae=len(amphorae))

    def invite(self, transaction: Transaction, now: datetime, *, url: str | None, zone: str) -> dict[str, Any]:
        """Return an invitation for one host. Raises Invalid."""
        url = (url or self._own_url(transaction)).rstrip("/")
        if not url.startswith("https://") or "#" in url:
            raise Invalid(f"{url} cannot be the URL for agents: it has the form https://ADDRESS:PORT.")
        invited = invite(transaction, self._vault, now, url, zone)
        command = f"hydria host join '{invited.url}'"
        return {"url": invited.url, "zone": invited.zone, "expires_at": invited.expires_at, "command": command}

    def join(self, transaction: Transaction, joining: Joining, now: datetime) -> Joined:
        """Let a host with an invitation join. Raises Forbidden, Conflict."""
        return join(transaction, self._topologies_of(transaction), joining, now, self._silence)

    def _own_url(self, transaction: Transaction) -> str:
        c = columns(Server)
        found = transaction.find(Server, order_by=(c.seen_at.desc(), c.url))
        if not found:
            raise Invalid("This server has no URL for agents. Name one: --url https://ADDRESS:PORT")
        return found[0].url

    def _set(self, transaction: Transaction, key: str, **values: bool) -> None:
        host = self.find(transaction, key)
        transaction.execute(update(rows_of(KnownHost).table).where(columns(KnownHost).id == host.id).values(values))
        transaction.hint("hosts")
        transaction.hint("instances")
        log.info("host_changed", host=host.id, name=host.name, **values)


def _body(host: KnownHost, amphorae: int, since: int) -> dict[str, Any]:
    return {
        "id": host.id,
        "name": host.name,
        "zone": host.facts.zone,
        "physical_networks": list(host.facts.physical_networks),
        "neutron_host": host.facts.neutron_host,
        "home": host.home,
        "amphorae": amphorae,
        "capacity": host.facts.capacity,
        "version": host.facts.version,
        "state": _state(host, amphorae, silent=host.seen_at < since),
        "enabled": host.enabled,
        "draining": host.draining,
        "seen_at": stamp(datetime.fromtimestamp(host.seen_at, UTC)) if host.seen_at else None,
        "joined_at": host.joined_at,
    }


def _state(host: KnownHost, amphorae: int, *, silent: bool) -> str:
    """Return `silent`, `draining`, `drained`, `disabled` or `up`, the most urgent that is true."""
    if silent:
        return "silent"
    if host.draining:
        return "draining" if amphorae else "drained"
    return "up" if host.enabled else "disabled"
