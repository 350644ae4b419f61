"""What must be true of a cluster when all faults are repaired and everything has settled."""

from collections import Counter
from collections.abc import Iterator

from cluster.api import NETWORK
from cluster.balancers import Balancer, Balancers
from cluster.machine import Cluster
from hydria.errors import HydriaError

# Each member must answer one of so many requests.
_REQUESTS = 12


def complaints(cluster: Cluster, balancers: Balancers) -> list[str]:
    """Return what is not as it must be."""
    try:
        balancers.refresh()
        return [*_settled(balancers), *_placed(cluster, balancers), *_left_over(cluster, balancers)] or [
            *_active_once(cluster, balancers),
            *_served(cluster, balancers),
        ]
    except HydriaError as error:
        return [str(error)]


def _settled(balancers: Balancers) -> Iterator[str]:
    for balancer in balancers.all:
        status, reason = balancers.status(balancer)
        if status != "ACTIVE":
            yield f"{balancer.name} is {status} {reason}"


def _placed(cluster: Cluster, balancers: Balancers) -> Iterator[str]:
    """Each load balancer has one amphora, or two on two hosts, and they are all there."""
    place = {amphora: host for host in cluster.plan.named("host") for amphora in cluster.amphorae(host)}
    amphorae = balancers.amphorae()
    for balancer in balancers.all:
        own = [each for each in amphorae if each["loadbalancer_id"] == balancer.id]
        if len(own) != (2 if balancer.pair else 1):
            yield f"{balancer.name} has {len(own)} amphorae"
        hosts = Counter(place.get(each["id"], "no host") for each in own)
        if "no host" in hosts:
            yield f"{balancer.name} has an amphora on no host"
        elif max(hosts.values(), default=0) > 1:
            yield f"{balancer.name} has both amphorae on {' and '.join(hosts)}"
        for each in own:
            if each["status"] != "ALLOCATED":
                yield f"the amphora {each['id']} of {balancer.name} is {each['status']}"


def _left_over(cluster: Cluster, balancers: Balancers) -> Iterator[str]:
    """Hosts have only amphorae that the API knows, and the home cloud only ports of load balancers that exist."""
    known = {each["id"] for each in balancers.amphorae()}
    for host in cluster.plan.named("host"):
        for amphora in set(cluster.amphorae(host)) - known:
            yield f"{host} has the amphora {amphora}, which the API does not know"
        prefix = cluster.plan.prefix(host)
        for path in (cluster.node(host).root / "run/netns").glob(f"{prefix}-????????-????-*"):
            if path.name.removeprefix(f"{prefix}-") not in known:
                yield f"{host} has the namespace {path.name} of no amphora"
    for port in cluster.api().get(f"{NETWORK}/ports?device_owner=Octavia")["ports"]:
        owner = str(port["device_id"]).removeprefix("lb-")
        if owner not in balancers.ids | known:
            yield f"the port {port['name'] or port['id']} belongs to {port['device_id']}, which does not exist"


def _active_once(cluster: Cluster, balancers: Balancers) -> Iterator[str]:
    for balancer in balancers.all:
        holders = cluster.holders(balancer.vip)
        if len(holders) != 1:
            yield f"the VIP of {balancer.name} is on {' and '.join(holders) or 'no host'}"


def _served(cluster: Cluster, balancers: Balancers) -> Iterator[str]:
    network = cluster.node("client").network
    for balancer in balancers.all:
        yield from _answers(balancer, network)


def _answers(balancer: Balancer, network: str) -> Iterator[str]:
    """All members that a load balancer should have answer, and no other."""
    seen: set[str] = set()
    for _ in range(_REQUESTS):
        try:
            seen.add(balancer.ask(network))
        except OSError as error:
            yield f"{balancer.name} ({balancer.protocol}) does not answer: {error.strerror or error}"
            return
        if seen == set(balancer.members):
            return
    yield f"{balancer.name} is served by {', '.join(sorted(seen))} instead of {', '.join(sorted(balancer.members))}"
