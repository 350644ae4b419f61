"""What the API accepts, the host serves: trees, and updates of all their parts, become ACTIVE without a reason."""

import base64
import os
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from msgspec import Struct

from tests.linux.programs import Body, Product, product
from tests.support import any_form, certificates
from tests.support.waiting import wait_until

# More examples, and others in each run, for a search by hand.
EXAMPLES = int(os.environ.get("SERVED_TREES", "0"))

_REFUSALS = (400, 409, 501)
_NEUTRON = "/network/v2.0"

# The children that a body may have, by its kind: their attribute, their kind, and how they name the parent.
_NESTED = {
    "loadbalancer": (("pools", "pool", "loadbalancer_id"), ("listeners", "listener", "loadbalancer_id")),
    "listener": (("default_pool", "pool", "listener_id"), ("l7policies", "l7policy", "listener_id")),
    "pool": (("members", "member", None), ("healthmonitor", "healthmonitor", "pool_id")),
    "l7policy": (("rules", "rule", None),),
}
_COLLECTIONS = {
    "loadbalancer": "loadbalancers",
    "listener": "listeners",
    "pool": "pools",
    "member": "pools/{}/members",
    "healthmonitor": "healthmonitors",
    "l7policy": "l7policies",
    "rule": "l7policies/{}/rules",
}
# Attributes that order the parts of a load balancer.
_ORDER = ("protocol_port", "position", "address", "type", "value", "protocol", "name")


class Served(Struct):
    """A running product, and what the placeholders of the forms stand for on it."""

    product: Product
    known: dict[str, str]

    def filled(self, form: Any) -> Any:
        """Return a form with its placeholders replaced."""
        if isinstance(form, dict):
            return {name: self.filled(value) for name, value in form.items()}
        if isinstance(form, list | tuple):
            return [self.filled(value) for value in form]
        return self.known.get(form, form) if isinstance(form, str) else form

    def try_to(self, method: str, path: str, body: Body) -> Body | None:
        """Send a body, and return the answer's or None for a refusal."""
        answer: httpx.Response = self.product.ask(method, path, self.filled(body))
        assert answer.is_success or answer.status_code in _REFUSALS, (method, path, body, answer.text)
        return (answer.json() if answer.content else {}) if answer.is_success else None

    def create(self, kind: str, form: Body, parent: str = "") -> str | None:
        """Create a resource with its children; when that is refused, each of them that is accepted on its own."""
        path = _COLLECTIONS[kind].format(parent)
        if kind == "l7policy" and "redirect_pool" in form:
            pool = self.create("pool", {**form["redirect_pool"], "loadbalancer_id": self.balancer()})
            form = {name: value for name, value in form.items() if name != "redirect_pool"} | {"redirect_pool_id": pool}
        made = self.try_to("POST", path, {kind: form})
        nested = [each for each in _NESTED.get(kind, ()) if each[0] in form]
        if made is not None or not nested:
            return made[kind]["id"] if made else None
        bare = {name: value for name, value in form.items() if name not in {each[0] for each in nested}}
        made = self.try_to("POST", path, {kind: bare})
        if made is None:
            return None
        key: str = made[kind]["id"]
        for attribute, child, reference in nested:
            below = form[attribute]
            for each in below if isinstance(below, list) else [below]:
                self.create(child, {**each, reference: key} if reference else each, key)
        return key

    def clear(self) -> None:
        """Delete all load balancers."""
        for each in self.product.all("loadbalancers"):
            self.product.ask("DELETE", f"loadbalancers/{each['id']}", cascade="true")
        wait_until(lambda: not self.product.all("loadbalancers"))

    def balancer(self) -> str:
        """Return the id of the only load balancer."""
        (found,) = self.product.all("loadbalancers")
        return str(found["id"])

    def parts(self) -> Iterator[tuple[str, str, Body]]:
        """Yield the kind, path and body of everything that exists, in the same order for the same forms."""
        for kind in ("loadbalancer", "listener", "pool", "healthmonitor", "l7policy"):
            for path, body in self._all(_COLLECTIONS[kind]):
                yield kind, path, body
                if kind in ("pool", "l7policy"):
                    below = "member" if kind == "pool" else "rule"
                    yield from ((below, *each) for each in self._all(_COLLECTIONS[below].format(body["id"])))

    def _all(self, collection: str) -> list[tuple[str, Body]]:
        found = self.product.all(collection)
        found.sort(key=lambda body: [str(body.get(name)) for name in _ORDER])
        return [(f"{collection}/{body['id']}", body) for body in found]

    def settled(self, key: str) -> None:
        """Wait until a load balancer and all of it are ACTIVE, and check that no status has a reason.

        A load balancer that was ACTIVE may be PENDING_UPDATE once more: its security groups change in the background.
        """
        wait_until(
            lambda: self._status(key) == "ACTIVE" and not any(self._unserved()),
            60,
            lambda: (list(self._unserved()), self._statuses(key)),
        )
        assert "provisioning_status_reason" not in str(self._statuses(key)), self._statuses(key)

    def _unserved(self) -> Iterator[Body]:
        return (body for _, _, body in self.parts() if body["provisioning_status"] != "ACTIVE")

    def _status(self, key: str) -> str:
        found = self.product.ask("GET", f"loadbalancers/{key}").json()["loadbalancer"]
        return str(found["provisioning_status"])

    def _statuses(self, key: str) -> Body:
        found: Body = self.product.ask("GET", f"loadbalancers/{key}/status").json()
        return found


