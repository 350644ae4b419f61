"""Every monitor type of HAProxy with every kind of member, and the operating statuses in the API."""

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from hydria.adapters.linux import ring
from hydria.render.haproxy.logs import RING, parse
from tests.linux.haproxies import Web
from tests.linux.members import (
    ADDRESS,
    MUTE,
    MUTUAL,
    NAME,
    NAMED,
    NO_HOST,
    PORTS,
    PROXIED,
    REFUSING,
    RIGHT,
    SECOND,
    SECURE,
    SECURE_1,
    SECURE_WRONG,
    WRONG,
    Members,
    members,
)
from tests.linux.programs import Body, Product, product
from tests.support.certificates import authority
from tests.support.waiting import wait_until

# All tests share one product.
pytestmark = pytest.mark.xdist_group("monitors")

Statuses = dict[int, str]


class Case(NamedTuple):
    """A pool with its monitor, the statuses of its members by port, and further attributes of the members."""

    pool: Body
    monitor: Body
    statuses: Statuses
    member: Mapping[str, Any] = MappingProxyType({})


def only(up: Collection[int], among: Collection[int] = PORTS) -> Statuses:
    return {port: "ONLINE" if port in up else "ERROR" for port in among}


HTTP: Body = {"protocol": "HTTP"}
PLAIN: dict[str, Body] = {"http": HTTP, "https": {"protocol": "HTTPS"}, "tcp": {"protocol": "TCP"}}
# Octavia's default ALPN of a pool begins with h2.
TLS: Body = HTTP | {"tls_enabled": True}
PROXIES: dict[str, Body] = {"proxy": {"protocol": "PROXY"}, "proxyv2": {"protocol": "PROXYV2"}}

LISTEN = tuple(port for port in PORTS if port != REFUSING)
SPEAK_TLS = (SECURE, SECURE_1, SECURE_WRONG, NAMED, MUTUAL)
BY_NAME: Body = {"url_path": "/named", "http_version": "1.1", "domain_name": NAME}

# Members with a monitor_address or monitor_port: checks do not use the traffic's TLS and PROXY (as in Octavia).
ELSEWHERE: tuple[tuple[Body, str, Body, str], ...] = (
    (HTTP, "HTTP", {"monitor_port": RIGHT}, "ONLINE"),
    (HTTP, "HTTP", {"monitor_port": WRONG}, "ERROR"),
    (HTTP, "HTTP", {"monitor_address": SECOND, "monitor_port": RIGHT}, "ONLINE"),
    (HTTP, "HTTP", {"monitor_address": NO_HOST, "monitor_port": RIGHT}, "ERROR"),
    (HTTP, "TCP", {"monitor_port": MUTE}, "ONLINE"),
    (HTTP, "PING", {"monitor_address": NO_HOST}, "ERROR"),
    (TLS, "HTTP", {"monitor_port": RIGHT}, "ONLINE"),
    (TLS, "HTTPS", {"monitor_port": SECURE}, "ONLINE"),
    (TLS, "TLS-HELLO", {"monitor_port": SECURE}, "ONLINE"),
    (TLS, "TLS-HELLO", {"monitor_address": SECOND}, "ERROR"),
    (PROXIES["proxy"], "HTTP", {"monitor_port": RIGHT}, "ONLINE"),
)

