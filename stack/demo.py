"""`./dev openstack demo`: the tutorial of load balancers, typed with the stock client, on the real services."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from hydria.errors import HostError
from stack import machines
from stack.api import Api
from stack.cloud import Stack, running
from stack.plan import ENOUGH_HOSTS, OUTSIDE, Plan
from stack.watch import watching

_SECONDS = 90.0
_NAME = "www.example.org"
_PAIR = '{"loadbalancer_topology": "ACTIVE_STANDBY"}'


class Tour:
    """The steps; each command is shown as it is typed."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._admin = Api(stack.plan, stack.control, "admin")
        # The addresses of the web servers by name.
        self._members: dict[str, str] = {}

    def run(self) -> None:
        """Go through all steps. Raises HostError at the first that is not as it should be."""
        say, stack = self._say, self._stack
        say("A network with a router to the outside, and a web server on each host")
        machines.make_networks(stack.plan, stack.control)
        for number, host in enumerate(stack.plan.host_names, 1):
            name = f"web{number}"
            self._members[name] = machines.boot(stack.plan, stack.control, stack.node(host), name, "web")
        say("A load balancer over all of them")
        self.type("openstack loadbalancer create --wait --name lb1 --vip-subnet-id web-subnet")
        self._balance("lb1")
        say("A floating IP for its VIP, asked from outside of the cloud")
        address = self._floating_ip("lb1")
        wanted = {f"you hit: {name}" for name in self._members}
        self._await(lambda: {self.ask(address) for _ in range(6)} == wanted, "all answer")
        self._move(address)
        self._serve_tls(address)
        self._lose_host()
        say("Everything is deleted, and nothing is left in Neutron")
        for name in ("lb1", "lb2"):
            self.type(f"openstack loadbalancer delete --cascade --wait {name}")
        owners = ("Octavia", "hydria:amphora")
        self._await(
            lambda: not any(self._admin.neutron("GET", f"ports?device_owner={each}")["ports"] for each in owners),
            "no port is left",
        )

    def _balance(self, name: str) -> None:
        """Give a load balancer a listener, a pool with a monitor, and the web servers as members."""
        listener = f"--name {name}-http --protocol HTTP --protocol-port 80"
        self.type(f"openstack loadbalancer listener create --wait {listener} {name}")
        pool = f"--name {name}-pool --listener {name}-http --protocol HTTP --lb-algorithm ROUND_ROBIN"
        self.type(f"openstack loadbalancer pool create --wait {pool}")
        monitor = "--type HTTP --delay 2 --timeout 1 --max-retries 2"
        self.type(f"openstack loadbalancer healthmonitor create --wait {monitor} {name}-pool")
        for each in self._members.values():
            member = f"--address {each} --protocol-port 80"
            self.type(f"openstack loadbalancer member create --wait {member} {name}-pool")

    def _floating_ip(self, name: str) -> str:
        vip = self._value(f"openstack loadbalancer show {name} -c vip_port_id")
        return self._value(f"openstack floating ip create --port {vip} public -c floating_ip_address")

    def _move(self, address: str) -> None:
        self._say("Its amphora moves while requests come")
        lb = self._value("openstack loadbalancer show lb1 -c id")
        with watching(self._stack.node(OUTSIDE), address, 0.05) as watched:
            self.type("openstack --os-cloud admin loadbalancer failover --wait lb1")
            self._admin.await_status(lb)
            self._await(lambda: self.ask(address) != "", "it answers")
        self._console.print(f"    {len(watched.seen)} requests, {watched.failed} without an answer")

    def _serve_tls(self, address: str) -> None:
        self._say("TLS with a certificate from Barbican, which its owner lets Hydria's user read")
        there = self._stack.plan.control / "certificate"
        there.mkdir(mode=0o700, exist_ok=True)
        key, certificate, bundle = (there / f"server.{kind}" for kind in ("key", "crt", "p12"))
        names = f"-subj /CN={_NAME} -addext subjectAltName=DNS:{_NAME}"
        self.type(f"openssl req -x509 -newkey rsa:2048 -nodes -days 30 {names} -keyout {key} -out {certificate}")
        self.type(f"openssl pkcs12 -export -passout pass: -inkey {key} -in {certificate} -out {bundle}")
        kind = "--payload-content-type application/octet-stream --payload-content-encoding base64"
        stored = f'openstack secret store --name server {kind} --payload "$(base64 -w0 {bundle})" -c "Secret href"'
        reference = self._value(stored)
        user = self._value("openstack --os-cloud admin user show hydria -c id")
        self.type(f"openstack acl user add --user {user} {reference}")
        listener = "--name https --protocol TERMINATED_HTTPS --protocol-port 443 --default-pool lb1-pool"
        tls = f"--default-tls-container-ref {reference}"
        self.type(f"openstack loadbalancer listener create --wait {listener} {tls} lb1")
        trust = ("--cacert", str(certificate), "--resolve", f"{_NAME}:443:{address}")
        self._await(lambda: self._curl(*trust, f"https://{_NAME}/") != "", f"https://{_NAME}/ answers, and is trusted")

    def _lose_host(self) -> None:
        """Cut the power of the host whose amphora has the VIP of a pair."""
        stack, admin = self._stack, self._admin
        self._say("A pair of amphorae on two hosts, one of which loses its power")
        profile = f"--name pair --provider amphora --flavor-data '{_PAIR}'"
        self.type(f"openstack --os-cloud admin loadbalancer flavorprofile create {profile}")
        self.type("openstack --os-cloud admin loadbalancer flavor create --name pair --flavorprofile pair --enable")
        self.type("openstack loadbalancer create --wait --name lb2 --vip-subnet-id web-subnet --flavor pair")
        self._balance("lb2")
        address, lb = self._floating_ip("lb2"), self._value("openstack loadbalancer show lb2 -c id")
        self._await(lambda: self.ask(address) != "", "it answers")

        def masters() -> list[str]:
            return [admin.host_of(each) for each in admin.amphorae(lb) if each["role"] == "MASTER"]

        self._await(lambda: len(masters()) == 1, "one of them has the VIP")
        (lost,) = masters()
        with watching(stack.node(OUTSIDE), address, 0.05) as watched:
            self._await(lambda: len(watched.seen) > 20, "clients ask it")
            self._console.print(f"    the power of {lost} is cut")
            stack.power_off(lost)
            cut = time.monotonic()
            self._await(lambda: watched.recovered(cut), "it answers again")
        gap = f"{watched.longest_gap:.1f} s without an answer at the longest"
        self._console.print(f"    {len(watched.seen)} requests, {watched.failed} without an answer, {gap}")
        stack.power_on(lost)
        self._await(lambda: len({admin.host_of(each) for each in admin.amphorae(lb)}) == 2, "they are two again")
        admin.await_status(lb)

    def _value(self, command: str) -> str:
        """Run a command that prints one value, and return it."""
        return self.type(f"{command} -f value").strip()

    def type(self, command: str) -> str:
        """Run a command, as typed in a shell, as `demo` and return its output. Raises HostError."""
        self._console.print(f"  $ {command}", highlight=False, soft_wrap=True, markup=False)
        stack = self._stack
        done = subprocess.run(
            stack.control.command("bash", "-c", command),
            env=stack.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode != 0:
            raise HostError(f"{command}: {done.stderr.strip()}")
        return done.stdout

    def ask(self, address: str) -> str:
        """Return what an address answers to a request from outside."""
        return self._curl(f"http://{address}/")

    def _curl(self, *words: str) -> str:
        command = self._stack.node(OUTSIDE).command("curl", "-s", "-m", "2", *words)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise HostError(f"It does not come true that {what}.")
            time.sleep(0.1)
        self._console.print(f"    {what}")

    def _say(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold")


def demo(directory: Path, console: Console, *, once: bool) -> None:
    """Start the cloud and go through the tour; with `once` remove everything at the end. Raises HostError."""
    settings = {"HYDRIA_FAILOVER_DRAIN_SECONDS": "5", "HYDRIA_FAILOVER_AFTER_SECONDS": "15"}
    plan = Plan(directory=directory, hosts=ENOUGH_HOSTS, settings=settings)
    with running(plan, lambda text: console.print(f"    {text}"), keep=not once) as stack:
        Tour(stack, console).run()
    console.print("\nEvery step was right.", style="green")
