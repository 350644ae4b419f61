"""Making resources out of forms: each kind alone, and whole trees of them, with Octavia's checks."""

import uuid
from collections import Counter
from typing import Any, Self

from msgspec import UNSET, Struct, structs

from hydria.api import support
from hydria.api.access import missing
from hydria.api.kinds import POOL
from hydria.api.quotas import Quotas
from hydria.errors import Conflict, Invalid
from hydria.http.operation import Call
from hydria.model import Child, HealthMonitor, Listener, LoadBalancer, Member, Pool, Resource
from hydria.model.base import build, given
from hydria.model.create import ListenerNested, PoolCreate, PoolNested
from hydria.model.fields import POOL_PROTOCOLS
from hydria.model.health_monitor import HealthMonitorAlone
from hydria.model.member import MemberCreate
from hydria.ports import Networking
from hydria.store import columns
from hydria.store.resources import Health

# Protocols that share a port number's space.
_DATAGRAM = {"UDP": "UDP", "SCTP": "SCTP"}

HTTP_DEFAULTS = {"http_method": "GET", "url_path": "/", "expected_codes": "200"}


class Ground(Struct, frozen=True, kw_only=True):
    """What children need to know of their load balancer: `generation` is that of the change that makes them."""

    load_balancer_id: str
    project_id: str
    generation: int

    @classmethod
    def of(cls, load_balancer: LoadBalancer) -> Self:
        """Return the ground that a load balancer is."""
        return cls(
            load_balancer_id=load_balancer.id,
            project_id=load_balancer.project_id,
            generation=load_balancer.generation,
        )


class Planting:
    """The children that one call makes, put down in few statements at the end."""

    def __init__(self, call: Call, ground: Ground, networking: Networking, quotas: Quotas) -> None:
        self._call = call
        self._ground = ground
        self._networking = networking
        self._quotas = quotas
        self._children: list[Child] = []

    def _make(self, kind: type[Any], form: Struct, **rest: Any) -> Any:
        support.check(form)
        ground = self._ground
        child = build(
            kind,
            form,
            **rest,
            id=str(uuid.uuid4()),
            project_id=ground.project_id,
            load_balancer_id=ground.load_balancer_id,
            created_at=self._call.now,
            created_in=ground.generation,
            changed_in=ground.generation,
        )
        self._children.append(child)
        return child

    def listener(self, form: ListenerNested, default_pool_id: str | None) -> Listener:
        """Add a listener. Raises Conflict when its port is taken."""
        taken = [each for each in self._children if isinstance(each, Listener)]
        c = columns(Listener)
        taken += self._call.transaction.find(
            Listener,
            c.load_balancer_id == self._ground.load_balancer_id,
            c.protocol_port == form.protocol_port,
            c.deleted_in.is_(None),
        )
        for other in taken:
            if other.protocol_port == form.protocol_port and _space(other.protocol) == _space(form.protocol):
                raise Conflict(
                    "Another Listener on this Load Balancer is already using protocol "
                    f"{other.protocol} and protocol_port {form.protocol_port}"
                )
        listener: Listener = self._make(Listener, form, default_pool_id=default_pool_id)
        return listener

    def pool(self, form: PoolNested | PoolCreate, *, graph: bool = True) -> Pool:
        """Add a pool with its monitor and members. Raises Invalid for one of which only the name is known."""
        for attribute in ("protocol", "lb_algorithm"):
            if getattr(form, attribute) in (UNSET, None):
                raise Invalid(
                    _validation(f"Pool definition for '{form.name or ''}' missing required attribute: {attribute}")
                )
        pool: Pool = self._make(Pool, form)
        if graph and isinstance(form.healthmonitor, Struct):
            self.health_monitor(form.healthmonitor, pool)
        for member in form.members or () if graph else ():
            self.member(member, pool, fresh_pool=True, monitored=isinstance(form.healthmonitor, Struct))
        return pool

    def member(self, form: MemberCreate, pool: Pool, *, fresh_pool: bool = False, monitored: bool = False) -> Member:
        """Add a member. Raises Conflict when the pool has its address and port."""
        taken = [each for each in self._children if isinstance(each, Member) and each.pool_id == pool.id]
        if not fresh_pool:
            c = columns(Member)
            taken += self._call.transaction.find(
                Member, c.pool_id == pool.id, c.address == form.address, c.deleted_in.is_(None)
            )
        for other in taken:
            if (other.address, other.protocol_port) == (form.address, form.protocol_port):
                raise Conflict(
                    f"Another member on this pool is already using ip {form.address} "
                    f"on protocol_port {form.protocol_port}"
                )
        check_member_address(form.address)
        self._check_subnet(form.subnet_id or None)
        member: Member = self._make(Member, form, pool_id=pool.id)
        return member

    def _check_subnet(self, subnet_id: str | None) -> None:
        """Refuse a subnet that the caller may not see; an admin may take any, as with Neutron. Raises Invalid."""
        caller = self._call.caller
        if subnet_id and self._networking.subnet(subnet_id, None if caller.is_admin else caller.project_id) is None:
            raise Invalid(f"Subnet {subnet_id} not found.")

    def health_monitor(self, form: HealthMonitorAlone, pool: Pool) -> HealthMonitor:
        """Add a pool's monitor, with HTTP's defaults. Raises Invalid for attributes that its type does not have."""
        check_monitor_type(form.type, pool)
        http = form.type in ("HTTP", "HTTPS")
        for attribute in HTTP_DEFAULTS:
            if not http and getattr(form, attribute) not in (UNSET, None):
                raise Invalid(f"{attribute} is not a valid option for health monitors of type {form.type}")
        monitor: HealthMonitor = self._make(HealthMonitor, form, pool_id=pool.id)
        monitor = self._children[-1] = with_http_defaults(monitor)
        check_domain_name(monitor)
        return monitor

    def put_down(self) -> None:
        """Write the children, and what they are worth until their host speaks. Raises Forbidden over the quota."""
        kinds: Counter[type[Resource]] = Counter(type(each) for each in self._children)
        self._quotas.take(self._call.transaction, self._ground.project_id, kinds)
        monitored = {each.pool_id for each in self._children if isinstance(each, HealthMonitor)}
        pools = {each.pool_id for each in self._children if isinstance(each, Member)} - monitored
        monitored |= self._monitored(pools)
        healths = [
            Health(
                id=each.id,
                load_balancer_id=self._ground.load_balancer_id,
                operating_status="NO_MONITOR"
                if isinstance(each, Member) and each.pool_id not in monitored
                else "OFFLINE",
            )
            for each in self._children
        ]
        self._call.transaction.insert(*self._children, *healths)

    def _monitored(self, pools: set[str]) -> set[str]:
        if not pools:
            return set()
        c = columns(HealthMonitor)
        monitors = self._call.transaction.find(HealthMonitor, c.pool_id.in_(pools), c.deleted_in.is_(None))
        return {monitor.pool_id for monitor in monitors}


