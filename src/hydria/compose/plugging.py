"""`hydria plug` and `hydria unplug`: attach containers and virtual machines to ports of the home cloud."""

from typing import TYPE_CHECKING, Any

import openstack

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.plug import check_plain, claim, disclaim, interface_of, plug, plug_tap, unplug
from hydria.compose.agent import host_identity
from hydria.compose.credentials import Credentials
from hydria.errors import HydriaError
from hydria.settings import Settings

if TYPE_CHECKING:
    from openstack.connection import Connection


def connection(settings: Settings) -> "Connection":
    """Return a connection to the home cloud as its first administrator. Raises HydriaError."""
    credentials = Credentials.kept(settings)
    return openstack.connect(load_envvars=False, load_yaml_config=False, **credentials.connection())


def plug_port(settings: Settings, port: str, namespace: str, link: str, tap: str) -> str:
    """Attach a namespace or a tap device to a port; return a message. Raises HydriaError."""
    if bool(namespace) == bool(tap):
        raise HydriaError(
            "Name a namespace or a tap device: hydria plug PORT NAMESPACE, or: hydria plug PORT --tap tap0"
        )
    cloud = connection(settings)
    found = claim(cloud, _found(cloud, port), host_identity(settings).name)
    names, interface = Names(settings.agent.prefix), interface_of(cloud, found)
    if tap:
        plug_tap(names, tap, interface)
        addresses = ", ".join(f"{address.ip}/{address.prefix}" for address in interface.addresses)
        return f"{tap} is attached to port {found.id}. Give its virtual machine {interface.mac}, {addresses}."
    plug(names, namespace, link, interface)
    return f"{link} of {namespace} is attached to port {found.id}."


def unplug_port(settings: Settings, port: str) -> str:
    """Detach from a port what was plugged into it; return a message. Raises HydriaError."""
    cloud = connection(settings)
    found = _found(cloud, port)
    check_plain(found)
    removed = unplug(Names(settings.agent.prefix), found.id)
    disclaim(cloud, found)
    return f"Port {found.id} is free." if removed else f"Nothing was attached to port {found.id}."


def _found(cloud: "Connection", name: str) -> Any:
    port = cloud.network.find_port(name)
    if port is None:
        raise HydriaError(f"There is no port {name}. See: openstack port list")
    return port