CASES: Mapping[str, Case] = {
    # The protocol of a pool without TLS does not affect its monitor.
    **{
        f"{monitor} of {kind}": Case(pool, {"type": monitor}, only(up))
        for kind, pool in PLAIN.items()
        for monitor, up in {
            "HTTP": [RIGHT],
            "HTTPS": [SECURE, SECURE_1],
            "TCP": LISTEN,
            "TLS-HELLO": SPEAK_TLS,
            "PING": PORTS,
        }.items()
    },
    # Members with TLS are checked with TLS.
    "HTTP of tls": Case(TLS, {"type": "HTTP"}, only([SECURE, SECURE_1])),
    "HTTPS of tls": Case(TLS, {"type": "HTTPS"}, only([SECURE, SECURE_1])),
    "TCP of tls": Case(TLS, {"type": "TCP"}, only([SECURE, SECURE_1, SECURE_WRONG, MUTUAL])),
    "TLS-HELLO of tls": Case(TLS, {"type": "TLS-HELLO"}, only(SPEAK_TLS)),
    "PING of tls": Case(TLS, {"type": "PING"}, only(PORTS)),
    "no h2": Case(TLS | {"alpn_protocols": ["http/1.1"]}, {"type": "HTTPS"}, only([SECURE, SECURE_1], SPEAK_TLS)),
    # Members with the PROXY protocol are checked with it.
    **{f"HTTP of {kind}": Case(pool, {"type": "HTTP"}, only([PROXIED])) for kind, pool in PROXIES.items()},
    **{f"TCP of {kind}": Case(pool, {"type": "TCP"}, only(LISTEN)) for kind, pool in PROXIES.items()},
    # The request, and the expected answers.
    **{
        name: Case(HTTP, {"type": "HTTP"} | monitor, only(up, (RIGHT, WRONG)))
        for name, monitor, up in (
            ("path", {"url_path": "/created"}, []),
            ("code", {"url_path": "/created", "expected_codes": "201"}, [RIGHT]),
            ("codes", {"url_path": "/missing", "expected_codes": "404, 500"}, [RIGHT, WRONG]),
            ("range", {"url_path": "/created", "expected_codes": "200-299"}, [RIGHT]),
            ("range above", {"url_path": "/created", "expected_codes": "202-299"}, []),
            ("range to its ends", {"url_path": "/created", "expected_codes": "201-500"}, [RIGHT, WRONG]),
            ("HEAD", {"url_path": "/head", "http_method": "HEAD"}, [RIGHT]),
            ("no HEAD", {"url_path": "/head"}, []),
            ("no version", {"url_path": "/old"}, [RIGHT]),
            ("1.0", {"url_path": "/old", "http_version": "1.0"}, [RIGHT]),
            ("1.1", {"url_path": "/new", "http_version": "1.1"}, [RIGHT]),
            ("no 1.1", {"url_path": "/new", "http_version": "1.0"}, []),
            ("name", BY_NAME, [RIGHT]),
            ("no name", BY_NAME | {"domain_name": None}, []),
        )
    },
    # The domain_name is also the SNI.
    **{
        f"name of {kind}": Case(pool, {"type": "HTTPS"} | BY_NAME, only([SECURE, SECURE_1, NAMED], SPEAK_TLS))
        for kind, pool in {**PLAIN, "tls": TLS}.items()
    },
    "name, to plain checks of tls": Case(TLS, {"type": "HTTP"} | BY_NAME, only([SECURE, SECURE_1, NAMED], SPEAK_TLS)),
    # Certificates of members are verified by the pool's CA, not by the domain_name.
    "authority": Case(TLS | {"ca_tls_container_ref": "root"}, {"type": "HTTPS"}, only([SECURE, SECURE_1], SPEAK_TLS)),
    "authority, any name": Case(
        TLS | {"ca_tls_container_ref": "root"},
        {"type": "HTTPS"} | BY_NAME | {"url_path": "/", "domain_name": "x.org"},
        only([SECURE, SECURE_1], SPEAK_TLS),
    ),
    "no authority": Case(TLS | {"ca_tls_container_ref": "another"}, {"type": "HTTPS"}, only([], SPEAK_TLS)),
    **{
        f"elsewhere {number}": Case(pool, {"type": monitor}, {REFUSING: status}, where)
        for number, (pool, monitor, where, status) in enumerate(ELSEWHERE)
    },
}

# Checks run each second; the first check decides alone.
OFTEN: Body = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}

LISTENERS = {"PROXY": "TCP", "PROXYV2": "TCP"}

# By (max_retries, max_retries_down): the results of checks, and whether the member is UP after each.
SCRIPTS = {
    (1, 3): [(200, True), (500, True), (500, True), (200, True), (500, True), (500, True), (500, False), (200, True)],
    (3, 1): [
        (200, True),
        (500, False),
        (200, False),
        (200, False),
        (500, False),
        (200, False),
        (200, False),
        (200, True),
    ],
}