def check_protocols(listener_protocol: str, pool_protocol: str) -> None:
    """Refuse a pool that cannot stand behind a listener. Raises Invalid."""
    if pool_protocol not in POOL_PROTOCOLS[listener_protocol]:
        raise Invalid(
            _validation(
                f"The pool protocol '{pool_protocol}' is invalid while the listener protocol is '{listener_protocol}'."
            )
        )


def check_member_address(address: str) -> None:
    """Refuse the addresses that Octavia keeps for itself (the metadata service's). Raises Invalid."""
    if address == "169.254.169.254":
        raise Invalid(f"{address} is not a valid option for member address")


def check_monitor_type(kind: str, pool: Pool) -> None:
    """Refuse monitors that a pool's protocol cannot have. Raises Invalid."""
    if kind in ("UDP-CONNECT", "SCTP") and pool.protocol not in _DATAGRAM:
        raise Invalid(_validation(f"The {kind} type is only supported for pools of type UDP/SCTP."))


def check_domain_name(monitor: HealthMonitor) -> None:
    """Refuse a domain name without HTTP 1.1, which alone has a Host header. Raises Invalid."""
    if monitor.domain_name and not monitor.http_version:
        raise Invalid(_validation("'http_version' must be specified when 'domain_name' is provided."))
    if monitor.domain_name and monitor.http_version == "1.0":
        raise Invalid("http_version 1.0 is not a valid option for health monitors HTTP 1.1 domain name health check")


def _validation(detail: str) -> str:
    return f"Validation failure: {detail}"


def _space(protocol: str) -> str:
    return _DATAGRAM.get(protocol, "TCP")


def with_http_defaults(monitor: HealthMonitor) -> HealthMonitor:
    """Return the monitor with what HTTP checks need and nobody said."""
    if monitor.type not in ("HTTP", "HTTPS"):
        return monitor
    return structs.replace(
        monitor, **{name: value for name, value in HTTP_DEFAULTS.items() if not getattr(monitor, name)}
    )


def plant_graph(planting: Planting, listeners: list[ListenerNested], pools: list[PoolNested]) -> None:
    """Add a load balancer's whole tree: pools first, then the listeners that name them. Raises Invalid, NotFound."""
    whole = list(pools)
    for form in listeners:
        if form.default_pool_id:
            raise missing(POOL, form.default_pool_id)
        pool = form.default_pool
        if not isinstance(pool, Struct):
            continue
        if not pool.name:
            raise Invalid(_validation("Pools must be named when creating a fully populated loadbalancer."))
        if len(given(pool)) > 1:
            whole.append(pool)
    names = [pool.name for pool in whole]
    if len(set(names)) != len(names):
        raise Invalid(_validation("Pool names must be unique when creating a fully populated loadbalancer."))
    made = {form.name: planting.pool(form) for form in whole}
    for form in listeners:
        pool = form.default_pool
        behind = made.get(pool.name) if isinstance(pool, Struct) else None
        if isinstance(pool, Struct) and behind is None:
            raise Invalid(_validation(f"Pool '{pool.name}' was referenced but no full definition was found."))
        if behind is not None:
            check_protocols(form.protocol, behind.protocol)
        default_pool_id = behind.id if behind is not None else None
        planting.listener(form, default_pool_id)
