"""The Neutron of the settings as the network service."""

from collections.abc import Callable

from msgspec import Struct

from hydria.errors import SettingsError
from hydria.http.outside import Outside
from hydria.neutron.answers import NeutronAnswers
from hydria.neutron.networking import NeutronNetworking
from hydria.neutron.worker import NeutronWorker
from hydria.protocols import Clock, Networking
from hydria.settings import Settings
from hydria.store import Database, Transaction


class NeutronParts(Struct, frozen=True, kw_only=True):
    """What a server has of Neutron."""

    networking_of: Callable[[Transaction], Networking]
    outside: Outside
    worker: NeutronWorker


def neutron_of(settings: Settings, database: Database, clock: Clock) -> NeutronParts | None:
    """Return the parts, or None for the home cloud's network service. Raises SettingsError."""
    if settings.network.type != "neutron":
        return None
    if settings.keystone.auth_url is None:
        raise SettingsError("network.type: neutron needs a Keystone to log in. Set keystone.auth_url.")
    try:
        # An optional dependency: the extra `openstack`.
        from hydria.adapters.openstack.neutron import Neutron  # noqa: PLC0415
        from hydria.adapters.openstack.session import Service  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"network.type: needs {missing.name}, which is not installed: pip install 'hydria[openstack]'"
        ) from None
    chosen = settings.network
    service = Service(
        settings.keystone, clock, kind="network", name="Neutron", url=chosen.url, timeout=chosen.timeout_seconds
    )
    neutron = Neutron(service)
    return NeutronParts(
        networking_of=NeutronNetworking,
        outside=NeutronAnswers(neutron, database, clock),
        worker=NeutronWorker(neutron, database, clock),
    )
