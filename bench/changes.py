"""Each kind of change under load: its method, the time until it is served, and the losses."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from crowd import Crowd, DatagramClient, Stayers, WebClient, echoes
from figures import Aim, Figure, figure
from hydria.adapters.linux.netns import inside
from probe import first_answer
from stand import LB, MEMBER_PORTS, MEMBERS, Stand
from tests.support.certificates import leaf

PART = "changes"
_TCP_PORT, _UDP_PORT = 81, 90
_ECHOES = tuple(MEMBER_PORTS[:4])


class Change(Struct, frozen=True):
    """One change: its name, the call that makes it, and the calls that revert it."""

    name: str
    call: tuple[str, str, Any]
    # A created resource is deleted at this path with its id.
    remove: str = ""
    back: tuple[str, str, Any] | None = None


class Seen(Struct, frozen=True):
    """The effect of a change: its method, milliseconds until it was served, requests sent and lost, connections cut.

    Datagrams to an echo count as requests.
    """

    way: str
    milliseconds: float
    asked: int
    lost: int
    cut: int
    sent: int
    gone: int


class Balancer:
    """The load balancer that is changed: an HTTP, a TCP and a UDP listener, each with a pool."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.body = stand.whole_load_balancer("changes", tuple(MEMBER_PORTS[:3]))
        self.vip = self.body["vip_address"]
        self.path = f"{LB}/loadbalancers/{self.body['id']}"
        self.listener, self.pool = self.body["listeners"][0]["id"], self.body["pools"][0]["id"]
        self.members = [each["id"] for each in self.body["pools"][0]["members"]]
        first_answer(stand.client, self.vip)
        below = {"loadbalancer_id": self.body["id"], "protocol": "TCP"}
        tcp_pool = self.make("pools", "pool", lb_algorithm="ROUND_ROBIN", **below)
        self.make(f"pools/{tcp_pool}/members", "member", **self.member(MEMBER_PORTS[0]))
        # Idle connections must last as long as the measurement.
        timeouts = {"timeout_client_data": 600_000, "timeout_member_data": 600_000}
        self.make("listeners", "listener", protocol_port=_TCP_PORT, default_pool_id=tcp_pool, **below, **timeouts)
        self.secrets = [stand.secret(leaf("bench.test")) for _ in range(2)]
        self.terminating = self.make(
            "listeners",
            "listener",
            loadbalancer_id=self.body["id"],
            protocol="TERMINATED_HTTPS",
            protocol_port=443,
            default_pool_id=self.pool,
            default_tls_container_ref=self.secrets[0],
        )
        rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/nowhere"}
        self.datagrams = self.make("pools", "pool", lb_algorithm="ROUND_ROBIN", **{**below, "protocol": "UDP"})
        senders = f"pools/{self.datagrams}/members"
        self.echoes = [self.make(senders, "member", **self.member(port)) for port in _ECHOES[:3]]
        udp = {**below, "protocol": "UDP"}
        self.udp = self.make("listeners", "listener", protocol_port=_UDP_PORT, default_pool_id=self.datagrams, **udp)
        self.qos_policy = stand.qos_policy(max_kbps=2_000_000, max_burst_kbps=200_000)
        ports = {"port_range_min": 80, "port_range_max": 443}
        self.security_group = stand.security_group({"protocol": "tcp", **ports}, {"protocol": "udp", **ports})
        self.policy = self.make("l7policies", "l7policy", action="REJECT", listener_id=self.listener)
        self.rule = self.make(f"l7policies/{self.policy}/rules", "rule", **rule)
        self.settle()

    def member(self, port: int) -> dict[str, Any]:
        """Return the body for a member."""
        return {"address": MEMBERS, "protocol_port": port, "subnet_id": self.stand.subnet_id}

    def make(self, collection: str, kind: str, **attributes: Any) -> str:
        """Create a resource; return its id."""
        return str(self.stand.rest.call("POST", f"{LB}/{collection}", {kind: attributes})[kind]["id"])

    def settle(self) -> None:
        """Wait until everything is served. Raises RuntimeError in ERROR, TimeoutError."""
        deadline = time.monotonic() + 30
        while (status := self._status()) != "ACTIVE":
            if status == "ERROR" or time.monotonic() > deadline:
                raise RuntimeError(f"the load balancer is {status}: {self._reason()}")
            time.sleep(0.01)

    def running(self) -> dict[str, object]:
        """Return what each method of a change replaces: process, configuration, rules, the rate of the interface."""
        text = self.stand.configuration(self.vip)
        rules = [text.with_name(name) for name in ("flows.nft", "guard.nft")]
        with inside(self.stand.names.amphora(text.parent.name)):
            interface = subprocess.run(
                ["tc", "qdisc", "show", "dev", "eth0"], check=True, capture_output=True, text=True
            )
        return {
            "reload": int(text.with_name("haproxy.pid").read_text()),
            "runtime socket": text.stat().st_ino,
            "nftables": [each.read_text() if each.exists() else "" for each in rules],
            "interface": interface.stdout,
        }

    def _status(self) -> str:
        return str(self.stand.rest.call("GET", self.path)["loadbalancer"]["provisioning_status"])

    def _reason(self) -> object:
        statuses = self.stand.rest.call("GET", f"{self.path}/status")["statuses"]
        return statuses["loadbalancer"].get("provisioning_status_reason")


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Make one change after the other under load, and revert each."""
    everything: list[Seen] = []
    with echoes(stand.members, MEMBERS, _ECHOES):
        balancer = Balancer(stand)
        for change in _changes(balancer):
            seen = [each for _ in range(1 if quick else 5) for each in _round(balancer, change)]
            everything += seen
            lost, cut, gone = _missed(seen)
            asked, sent = sum(each.asked for each in seen), sum(each.sent for each in seen)
            ways = " or ".join(sorted({each.way for each in seen}))
            yield figure(
                PART,
                f"{change.name}: {ways}",
                "ms",
                [each.milliseconds for each in seen],
                note=f"{lost} of {asked} requests and {gone} of {sent} datagrams lost, {cut} connections cut",
            )
        stand.delete(balancer.body["id"])
    for what, count in zip(("requests lost", "connections cut", "datagrams lost"), _missed(everything), strict=True):
        yield figure(PART, f"{what} in all of them", "", [count], aims=[Aim(most=0)])


def _missed(seen: Sequence[Seen]) -> tuple[int, int, int]:
    """Return the sums of lost requests, cut connections and lost datagrams."""
    return sum(each.lost for each in seen), sum(each.cut for each in seen), sum(each.gone for each in seen)


def _round(balancer: Balancer, change: Change) -> Iterator[Seen]:
    """Make a change and revert it."""
    seen, made = _watched(balancer, change.call)
    yield seen
    back = ("DELETE", f"{change.remove}/{made['id']}", None) if change.remove else change.back
    if back is not None:
        yield _watched(balancer, back)[0]


def _watched(balancer: Balancer, call: tuple[str, str, Any]) -> tuple[Seen, dict[str, Any]]:
    client, vip = balancer.stand.client, balancer.vip
    stayers = Stayers(client, vip, _TCP_PORT)
    web = Crowd(client, lambda kept: WebClient(vip, kept=kept))
    senders = Crowd(client, lambda kept: DatagramClient(vip, _UDP_PORT, kept=kept))
    with web, senders:
        for crowd in (web, senders):
            crowd.more(40)
        before = balancer.running()
        begun = time.perf_counter()
        method, path, form = call
        answer = balancer.stand.rest.call(method, f"{LB}/{path}", form)
        balancer.settle()
        milliseconds = 1000 * (time.perf_counter() - begun)
        after = balancer.running()
        for crowd in (web, senders):
            crowd.more(100)
    # A reload has a new configuration.
    way = next((way for way, what in after.items() if what != before[way]), "nothing")
    seen = Seen(way, milliseconds, web.asked, web.lost, stayers.cut(), senders.asked, senders.lost)
    return seen, next(iter(answer.values())) if answer else {}


def _changes(balancer: Balancer) -> list[Change]:
    """Return every kind of change; a change that needs a resource comes after the one that creates it."""
    listener, pool = f"listeners/{balancer.listener}", f"pools/{balancer.pool}"
    members, member = f"{pool}/members", f"{pool}/members/{balancer.members[2]}"
    monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "pool_id": balancer.pool}
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/nowhere"}
    policy = {"action": "REJECT", "listener_id": balancer.listener, "rules": [rule]}
    other = {"protocol": "HTTP", "protocol_port": 8080, "loadbalancer_id": balancer.body["id"]}
    unused = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": balancer.body["id"]}

    nowhere = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/nowhere"}
    elsewhere = {**nowhere, "value": "/elsewhere"}
    certificates = [{"default_tls_container_ref": secret} for secret in balancer.secrets]
    cookie = {"type": "HTTP_COOKIE"}
    root = f"loadbalancers/{balancer.body['id']}"
    dns = {"protocol": "UDP", "protocol_port": 53, "default_pool_id": balancer.datagrams}
    dns["loadbalancer_id"] = balancer.body["id"]
    qos = [{"vip_qos_policy_id": each} for each in (None, balancer.qos_policy)]
    groups = [{"vip_sg_ids": each} for each in ([], [balancer.security_group])]
    return [
        put("name of a listener", listener, "listener", {"name": "a"}, {"name": "b"}),
        post("pool that nothing uses", "pools", "pool", unused),
        post("member added, removed", members, "member", balancer.member(MEMBER_PORTS[5])),
        put("weight of a member", member, "member", {"weight": 1}, {"weight": 7}),
        put("admin_state_up of a member", member, "member", {"admin_state_up": True}, {"admin_state_up": False}),
        put("member as a backup", member, "member", {"backup": False}, {"backup": True}),
        post("health monitor added, removed", "healthmonitors", "healthmonitor", monitor),
        put("timeouts", listener, "listener", {"timeout_client_data": 50000}, {"timeout_client_data": 40000}),
        put("connection_limit", listener, "listener", {"connection_limit": -1}, {"connection_limit": 5000}),
        put("algorithm", pool, "pool", {"lb_algorithm": "ROUND_ROBIN"}, {"lb_algorithm": "LEAST_CONNECTIONS"}),
        put("persistence", pool, "pool", {"session_persistence": None}, {"session_persistence": cookie}),
        put("allowed_cidrs", listener, "listener", {"allowed_cidrs": None}, {"allowed_cidrs": ["10.0.0.0/8"]}),
        put(
            "insert_headers",
            listener,
            "listener",
            {"insert_headers": {}},
            {"insert_headers": {"X-Forwarded-For": "true"}},
        ),
        post("L7 policy with a rule added, removed", "l7policies", "l7policy", policy),
        put("value of an L7 rule", f"l7policies/{balancer.policy}/rules/{balancer.rule}", "rule", nowhere, elsewhere),
        put("certificate renewed", f"listeners/{balancer.terminating}", "listener", *certificates),
        post("listener added, removed", "listeners", "listener", other),
        post("UDP listener added, removed", "listeners", "listener", dns),
        put("QoS policy of the VIP", root, "loadbalancer", *qos),
        put("security group of the VIP", root, "loadbalancer", *groups),
        *_datagram_changes(balancer),
    ]


def _datagram_changes(balancer: Balancer) -> list[Change]:
    """Return the kinds of change for UDP only."""
    listener, pool = f"listeners/{balancer.udp}", f"pools/{balancer.datagrams}"
    members, member = f"{pool}/members", f"{pool}/members/{balancer.echoes[2]}"
    monitor = {"type": "UDP-CONNECT", "delay": 3, "timeout": 1, "max_retries": 1, "pool_id": balancer.datagrams}
    kept = {"type": "SOURCE_IP", "persistence_timeout": 60}
    return [
        post("UDP member added, removed", members, "member", balancer.member(_ECHOES[3])),
        put("weight of a UDP member", member, "member", {"weight": 1}, {"weight": 7}),
        put("admin_state_up of a UDP member", member, "member", {"admin_state_up": True}, {"admin_state_up": False}),
        put("UDP member as a backup", member, "member", {"backup": False}, {"backup": True}),
        post("UDP-CONNECT monitor added, removed", "healthmonitors", "healthmonitor", monitor),
        put("algorithm of a UDP pool", pool, "pool", {"lb_algorithm": "ROUND_ROBIN"}, {"lb_algorithm": "SOURCE_IP"}),
        put("persistence of a UDP pool", pool, "pool", {"session_persistence": None}, {"session_persistence": kept}),
        put("connection_limit of UDP", listener, "listener", {"connection_limit": -1}, {"connection_limit": 5000}),
        put("allowed_cidrs of UDP", listener, "listener", {"allowed_cidrs": None}, {"allowed_cidrs": ["10.0.0.0/8"]}),
    ]


def put(name: str, path: str, kind: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    """Return a change of attributes to `after`, which is reverted to `before`."""
    return Change(name, ("PUT", path, {kind: after}), back=("PUT", path, {kind: before}))


def post(name: str, path: str, kind: str, form: dict[str, Any]) -> Change:
    """Return the creation of a resource, which is reverted by its deletion."""
    return Change(name, ("POST", path, {kind: form}), remove=path)
