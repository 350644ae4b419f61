"""What Neutron should have of a load balancer, as pure functions of its tree."""

from collections.abc import Iterator

from hydria.model import Listener, LoadBalancer
from hydria.model.neutron import GroupRule
from hydria.model.tree import Tree

# The amphorae of a pair exchange stick tables on this port (`hydria.render.haproxy.peers`), and speak VRRP.
_PEERS_PORT, _VRRP = 1025, "112"
_ACME = "acme:"


def wanted_rules(tree: Tree) -> tuple[GroupRule, ...]:
    """Return the ingress rules of the security group of a load balancer's amphorae, sorted."""
    return tuple(sorted(set(_rules(tree))))


def group_name(load_balancer_id: str) -> str:
    """Return the name of a load balancer's security group, which is Octavia's."""
    return f"lb-{load_balancer_id}"


def _rules(tree: Tree) -> Iterator[GroupRule]:
    root, live = tree.load_balancer, tree.live()
    ethertypes = _ethertypes(root)
    for listener in live.listeners:
        protocol = _protocol(listener)
        if listener.allowed_cidrs:
            for cidr in listener.allowed_cidrs:
                ethertype = "IPv6" if ":" in cidr else "IPv4"
                yield GroupRule(ethertype=ethertype, protocol=protocol, port=listener.protocol_port, cidr=cidr)
        else:
            for ethertype in ethertypes:
                yield GroupRule(ethertype=ethertype, protocol=protocol, port=listener.protocol_port)
    if any(reference.startswith(_ACME) for reference, _ in live.references()):
        for ethertype in ethertypes:
            yield GroupRule(ethertype=ethertype, protocol="tcp", port=80)
    if root.topology == "ACTIVE_STANDBY":
        for ethertype in ethertypes:
            yield GroupRule(ethertype=ethertype, protocol="tcp", port=_PEERS_PORT, among=True)
            yield GroupRule(ethertype=ethertype, protocol=_VRRP, among=True)


def _ethertypes(load_balancer: LoadBalancer) -> list[str]:
    return sorted({"IPv6" if ":" in ip else "IPv4" for ip in load_balancer.vip_addresses})


def _protocol(listener: Listener) -> str:
    return {"UDP": "udp", "SCTP": "sctp"}.get(listener.protocol, "tcp")
