"""The choice of hosts for new amphorae; hosts and networks are read once for all that one transaction places."""

import uuid
from datetime import datetime
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, func, select

from hydria.model import LoadBalancer
from hydria.model.base import stamp
from hydria.protocols import Networking
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, KnownHost
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)

# A host that has not polled for so long is silent (seconds): it gets no new amphorae, and its pending changes fail.
HOST_SILENCE = 90


class Placement:
    """The new amphorae of one transaction, which `save` stores."""

    def __init__(self, transaction: Transaction, networking: Networking, now: datetime) -> None:
        self._transaction = transaction
        self._networking = networking
        self.now = now
        self._refusals: dict[str, str | None] = {}
        self._hosts: dict[str, KnownHost | None] = {}
        # How many amphorae each host has that polls; None until it was read.
        self._loads: dict[str, int] | None = None
        self._placed: list[Amphora] = []

    def refusal(self, network_id: str) -> str | None:
        """Return why a VIP on this network cannot work and what to do about it, or None."""
        if network_id not in self._refusals:
            self._refusals[network_id] = self._networking.refuses_vip(network_id)
        return self._refusals[network_id]

    def place(self, load_balancer: LoadBalancer) -> Amphora | None:
        """Return a new amphora of a load balancer on the host that has the fewest, or None without a host."""
        if self._loads is None:
            found = self._transaction.execute(_loads(), {"heard_since": heard_since(self.now)})
            self._loads = dict(map(tuple, found))
        if not self._loads:
            return None
        _, host = min((count, host) for host, count in self._loads.items())
        self._loads[host] += 1
        amphora = Amphora(
            id=str(uuid.uuid4()), load_balancer_id=load_balancer.id, host=host, created_at=stamp(self.now)
        )
        self._placed.append(amphora)
        log.info("amphora_placed", load_balancer=load_balancer.id, amphora=amphora.id, host=host)
        return amphora

    def save(self) -> None:
        """Store the new amphorae."""
        if self._placed:
            self._transaction.insert(*self._placed)
            self._transaction.hint("instances")

    def silent(self, host: str) -> bool:
        """Return whether a known host does not poll any more."""
        known = self._known(host)
        return known is not None and known.seen_at < heard_since(self.now)

    def name(self, host: str) -> str:
        """Return the name of a host."""
        known = self._known(host)
        return known.name if known is not None and known.name else host

    def _known(self, host: str) -> KnownHost | None:
        if host not in self._hosts:
            self._hosts[host] = self._transaction.get(KnownHost, host)
        return self._hosts[host]


def heard_since(now: datetime) -> int:
    """Return the time (UTC seconds) since which a host must have polled not to be silent."""
    return int(now.timestamp()) - HOST_SILENCE


@cache
def _loads() -> Select[Any]:
    host, amphora = columns(KnownHost), columns(Amphora)
    return (
        select(host.id, func.count(amphora.id))
        .select_from(rows_of(KnownHost).table.outerjoin(rows_of(Amphora).table, amphora.host == host.id))
        .where(host.seen_at >= bindparam("heard_since"))
        .group_by(host.id)
    )