def _store(made: Product, payload: str | bytes) -> str:
    form: Body = {"payload": payload, "payload_content_type": "text/plain"}
    if isinstance(payload, bytes):
        form = {"payload": base64.b64encode(payload).decode(), "payload_content_type": "application/octet-stream"}
        form["payload_content_encoding"] = "base64"
    reference: str = made.ask("POST", "/key-manager/v1/secrets", form).json()["secret_ref"]
    return reference


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with product() as made:
        made.start("server", "agent")
        made.surroundings()
        far = made.make(f"{_NEUTRON}/networks", "network", name="far")["id"]
        six = {"network_id": made.network_id, "cidr": "fd00::/64", "ip_version": 6}
        nine = {"network_id": far, "cidr": "10.9.0.0/24", "ip_version": 4}
        known = {
            any_form.SUBNET: made.subnet_id,
            any_form.SUBNET6: made.make(f"{_NEUTRON}/subnets", "subnet", **six)["id"],
            any_form.FAR_SUBNET: made.make(f"{_NEUTRON}/subnets", "subnet", **nine)["id"],
            any_form.GROUP: made.make(f"{_NEUTRON}/security-groups", "security_group", name="g")["id"],
            any_form.CERTIFICATE: _store(made, certificates.leaf("www.example.org").pkcs12()),
            any_form.OTHER: _store(made, certificates.leaf("other.example.org").pkcs12()),
            any_form.CA: _store(made, certificates.authority().pem),
            any_form.CRL: _store(made, certificates.revoked()),
        }
        yield Served(made, known)


_MANY_CIDRS = [f"10.{number // 256}.{number % 256}.0/24" for number in range(1500)]
_MEMBERS: Body = {"members": [{"address": "10.0.0.5", "protocol_port": 53}]}


# What random trees seldom have: long lists, and bounds of what nftables renders.
@pytest.mark.parametrize(
    "listener",
    [
        {"protocol": "HTTP", "allowed_cidrs": _MANY_CIDRS},
        {"protocol": "UDP", "allowed_cidrs": _MANY_CIDRS},
        *(
            {
                "protocol": "UDP",
                "default_pool": {
                    "protocol": "UDP",
                    "name": "p",
                    "lb_algorithm": "ROUND_ROBIN",
                    "session_persistence": {"type": "SOURCE_IP", "persistence_timeout": timeout},
                    **_MEMBERS,
                },
            }
            for timeout in (1, 2**31 - 1)
        ),
    ],
    ids=["http cidrs", "udp cidrs", "shortest persistence", "longest persistence"],
)
def test_bounds_of_what_nftables_holds_are_served(served: Served, listener: Body) -> None:
    tree = {"vip_subnet_id": any_form.SUBNET, "listeners": [{"protocol_port": 53, **listener}]}
    answer = served.product.ask("POST", "loadbalancers", {"loadbalancer": served.filled(tree)})
    assert answer.is_success, answer.text
    key = answer.json()["loadbalancer"]["id"]
    served.settled(key)
    served.clear()