_CHECK = re.compile(r"code: (?P<code>\d+),.* status: \S+ (?P<state>UP|DOWN)\.")


class Checked:
    """A load balancer with all cases, and one whose members answer by a script."""

    def __init__(self, made: Product, known: Members) -> None:
        self.made = made
        self.known = known
        roots = {name: self._store(name) for name in ("root", "another")}
        listeners = []
        for number, (name, case) in enumerate(CASES.items()):
            pool = case.pool | {"name": name, "lb_algorithm": "ROUND_ROBIN", "healthmonitor": OFTEN | case.monitor}
            if "ca_tls_container_ref" in pool:
                pool["ca_tls_container_ref"] = roots[pool["ca_tls_container_ref"]]
            pool["members"] = [{**_member(port), **case.member} for port in case.statuses]
            listeners.append(_listener(1000 + number, pool))
        self.id = made.make(
            "loadbalancers", "loadbalancer", **made.form("all", "10.0.0.100") | {"listeners": listeners}
        )["id"]
        made.becomes("ACTIVE", "all")
        self.scripted = self._scripted()

    def _store(self, name: str) -> str:
        payload = {"payload": authority(name).pem, "payload_content_type": "text/plain"}
        answer = self.made.ask("POST", "/key-manager/v1/secrets", payload)
        reference: str = answer.json()["secret_ref"]
        return reference

    def _scripted(self) -> str:
        listeners = []
        for number, ((up, down), script) in enumerate(SCRIPTS.items()):
            web = Web(self.made.names, self.made.network_id, f"scripted{number}", f"10.0.0.{21 + number}")
            web.script = [status for status, _ in script]
            self.made.webs.append(web)
            monitor = OFTEN | {"type": "HTTP", "max_retries": up, "max_retries_down": down}
            pool = HTTP | {"name": str((up, down)), "lb_algorithm": "ROUND_ROBIN", "healthmonitor": monitor}
            pool["members"] = [{"address": f"10.0.0.{21 + number}", "protocol_port": 80}]
            listeners.append(_listener(1000 + number, pool))
        form = self.made.form("scripted", "10.0.0.101") | {"listeners": listeners}
        return str(self.made.make("loadbalancers", "loadbalancer", **form)["id"])

    def files(self, balancer: str) -> Path:
        """Return the directory of a load balancer's amphora."""
        path = "/load-balancer/v2.0/octavia/amphorae"
        (found,) = self.made.ask("GET", path, loadbalancer_id=balancer).json()["amphorae"]
        return self.made.settings.run_dir / "amphorae" / str(found["id"])

    def proxy(self) -> int:
        """Return the process id of the HAProxy with all cases."""
        return int((self.files(self.id) / "haproxy.pid").read_text())

    def pool(self, name: str) -> tuple[str, str, dict[tuple[str, int], str]]:
        """Return a pool's id, its operating status and those of its members."""
        tree = self.made.ask("GET", f"loadbalancers/{self.id}/status").json()["statuses"]["loadbalancer"]
        (found,) = [pool for listener in tree["listeners"] for pool in listener["pools"] if pool["name"] == name]
        statuses = {(each["address"], each["protocol_port"]): each["operating_status"] for each in found["members"]}
        return found["id"], found["operating_status"], statuses

    def becomes(self, name: str, statuses: Statuses, address: str = ADDRESS) -> None:
        """Wait for the statuses of a pool's members."""
        wanted = {(address, port): status for port, status in statuses.items()}
        wait_until(lambda: wanted.items() <= self.pool(name)[2].items(), 15, lambda: self.pool(name))


def _member(port: int, address: str = ADDRESS) -> Body:
    return {"address": address, "protocol_port": port}


def _listener(port: int, pool: Body) -> Body:
    protocol = LISTENERS.get(pool["protocol"], pool["protocol"])
    return {"protocol": protocol, "protocol_port": port, "default_pool": pool}


