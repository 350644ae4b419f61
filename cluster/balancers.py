"""The load balancers of a fault run: their trees, the changes that users make, and what a client asks them."""

import base64
import random
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from cluster.api import AMPHORAE, LBAAS, Api, Refused
from cluster.machine import Cluster
from cluster.member import PORT as LINES
from cluster.probe import ask_http, ask_tcp, ask_tls, ask_udp
from tests.support.certificates import leaf

Protocol = Literal["HTTP", "TCP", "UDP", "TERMINATED_HTTPS"]
PROTOCOLS: tuple[Protocol, ...] = ("HTTP", "TCP", "UDP", "TERMINATED_HTTPS")
# The ports of members, by the protocol of the listener.
_PORTS = {"HTTP": 80, "TCP": LINES, "UDP": LINES, "TERMINATED_HTTPS": 80}
_ASK: dict[str, Callable[[str, str, int, float], str]] = {
    "HTTP": ask_http,
    "TCP": ask_tcp,
    "UDP": ask_udp,
    "TERMINATED_HTTPS": ask_tls,
}


class Balancer(Struct, kw_only=True):
    """A load balancer of the run. `members` are the names of the members that it should have."""

    id: str
    name: str
    vip: str
    protocol: Protocol
    pair: bool
    pool: str
    listener: str
    members: list[str]

    def ask(self, network: str, timeout: float = 2.0) -> str:
        """Return the member that answers the client. Raises OSError."""
        return _ASK[self.protocol](network, self.vip, _PORTS[self.protocol], timeout)


