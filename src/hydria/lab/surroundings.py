"""The lab's resources in the home cloud and on the machine. They are found by name, also after a crash."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from msgspec import Struct

from hydria.adapters.linux.kernel import ensure_interface
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, exists, inside, netlink, remove_namespace, reporting
from hydria.adapters.linux.plug import claim, disclaim, interface_of
from hydria.errors import HostError
from hydria.lab.hosts import WebServer

if TYPE_CHECKING:
    from openstack.connection import Connection

NETWORK, SUBNET, ROUTER, PROVIDER = "BeispielNetzwerk", "BeispielSubnet", "BeispielRouter", "provider"
CIDR, GATEWAY, POOL = "10.0.0.0/24", "10.0.0.1", ("10.0.0.10", "10.0.0.200")
LINK = "eth0"
_OWNER = "compute:lab"

How = Literal["power", "service", "error"]


class _Host(Struct, frozen=True):
    """A host of the lab: a web server with an address on the lab's network, or without one a client on `provider`."""

    name: str
    address: str | None = None


_HOSTS = (_Host("webserver1", "10.0.0.11"), _Host("webserver2", "10.0.0.12"), _Host("client"))


class Lab:
    """The tutorial's lab. Each call may be repeated and continues what an interrupted call left."""

    hosts = tuple(host.name for host in _HOSTS)

    def __init__(self, connection: "Connection", names: Names, run_dir: Path, machine: str) -> None:
        """`machine` is this host's name in the network service (`binding:host_id`)."""
        self._connection = connection
        self._machine = machine
        self._network = connection.network
        self._names = names
        self._run_dir = run_dir

    def up(self) -> None:
        """Make network, subnet, router and hosts, and start the web servers. Raises HostError."""
        with _sdk_errors("The lab cannot be made"):
            provider = self._own(self._network.networks(name=PROVIDER), any_project=True)
            if provider is None:
                raise HostError(
                    f"There is no network {PROVIDER}, which the home cloud makes when it first starts. Create an "
                    "external network of this name."
                )
            network = self._own(self._network.networks(name=NETWORK)) or self._network.create_network(name=NETWORK)
            subnet = self._subnet(network)
            # The hosts' ports come first, before a VIP can take one of their addresses.
            for host in _HOSTS:
                self._port(host, network if host.address else provider, subnet)
            self._router(provider, subnet)
        for host in _HOSTS:
            self.start(host.name)

    def down(self) -> None:
        """Remove the hosts, then the lab's resources in the home cloud. Raises HostError when they are still in use."""
        for host in _HOSTS:
            self._web(host).remove()
            remove_namespace(self._names.lab(host.name))
        with _sdk_errors(
            "The lab's hosts are removed, but its network is not (delete its load balancers and floating IPs first)"
        ):
            for host in _HOSTS:
                for port in self._ports(host):
                    disclaim(self._connection, port)
                    self._network.delete_port(port)
            subnet = self._own(self._network.subnets(name=SUBNET))
            router = self._own(self._network.routers(name=ROUTER))
            if router is not None:
                for port in self._router_ports(router):
                    self._network.remove_interface_from_router(router, port_id=port.id)
                self._network.delete_router(router)
            if subnet is not None:
                self._network.delete_subnet(subnet)
            network = self._own(self._network.networks(name=NETWORK))
            if network is not None:
                self._network.delete_network(network)

    def start(self, name: str) -> None:
        """Start or repair a host, in whatever state it is. Raises HostError."""
        host = _host(name)
        with _sdk_errors(f"The host {name} cannot be started"):
            port = next(iter(self._ports(host)), None)
            if port is None:
                raise HostError(f"The host {name} has no port: make the lab first (hydria lab up).")
            interface = interface_of(self._connection, claim(self._connection, port, self._machine))
        ensure_namespace(self._names.lab(name))
        ensure_interface(self._names, self._names.lab(name), LINK, interface)
        if host.address is not None:
            self._web(host).start()

    def stop(self, name: str, how: How = "power") -> None:
        """Break a host: `power` cuts its link, `service` ends nginx, `error` makes it answer 500. Raises HostError."""
        host = _host(name)
        namespace = self._namespace(name)
        if how == "power":
            with reporting(f"The link of {name} cannot be cut"), netlink(namespace) as here:
                for index in here.link_lookup(ifname=LINK):
                    here.link("set", index=index, state="down")
            return
        if host.address is None:
            raise HostError(f"{name} is no web server: only its link can be cut (--how power).")
        if how == "service":
            self._web(host).stop()
        else:
            self._web(host).fail()

    def run(
        self, name: str, command: Sequence[str], *, seconds: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host and return its output. Raises HostError, and TimeoutExpired after `seconds`."""
        _host(name)
        with inside(self._namespace(name)):
            try:
                return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
            except FileNotFoundError:
                raise HostError(f"The program {command[0]} is missing on this machine.") from None

    def become(self, name: str, command: Sequence[str]) -> NoReturn:
        """Replace this process by a command on a host, which keeps the terminal. Raises HostError."""
        _host(name)
        with inside(self._namespace(name)):
            try:
                os.execvp(command[0], list(command))  # noqa: S606 - without a shell on purpose
            except FileNotFoundError:
                raise HostError(f"The program {command[0]} is missing on this machine.") from None
            except OSError as error:
                raise HostError(f"The program {command[0]} cannot be run: {error.strerror}.") from error

    def _namespace(self, name: str) -> str:
        namespace = self._names.lab(name)
        if not exists(namespace):
            raise HostError(f"The host {name} does not exist: make the lab first (hydria lab up).")
        return namespace

    def _web(self, host: _Host) -> WebServer:
        return WebServer(host.name, self._names.lab(host.name), self._run_dir)

    def _own(self, found: Any, *, any_project: bool = False) -> Any:
        """Return the first resource of this project: an administrator also sees those of other projects."""
        project_id = self._connection.current_project_id
        return next((resource for resource in found if any_project or resource.project_id == project_id), None)

    def _ports(self, host: _Host) -> Iterator[Any]:
        found = self._network.ports(device_owner=_OWNER, device_id=self._names.lab(host.name))
        yield from list(found)

    def _router_ports(self, router: Any) -> Iterator[Any]:
        yield from list(self._network.ports(device_id=router.id, device_owner="network:router_interface"))

    def _subnet(self, network: Any) -> Any:
        subnet = self._own(self._network.subnets(name=SUBNET))
        if subnet is None:
            return self._network.create_subnet(
                name=SUBNET,
                network_id=network.id,
                ip_version=4,
                cidr=CIDR,
                gateway_ip=GATEWAY,
                allocation_pools=[{"start": POOL[0], "end": POOL[1]}],
            )
        if (subnet.cidr, subnet.network_id) != (CIDR, network.id):
            raise HostError(f"There is a subnet {SUBNET} that is not the lab's ({subnet.cidr}). Rename or delete it.")
        return subnet

    def _port(self, host: _Host, network: Any, subnet: Any) -> None:
        if next(iter(self._ports(host)), None) is not None:
            return
        fixed = {} if host.address is None else {"fixed_ips": [{"subnet_id": subnet.id, "ip_address": host.address}]}
        device = {"device_owner": _OWNER, "device_id": self._names.lab(host.name)}
        self._network.create_port(name=host.name, network_id=network.id, **device, **fixed)

    def _router(self, provider: Any, subnet: Any) -> None:
        router = self._own(self._network.routers(name=ROUTER)) or self._network.create_router(name=ROUTER)
        gateway = router.external_gateway_info or {}
        if gateway.get("network_id") != provider.id:
            self._network.update_router(router, external_gateway_info={"network_id": provider.id})
        inside_subnets = {fixed["subnet_id"] for port in self._router_ports(router) for fixed in port.fixed_ips}
        if subnet.id not in inside_subnets:
            self._network.add_interface_to_router(router, subnet_id=subnet.id)


def _host(name: str) -> _Host:
    for host in _HOSTS:
        if host.name == name:
            return host
    raise HostError(f"The lab has no host {name!r}; it has {', '.join(Lab.hosts)}.")


@contextmanager
def _sdk_errors(failure: str) -> Iterator[None]:
    """Turn errors of the SDK into a HostError that begins with `failure`."""
    # Imported here because loading the SDK takes long, and only a lab needs it.
    from openstack.exceptions import SDKException  # noqa: PLC0415

    try:
        yield
    except SDKException as error:
        raise HostError(f"{failure}: {error}") from error