# Each way in which a rule of a security group becomes text for nftables, at its bounds.
_GROUP_RULES: list[Body] = [
    {"ethertype": "IPv4", "protocol": "icmp", "port_range_min": 0, "port_range_max": 255},
    {"ethertype": "IPv4", "protocol": "icmp", "port_range_min": 255},
    {"ethertype": "IPv6", "protocol": "ipv6-icmp", "port_range_min": 0, "port_range_max": 255},
    {"ethertype": "IPv6", "protocol": "icmpv6"},
    {"ethertype": "IPv4", "protocol": "tcp", "port_range_min": 1, "port_range_max": 65535},
    {"ethertype": "IPv6", "protocol": "udp", "port_range_min": 53, "port_range_max": 53},
    {"ethertype": "IPv4", "protocol": "sctp", "remote_ip_prefix": "0.0.0.0/0"},
    {"ethertype": "IPv6", "protocol": "255", "remote_ip_prefix": "::/0"},
    {"ethertype": "IPv4", "protocol": "0", "remote_ip_prefix": "10.0.0.1/32"},
    {"ethertype": "IPv6", "remote_ip_prefix": "fd00::/64"},
    {"ethertype": "IPv4", "remote_group_id": any_form.GROUP},
]


@pytest.mark.parametrize("protocol", ["HTTP", "UDP"])
def test_every_sort_of_group_rule_is_served(served: Served, protocol: str) -> None:
    group = served.product.make(f"{_NEUTRON}/security-groups", "security_group", name="bounds")["id"]
    for rule in _GROUP_RULES:
        body = served.filled({"security_group_rule": {**rule, "direction": "ingress", "security_group_id": group}})
        answer = served.product.ask("POST", f"{_NEUTRON}/security-group-rules", body)
        assert answer.is_success, (rule, answer.text)
    listeners = [{"protocol": protocol, "protocol_port": 80}]
    tree = {"vip_subnet_id": any_form.SUBNET, "vip_sg_ids": [group], "listeners": listeners}
    answer = served.product.ask("POST", "loadbalancers", {"loadbalancer": served.filled(tree)})
    assert answer.is_success, answer.text
    key = answer.json()["loadbalancer"]["id"]
    served.settled(key)
    served.clear()


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES or 20,
    derandomize=not EXAMPLES,
    database=None,
    # No shrinking: each example takes a second.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    tree=any_form.trees().map(any_form.without_conflicts) | any_form.trees(),
    rules=any_form.group_rules(),
    changes=any_form.updates(),
)
def test_any_tree_that_the_api_accepts_is_served(
    served: Served, tree: Body, rules: list[Body], changes: dict[str, list[Any]]
) -> None:
    # Hypothesis repeats an example that failed, which left its load balancer.
    served.clear()
    group = served.known[any_form.GROUP]
    kept = [
        answer["security_group_rule"]["id"]
        for rule in rules
        if (answer := served.try_to("POST", f"{_NEUTRON}/security-group-rules", _group_rule(group, rule))) is not None
    ]
    key = served.create("loadbalancer", tree)
    if key is None:
        key = served.create("loadbalancer", {name: value for name, value in tree.items() if name != "vip_sg_ids"})
    if key is not None:
        served.settled(key)
        forms = {kind: cycle(each) for kind, each in changes.items()}
        for kind, path, body in served.parts():
            if body["provisioning_status"] == "PENDING_DELETE":
                # A batch has removed the member, which is gone at any moment.
                continue
            served.try_to("PUT", path, {kind: next(forms[kind])})
            if kind == "pool" and (members := next(forms["batch"])) is not None:
                served.try_to("PUT", f"{path}/members", {"members": members})
        served.settled(key)
        served.clear()
    for rule in kept:
        served.product.ask("DELETE", f"{_NEUTRON}/security-group-rules/{rule}")


def _group_rule(group: str, rule: Body) -> Body:
    return {"security_group_rule": {**rule, "security_group_id": group}}
