"""The choice of hosts for new amphorae; hosts and networks are read once for all that one transaction places."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Literal

import structlog
from msgspec import Struct
from sqlalchemy import Select, func, select

from hydria.contract import Duty
from hydria.controller.hosts import BASE_PORTS
from hydria.model import LoadBalancer
from hydria.protocols import Networking
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, KnownHost, zone_data
from hydria.times import stamp

log = structlog.get_logger(__name__)

# How long an agent may be silent unless the settings say otherwise (seconds).
HOST_SILENCE = 60

NO_HOST = "No host asks for work. Start an agent: hydria up, or hydria agent."


class Rules(Struct, frozen=True, kw_only=True):
    """The operator's rules. A host that has not polled for `silence` seconds is silent: it gets no new amphorae, its
    pending changes fail, and its amphorae are replaced. Open connections have `drain_seconds` to end.
    """

    anti_affinity: Literal["soft", "hard"] = "soft"
    silence: int = HOST_SILENCE
    drain_seconds: int = 300


class Request(Struct, frozen=True, kw_only=True):
    """A new amphora that is wanted. `apart_from` are the hosts of the load balancer's other amphorae.

    With `may_share` the amphora may share a host with one of them if there is no other host for it.
    """

    load_balancer: LoadBalancer
    networks: Collection[str]
    duty: Duty = "active"
    priority: int | None = None
    apart_from: Collection[str] = ()
    may_share: bool = True


class Placement:
    """The new amphorae of one transaction."""

    def __init__(self, transaction: Transaction, networking: Networking, now: datetime, rules: Rules) -> None:
        self._transaction = transaction
        self._networking = networking
        self._rules = rules
        self.now = now
        self._refusals: dict[str, str | None] = {}
        self._physical: dict[str, str | None] = {}

    def refusal(self, network_id: str) -> str | None:
        """Return why a VIP on this network cannot work and what to do about it, or None."""
        if network_id not in self._refusals:
            self._refusals[network_id] = self._networking.refuses_secured_ports(network_id)
        return self._refusals[network_id]

    def place(self, request: Request) -> Amphora | str:
        """Insert an amphora on the fitting host that has the fewest, and return it; without one, return the reasons."""
        load_balancer = request.load_balancer
        unfit = self._unfit_hosts(request)
        fit = [key for key, reason in unfit.items() if reason is None]
        apart = [key for key in fit if key not in request.apart_from]
        chosen = apart or (fit if request.may_share else [])
        if not chosen:
            reasons = {self.name(key): reason or "it has the other amphora" for key, reason in unfit.items()}
            return _no_host_fits(reasons) if any(not self.silent(key) for key in unfit) else NO_HOST
        host = min(chosen, key=lambda key: (self._loads.get(key, 0), key))
        self._loads[host] = self._loads.get(host, 0) + 1
        amphora = Amphora(
            id=str(uuid.uuid4()),
            load_balancer_id=load_balancer.id,
            host=host,
            created_at=stamp(self.now),
            duty=request.duty,
            priority=request.priority,
        )
        self._transaction.insert(amphora)
        self._transaction.hint("instances")
        log.info("amphora_placed", load_balancer=load_balancer.id, amphora=amphora.id, host=host)
        return amphora

    def fits_apart(self, request: Request) -> bool:
        """Return whether a host can have an amphora apart from the others of its load balancer."""
        unfit = self._unfit_hosts(request)
        return any(reason is None and key not in request.apart_from for key, reason in unfit.items())

    @cached_property
    def hosts(self) -> Mapping[str, KnownHost]:
        """All known hosts by id."""
        return {host.id: host for host in self._transaction.find(KnownHost)}

    @cached_property
    def _loads(self) -> dict[str, int]:
        """The number of amphorae by host. Reconciling without a placement does not need them."""
        return loads(self._transaction)

    def silent(self, host: str) -> bool:
        """Return whether a known host does not poll any more."""
        known = self.hosts.get(host)
        return known is not None and known.seen_at < heard_since(self.now, self._rules.silence)

    def emptied(self, host: str) -> bool:
        """Return whether a host gives its amphorae away, or is forgotten."""
        known = self.hosts.get(host)
        return known is None or known.draining

    def makes_base_ports(self, host: str) -> bool:
        """Return whether a host's agent knows base ports."""
        known = self.hosts.get(host)
        return known is not None and known.speaks >= BASE_PORTS

    def name(self, host: str) -> str:
        """Return the name of a host."""
        known = self.hosts.get(host)
        return known.name if known is not None and known.name else host

    def physical_network(self, network_id: str) -> str | None:
        """Return the physical network that a network is on, None for a network of the home host."""
        if network_id not in self._physical:
            self._physical[network_id] = self._networking.physical_network(network_id)
        return self._physical[network_id]

    def _unfit_hosts(self, request: Request) -> dict[str, str | None]:
        """Return for each host why it cannot have an amphora, None where it can."""
        zone = zone_data(self._transaction, request.load_balancer.availability_zone).get("compute_zone")
        return {host.id: self._unfit(host, request.networks, zone) for host in self.hosts.values()}

    def _unfit(self, host: KnownHost, networks: Collection[str], zone: str | None) -> str | None:
        """Return why a host cannot have an amphora, or None."""
        zones = any(each.facts.zone for each in self.hosts.values())
        if self.silent(host.id):
            reason: str | None = "it does not ask for work"
        elif host.draining:
            reason = "it is being drained"
        elif not host.enabled:
            reason = "it is disabled"
        elif zone and zones and host.facts.zone != zone:
            reason = f"it is not in the zone {zone}"
        elif 0 < host.facts.capacity <= self._loads.get(host.id, 0):
            reason = f"it is full ({host.facts.capacity} amphorae)"
        else:
            reason = next(filter(None, (self._lacks(host, network_id) for network_id in networks)), None)
        return reason

    def _lacks(self, host: KnownHost, network_id: str) -> str | None:
        """Return the reason when a host does not have a network."""
        if self._networking.binds_ports():
            lacks = "Neutron does not know it: set agent.ovsdb there"
            return None if host.facts.neutron_host else lacks
        physical = self.physical_network(network_id)
        if physical is None:
            elsewhere = not host.home and any(each.home for each in self.hosts.values())
            return f"it does not have the network {network_id}, which is local to another host" if elsewhere else None
        # An agent that tells no facts may have any physical network.
        if host.speaks and physical not in host.facts.physical_networks:
            return f"it is not connected to the physical network {physical}"
        return None


def heard_since(now: datetime, silence: int) -> int:
    """Return the time (UTC seconds) since which a host must have polled not to be silent."""
    return int(now.timestamp()) - silence


def _no_host_fits(reasons: Mapping[str, str]) -> str:
    """Return a sentence that says for each host, by name, why it cannot have an amphora."""
    shown: Sequence[str] = [f"{name}: {reason}" for name, reason in sorted(reasons.items())]
    return f"No host can have this load balancer. {'; '.join(shown)}."


def loads(transaction: Transaction) -> dict[str, int]:
    """Return the number of amphorae of each host that has some."""
    return dict(map(tuple, transaction.execute(_loads())))


@cache
def _loads() -> Select[Any]:
    host = columns(Amphora).host
    return select(host, func.count()).group_by(host)