@pytest.fixture(scope="module")
def checked() -> Iterator[Checked]:
    with product() as made:
        made.start("server", "agent")
        made.surroundings()
        with members(made.names, made.network_id, made.directory / "members") as known:
            yield Checked(made, known)


@pytest.mark.parametrize("name", CASES)
def test_statuses_are_what_the_monitor_finds(checked: Checked, name: str) -> None:
    wanted = CASES[name].statuses
    checked.becomes(name, wanted)
    found = set(wanted.values())
    assert checked.pool(name)[1] == (found.pop() if len(found) == 1 else "DEGRADED")


def test_checks_send_what_the_monitor_says(checked: Checked) -> None:
    def asked(port: int, **values: object) -> bool:
        return any(
            all(getattr(each, name) == value for name, value in values.items()) for each in checked.known.asked(port)
        )

    # Without a domain_name the check names the member's address, as HTTP/2 must; HTTP 1.0 names no host.
    itself = f"{ADDRESS}:{SECURE}"
    assert asked(SECURE, protocol="HTTP/2.0", host=itself, name="", method="GET", status=200)
    assert asked(SECURE_1, protocol="HTTP/1.0", host=f"{ADDRESS}:{SECURE_1}", name="", status=200)
    assert asked(RIGHT, protocol="HTTP/1.0", host="", status=200)
    assert asked(RIGHT, protocol="HTTP/1.1", host=f"{ADDRESS}:{RIGHT}", status=200)
    # The domain_name is in the request and in the handshake.
    assert asked(RIGHT, protocol="HTTP/1.1", host=NAME)
    assert asked(NAMED, protocol="HTTP/2.0", host=NAME, name=NAME, status=200)
    assert asked(SECURE_1, protocol="HTTP/1.1", host=NAME, name=NAME, status=200)
    # With a CA it is not in the handshake: HAProxy would look for it in the certificate.
    assert asked(SECURE, host="x.org", name="", status=200)


ADDED = {
    "HTTP of http": (RIGHT, WRONG),
    "HTTPS of http": (SECURE, RIGHT),
    "HTTP of tls": (SECURE, RIGHT),
    "HTTPS of tls": (SECURE_1, RIGHT),
    "TCP of tls": (SECURE, RIGHT),
    "TLS-HELLO of tls": (SECURE, RIGHT),
    "name of tls": (NAMED, RIGHT),
    "HTTP of proxy": (PROXIED, RIGHT),
    "HTTP of proxyv2": (PROXIED, RIGHT),
}


def test_members_added_at_run_time_are_checked_alike(checked: Checked) -> None:
    before = checked.proxy()
    for name, ports in ADDED.items():
        id_, _, _ = checked.pool(name)
        for port in ports:
            checked.made.make(f"pools/{id_}/members", "member", **_member(port, SECOND))
    for name, (well, ill) in ADDED.items():
        checked.becomes(name, {well: "ONLINE", ill: "ERROR"}, SECOND)
    # By the runtime socket, whose command needs all options of the check.
    assert checked.proxy() == before


@pytest.mark.parametrize("retries", SCRIPTS)
def test_a_member_changes_after_max_retries_checks(checked: Checked, retries: tuple[int, int]) -> None:
    socket, script = str(checked.files(checked.scripted) / "haproxy.sock"), SCRIPTS[retries]
    (pool,) = [each["id"] for each in checked.made.all("pools") if each["name"] == str(retries)]

    def logged() -> list[tuple[int, bool]]:
        """Return the code of each check and whether the member was UP after it, by HAProxy's log."""
        lines = [entry.text for entry in map(parse, asyncio.run(ring.read(Path(socket), RING))) if entry]
        found = [_CHECK.search(line) for line in lines if pool in line]
        return [(int(each["code"]), each["state"] == "UP") for each in found if each]

    wait_until(lambda: len(logged()) >= len(script), 20, logged)
    # HAProxy logs only differing results: after the script all checks succeed.
    assert logged() == script