class Balancers:
    """All load balancers of a cluster, and what users do with them."""

    def __init__(self, cluster: Cluster, api: Api) -> None:
        self._cluster = cluster
        self._api = api
        self._subnet = cluster.subnet_id()
        self._web = {node.name: node.wire for node in cluster.plan.nodes() if node.kind == "member"}
        self._flavor = self._certificate_ref = ""
        self._made = 0
        self._pairs: dict[str, bool] = {}
        # Those that this object made, and the ids of all that exist, by the last `refresh`.
        self.all: list[Balancer] = []
        self.ids: set[str] = set()

    def make(self, protocol: Protocol, *, pair: bool) -> str:
        """Create a load balancer over all members; return its name. Raises HydriaError."""
        self._made += 1
        name, port = f"lb{self._made}", _PORTS[protocol]
        self._pairs[name] = pair
        members = [self._member(web, port) for web in self._web]
        inner = "HTTP" if protocol == "TERMINATED_HTTPS" else protocol
        pool = {"name": "pool", "protocol": inner, "lb_algorithm": "ROUND_ROBIN", "members": members}
        listener: dict[str, Any] = {"protocol": protocol, "protocol_port": port, "default_pool": pool}
        if protocol == "TERMINATED_HTTPS":
            listener["default_tls_container_ref"] = self._certificate()
        more = {"flavor_id": self._pair_flavor()} if pair else {}
        form = {"name": name, "vip_subnet_id": self._subnet, "listeners": [listener], **more}
        self._api.make(f"{LBAAS}/loadbalancers", "loadbalancer", **form)
        return name

    def refresh(self) -> None:
        """Read what the API says: a change that was interrupted may have been made or not. Raises HydriaError."""
        found = self._api.get(f"{LBAAS}/loadbalancers")["loadbalancers"]
        self.ids = {each["id"] for each in found}
        self.all = [self._read(each) for each in found if each["name"] in self._pairs]

    def _read(self, found: dict[str, Any]) -> Balancer:
        pool, listener = found["pools"][0]["id"], found["listeners"][0]["id"]
        members = self._api.get(f"{LBAAS}/pools/{pool}/members?fields=name")["members"]
        return Balancer(
            id=found["id"],
            name=found["name"],
            vip=found["vip_address"],
            protocol=self._api.get(f"{LBAAS}/listeners/{listener}?fields=protocol")["listener"]["protocol"],
            pair=self._pairs[found["name"]],
            pool=pool,
            listener=listener,
            members=[each["name"] for each in members],
        )

    def status(self, balancer: Balancer) -> tuple[str, str]:
        """Return its provisioning status and the reason. Raises HydriaError."""
        tree = self._api.get(f"{LBAAS}/loadbalancers/{balancer.id}/status")["statuses"]["loadbalancer"]
        return str(tree["provisioning_status"]), str(tree.get("provisioning_status_reason") or "")

    def amphorae(self) -> list[dict[str, Any]]:
        """Return all amphorae as the API shows them. Raises HydriaError."""
        found: list[dict[str, Any]] = self._api.get(AMPHORAE)["amphorae"]
        return found

    def changes(self) -> dict[str, Callable[[random.Random], str]]:
        """Return what users may do; each takes the choice, does it and says what it was. Raises HydriaError."""
        return {
            "member": self._change_member,
            "timeout": self._change_timeout,
            "new": self._replace,
            "failover": self._fail_over,
        }

    def _change_member(self, choice: random.Random) -> str:
        """Remove a member, or add a missing one."""
        balancer = choice.choice(self.all)
        name = choice.choice(sorted(self._web))
        path = f"{LBAAS}/pools/{balancer.pool}/members"
        if name not in balancer.members:
            self._api.make(path, "member", **self._member(name, _PORTS[balancer.protocol]))
            balancer.members.append(name)
            return f"add {name} to {balancer.name}"
        if len(balancer.members) == 1:
            return "nothing"
        member = next(each for each in self._api.get(path)["members"] if each["name"] == name)
        self._api.call("DELETE", f"{path}/{member['id']}")
        balancer.members.remove(name)
        return f"remove {name} from {balancer.name}"

    def _change_timeout(self, choice: random.Random) -> str:
        balancer, seconds = choice.choice(self.all), choice.randrange(20, 60)
        body = {"listener": {"timeout_client_data": 1000 * seconds}}
        self._api.call("PUT", f"{LBAAS}/listeners/{balancer.listener}", body)
        return f"timeout of {balancer.name}: {seconds} s"

    def _replace(self, choice: random.Random) -> str:
        """Delete a load balancer and create one of the same kind."""
        balancer = choice.choice(self.all)
        self._api.call("DELETE", f"{LBAAS}/loadbalancers/{balancer.id}?cascade=true")
        self.all.remove(balancer)
        return f"delete {balancer.name}, create {self.make(balancer.protocol, pair=balancer.pair)}"

    def _fail_over(self, choice: random.Random) -> str:
        balancer = choice.choice(self.all)
        try:
            self._api.call("PUT", f"{LBAAS}/loadbalancers/{balancer.id}/failover")
        except Refused as refused:
            # Octavia refuses it while a load balancer changes.
            if refused.status != 409:
                raise
            return f"failover of {balancer.name} is refused"
        return f"failover of {balancer.name}"

    def _member(self, name: str, port: int) -> dict[str, Any]:
        return {"name": name, "address": self._web[name], "protocol_port": port, "subnet_id": self._subnet}

    def _certificate(self) -> str:
        """Return the reference of a certificate in the key manager."""
        if not self._certificate_ref:
            self._certificate_ref = certificate(self._api)
        return self._certificate_ref

    def _pair_flavor(self) -> str:
        if not self._flavor:
            self._flavor = pair_flavor(self._api)
        return self._flavor


def pair_flavor(api: Api) -> str:
    """Make a flavor for pairs; return its id. Raises HydriaError."""
    data = '{"loadbalancer_topology": "ACTIVE_STANDBY"}'
    form = {"name": "pair", "provider_name": "amphora", "flavor_data": data}
    profile = api.make(f"{LBAAS}/flavorprofiles", "flavorprofile", **form)
    return str(api.make(f"{LBAAS}/flavors", "flavor", name="pair", flavor_profile_id=profile["id"])["id"])


def certificate(api: Api) -> str:
    """Store a certificate in the key manager; return its reference. Raises HydriaError."""
    form = {
        "name": "cluster",
        "payload": base64.b64encode(leaf("lb.cluster.test").pkcs12()).decode(),
        "payload_content_type": "application/octet-stream",
        "payload_content_encoding": "base64",
    }
    return str(api.call("POST", "/key-manager/v1/secrets", form)["secret_ref"])
