"""`./dev openstack bench`: what load balancers cost in a real OpenStack, beside what Neutron itself takes."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from cluster.nodes import environment, until
from stack import machines
from stack.api import Api, http_balancer
from stack.cloud import Stack, running
from stack.plan import CONTROL, ENOUGH_HOSTS, KEYSTONE, OUTSIDE, Plan, url
from stack.switch import vsctl
from stack.watch import Watched, watching

_SECONDS = 300.0
# The clients of a planned move. More connections a second make ovs-vswitchd 3.1 abort again and again without a move.
_CLIENTS, _PAUSE = 2, 0.05
# How long they ask before it (seconds).
_STILL = 10.0
_REQUEST = re.compile(r"\] (GET|POST|PUT|DELETE) /v2\.0/([a-z-]+)(?:/[^ ?]+)?(\?[^ ]*)? =>")
_SETTINGS = {"HYDRIA_FAILOVER_DRAIN_SECONDS": "3", "HYDRIA_FAILOVER_AFTER_SECONDS": "15"}


class Bench:
    """The measurements, on one cloud."""

    def __init__(self, stack: Stack, console: Console, *, quick: bool) -> None:
        self._stack = stack
        self._console = console
        self._rounds, self._many = (2, 5) if quick else (7, 100)
        self._admin, self._demo = Api(stack.plan, stack.control, "admin"), Api(stack.plan, stack.control)
        self._members: list[str] = []
        self._public = self._web = self._subnet = ""

    def run(self) -> None:
        """Measure everything and print it. Raises HostError."""
        stack = self._stack
        self._public, self._web = machines.make_networks(stack.plan, stack.control)
        self._subnet = self._demo.neutron("GET", f"networks/{self._web}")["network"]["subnets"][0]
        for number, host in enumerate(stack.plan.host_names[:2], 1):
            node = stack.node(host)
            self._members.append(machines.boot(stack.plan, stack.control, node, f"web{number}", "web"))
        self._lift_quotas()
        self._measure_creations()
        self._measure_moves()
        self._measure_losses()
        self._measure_calls()

    # --- the measurements ---

    def _measure_creations(self) -> None:
        # The first one of each kind has Neutron load its plugins.
        bare = [self._wire_port() for _ in range(self._rounds + 1)][1:]
        taken = [self._create_and_ask() for _ in range(self._rounds + 1)][1:]
        floating, whole = [first for first, _ in taken], [whole for _, whole in taken]
        self._print("a port, created until ACTIVE in Neutron", bare)
        self._print("a floating IP of a VIP, created", floating)
        self._print("a load balancer, created until the first 200 through a floating IP", whole)
        self._say(f"    {median(whole) / median(bare):.1f} times the port")

    def _measure_moves(self) -> None:
        # Not through the floating IP, whose NAT makes that worse.
        here = self._stack.node("h1")
        with self._served("moved") as (lb, _):
            vip = self._demo.octavia("GET", f"lbaas/loadbalancers/{lb}")["loadbalancer"]["vip_address"]
            for _ in range(max(1, self._rounds // 2)):
                before = {each["id"] for each in self._admin.amphorae(lb)}
                crashes = self._crashes()
                with watching(here, vip, _PAUSE, _CLIENTS, "web1") as still:
                    time.sleep(_STILL)
                with watching(here, vip, _PAUSE, _CLIENTS, "web1") as watched:
                    begun = time.monotonic()
                    self._admin.octavia("PUT", f"lbaas/loadbalancers/{lb}/failover")
                    self._await(lambda old=before: old.isdisjoint(each["id"] for each in self._admin.amphorae(lb)))
                    self._demo.await_status(lb)
                    seconds = time.monotonic() - begun
                self._say(f"no move for {_STILL:.0f} s: {_told(still, _STILL)}")
                self._say(f"planned move in {seconds:.1f} s: {_told(watched, seconds)}")
                self._say(f"    ovs-vswitchd aborted {self._crashes() - crashes} times meanwhile")

    def _measure_losses(self) -> None:
        flavor = self._pair_flavor()
        gaps: list[float] = []
        with self._served("pair", flavor_id=flavor) as (lb, address):
            for _ in range(max(1, self._rounds // 2)):
                self._await(lambda: len(self._masters(lb)) == 1 and len(self._hosts(lb)) == 2)
                (lost,) = self._masters(lb)
                with watching(self._stack.node(OUTSIDE), address, _PAUSE) as watched:
                    self._await(lambda seen=watched: len(seen.seen) > 50)
                    self._stack.power_off(lost)
                    cut = time.monotonic()
                    self._await(partial(watched.recovered, cut))
                gaps.append(watched.longest_gap)
                self._stack.power_on(lost)
                self._await(lambda: len(self._hosts(lb)) == 2)
                self._demo.await_status(lb)
        self._print("loss of the host that has the VIP of a pair: longest time without an answer", gaps)

    def _measure_calls(self) -> None:
        made: list[str] = []
        with self._counted() as creating:
            begun = time.monotonic()
            for number in range(self._many):
                body = http_balancer(f"many-{number}", {"vip_subnet_id": self._subnet}, self._members)
                made.append(self._demo.octavia("POST", "lbaas/loadbalancers", body)["loadbalancer"]["id"])
            answered = time.monotonic() - begun
            for key in made:
                self._demo.await_status(key, seconds=_SECONDS)
            served = time.monotonic() - begun
        told = f"created one after the other in {answered:.0f} s, all ACTIVE after {served:.0f} s"
        self._say(f"{self._many} load balancers: {told}")
        with self._counted() as reading:
            begun = time.monotonic()
            for key in made:
                self._demo.octavia("GET", f"lbaas/loadbalancers/{key}")
            seconds = time.monotonic() - begun
        with self._counted() as deleting:
            for key in made:
                self._demo.octavia("DELETE", f"lbaas/loadbalancers/{key}?cascade=true")
            for key in made:
                self._demo.await_status(key, "DELETED", seconds=_SECONDS)
        for what, found in (("create", creating), ("GET", reading), ("delete", deleting)):
            own = {name: count for name, count in found.items() if name != "follow"}
            shown = ", ".join(f"{name} {count / self._many:.2f}" for name, count in sorted(own.items())) or "none"
            total = sum(own.values()) / self._many
            follow = found.get("follow", 0)
            told = f"{total:.2f} calls of Neutron per {what} ({shown}), and {follow} in all to follow its changes"
            self._say(f"{self._many} load balancers: {told}")
        self._say(f"    a GET takes {1000 * seconds / self._many:.1f} ms")

    # --- steps ---

    def _wire_port(self) -> float:
        """Return how long a port takes that is bound to a host and plugged there (seconds)."""
        plan, host = self._stack.plan, self._stack.node("h1")
        host.run("ip", "link", "add", "bare", "type", "veth", "peer", "name", "bare-peer", environment=environment({}))
        begun = time.monotonic()
        form = {"network_id": self._web, "binding:host_id": "h1", "device_owner": "compute:nova", "device_id": "bare"}
        port = self._admin.neutron("POST", "ports", {"port": form})["port"]
        ids = (f"external_ids:iface-id={port['id']}", f"external_ids:attached-mac={port['mac_address']}")
        vsctl(plan, host, "add-port", "br-int", "bare", "--", "set", "interface", "bare", *ids)
        self._await(lambda: self._admin.neutron("GET", f"ports/{port['id']}")["port"]["status"] == "ACTIVE")
        took = time.monotonic() - begun
        vsctl(plan, host, "del-port", "bare")
        host.run("ip", "link", "del", "bare", environment=environment({}))
        self._admin.neutron("DELETE", f"ports/{port['id']}")
        return took

    def _create_and_ask(self) -> tuple[float, float]:
        """Return how long the floating IP takes, and all from the creation to the first answer by it (seconds)."""
        body = http_balancer("timed", {"vip_subnet_id": self._subnet}, self._members)
        begun = time.monotonic()
        lb = self._demo.octavia("POST", "lbaas/loadbalancers", body)["loadbalancer"]
        answered = time.monotonic()
        address = self._demo.floating_ip(lb["vip_port_id"], self._public)
        associated = time.monotonic()
        with watching(self._stack.node(OUTSIDE), address) as watched:
            self._await(lambda: any(good for _, good in watched.seen))
        first = min(when for when, good in watched.seen if good)
        self._remove(lb["id"])
        return associated - answered, first - begun

    @contextmanager
    def _served(self, name: str, **attributes: Any) -> Iterator[tuple[str, str]]:
        """Have a load balancer that answers for the block; yield its id and its floating IP."""
        lb = self._demo.load_balancer(name, {"vip_subnet_id": self._subnet}, self._members, **attributes)
        address = self._demo.floating_ip(lb["vip_port_id"], self._public)
        with watching(self._stack.node(OUTSIDE), address) as watched:
            self._await(lambda: any(good for _, good in watched.seen))
        yield lb["id"], address
        self._remove(lb["id"])

    def _remove(self, key: str) -> None:
        """Delete a load balancer, and the floating IPs that nothing has then."""
        self._demo.delete(key)
        for each in self._demo.neutron("GET", "floatingips")["floatingips"]:
            if each["port_id"] is None:
                self._demo.neutron("DELETE", f"floatingips/{each['id']}")

    def _pair_flavor(self) -> str:
        data = '{"loadbalancer_topology": "ACTIVE_STANDBY"}'
        profile = {"name": "pair", "provider_name": "amphora", "flavor_data": data}
        made = self._admin.octavia("POST", "lbaas/flavorprofiles", {"flavorprofile": profile})["flavorprofile"]
        flavor = {"name": "pair", "flavor_profile_id": made["id"], "enabled": True}
        return str(self._admin.octavia("POST", "lbaas/flavors", {"flavor": flavor})["flavor"]["id"])

    def _lift_quotas(self) -> None:
        """Let the project of Hydria's user have more than 10 security groups."""
        where = f"{url(KEYSTONE)}/v3/projects?name=service"
        project = self._admin.send("GET", where).json()["projects"][0]["id"]
        quota = {"security_group": -1, "security_group_rule": -1, "port": -1}
        self._admin.neutron("PUT", f"quotas/{project}", {"quota": quota})

    def _masters(self, lb: str) -> list[str]:
        return [self._admin.host_of(each) for each in self._admin.amphorae(lb) if each["role"] == "MASTER"]

    def _hosts(self, lb: str) -> set[str]:
        return {self._admin.host_of(each) for each in self._admin.amphorae(lb)}

    @contextmanager
    def _counted(self) -> Iterator[Counter[str]]:
        """Count the requests to Neutron in the block; `follow` are lists by ids, which look for its changes."""
        log, found = self._stack.plan.home(CONTROL) / "neutron.log", Counter[str]()
        begun = log.stat().st_size
        yield found
        with log.open("rb") as file:
            file.seek(begun)
            for method, collection, query in _REQUEST.findall(file.read().decode(errors="replace")):
                found["follow" if method == "GET" and "id=" in query else f"{method} {collection}"] += 1

    def _crashes(self) -> int:
        """Return how often an ovs-vswitchd of a host has ended by an error and was started again."""
        logs = [self._stack.plan.ovs(name) / "vswitchd.log" for name in self._stack.plan.host_names]
        return sum(log.read_text(errors="replace").count(" died, killed (") for log in logs)

    def _await(self, condition: Any) -> None:
        until(condition, "It does not come true what is waited for", _SECONDS)

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _print(self, what: str, seconds: list[float]) -> None:
        low, high = min(seconds), max(seconds)
        told = f"{median(seconds):.2f} s at the median of {len(seconds)} ({low:.2f} to {high:.2f})"
        self._say(f"{what}: {told}")


def _told(watched: Watched, seconds: float) -> str:
    count, failed = len(watched.seen), watched.failed
    return f"{count} requests of {_CLIENTS} clients at {count / seconds:.0f}/s, {failed} not answered"


def bench(directory: Path, console: Console, *, quick: bool) -> None:
    """Start the cloud, measure, and remove it. Raises HostError."""
    plan = Plan(directory=directory, hosts=ENOUGH_HOSTS, barbican=False, settings=_SETTINGS)
    with running(plan, lambda text: console.print(f"    {text}")) as stack:
        Bench(stack, console, quick=quick).run()
