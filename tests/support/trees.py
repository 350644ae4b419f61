"""Instances for rendering and serving."""

from typing import Any

from hydria.contract import Address, Instance, Interface, Route
from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Tree
from hydria.render.haproxy import Surroundings

NETWORK = "aaaaaaaa-0000-4000-8000-000000000001"
AMPHORA = "bbbbbbbb-0000-4000-8000-000000000001"
LB = "cccccccc-0000-4000-8000-000000000001"


SURROUNDINGS = Surroundings(
    directory="/run/hydria/amphorae/example",
    uid=1_900_000_001,
    gid=1_900_000_001,
    threads=1,
    max_connections=9900,
)


def key(kind: str, number: int) -> str:
    """Return a readable id: `kind` is one hexadecimal digit, which is repeated, before the number."""
    return f"{kind * 8}-0000-4000-8000-{number:012d}"


def made(kind: type[Any], id_: str, **values: Any) -> Any:
    """Return a resource of the tree's load balancer."""
    common = {"id": id_, "project_id": "p", "created_at": "2026-11-23T00:00:00"}
    return kind(**common, **({} if kind is LoadBalancer else {"load_balancer_id": LB}), **values)


def load_balancer(**values: Any) -> LoadBalancer:
    """Return the tree's load balancer, its VIP at 10.0.0.10."""
    places = {"vip_address": "10.0.0.10", "vip_port_id": key("d", 1), "vip_subnet_id": key("d", 2)}
    return made(LoadBalancer, LB, vip_network_id=NETWORK, **(places | values))  # type: ignore[no-any-return]


def listener(number: int = 1, **values: Any) -> Listener:
    """Return a listener, HTTP on port 80 in front of pool 1."""
    values = {"protocol": "HTTP", "protocol_port": 80, "default_pool_id": key("2", 1)} | values
    return made(Listener, key("1", number), **values)  # type: ignore[no-any-return]


def pool(number: int = 1, **values: Any) -> Pool:
    """Return a pool, HTTP and round robin."""
    return made(Pool, key("2", number), **({"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"} | values))  # type: ignore[no-any-return]


def member(number: int, **values: Any) -> Member:
    """Return a member of pool 1 at 10.0.0.(10 + number), port 80."""
    values = {"pool_id": key("2", 1), "address": f"10.0.0.{10 + number}", "protocol_port": 80} | values
    return made(Member, key("3", number), **values)  # type: ignore[no-any-return]


def monitor(number: int = 1, **values: Any) -> HealthMonitor:
    """Return a monitor of pool 1 as the tutorial makes it."""
    http = {"http_method": "GET", "url_path": "/", "expected_codes": "200"}
    timing = {"delay": 5, "timeout": 10, "max_retries": 2}
    kind = values.get("type", "HTTP")
    values = {"pool_id": key("2", 1), "type": kind, **timing, **(http if kind in ("HTTP", "HTTPS") else {})} | values
    return made(HealthMonitor, key("4", number), **values)  # type: ignore[no-any-return]


def policy(number: int = 1, **values: Any) -> L7Policy:
    """Return an L7 policy of listener 1 that rejects."""
    values = {"listener_id": key("1", 1), "action": "REJECT", "position": number} | values
    return made(L7Policy, key("5", number), **values)  # type: ignore[no-any-return]


def rule(number: int = 1, **values: Any) -> L7Rule:
    """Return a rule of policy 1: paths that begin with /images."""
    values = {"l7policy_id": key("5", 1), "type": "PATH", "compare_type": "STARTS_WITH", "value": "/images"} | values
    return made(L7Rule, key("6", number), **values)  # type: ignore[no-any-return]


def instance(*children: Any, root: LoadBalancer | None = None, generation: int = 1, **values: Any) -> Instance:
    """Return an instance of these children on one interface with the VIP."""
    tree = Tree(
        load_balancer=root or load_balancer(),
        listeners=tuple(each for each in children if isinstance(each, Listener)),
        pools=tuple(each for each in children if isinstance(each, Pool)),
        members=tuple(each for each in children if isinstance(each, Member)),
        health_monitors=tuple(each for each in children if isinstance(each, HealthMonitor)),
        l7_policies=tuple(each for each in children if isinstance(each, L7Policy)),
        l7_rules=tuple(each for each in children if isinstance(each, L7Rule)),
    )
    interface = Interface(
        port_id=key("d", 1),
        network_id=NETWORK,
        mac="fa:16:3e:00:00:01",
        addresses=tuple(Address(ip=vip, prefix=64 if ":" in vip else 24) for vip in tree.load_balancer.vip_addresses),
        routes=(Route(destination="0.0.0.0/0", via="10.0.0.1"),),
    )
    values = {"amphora_id": AMPHORA, "interfaces": (interface,)} | values
    return Instance(generation=generation, tree=tree, **values)
