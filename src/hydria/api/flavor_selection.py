"""The flavor and the availability zone of a new load balancer, and so its provider."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct

from hydria.api import provider_checks
from hydria.errors import Invalid
from hydria.http.operation import Call
from hydria.model.availability_zone import AvailabilityZone
from hydria.model.create import LoadBalancerCreate
from hydria.model.flavor import Flavor
from hydria.model.flavor_profile import FlavorProfile
from hydria.model.load_balancer import Topology
from hydria.store.resources import flavor_data, zone_data


class ProviderSelection(Struct, frozen=True, kw_only=True):
    """The provider of a new load balancer, and the data of its flavor and of its availability zone, empty without."""

    provider: str
    flavor: Mapping[str, Any]
    zone: Mapping[str, Any]

    def topology(self, default: Topology) -> Topology:
        """Return the topology that the flavor sets, or the default."""
        return self.flavor.get("loadbalancer_topology") or default

    def check_network(self, network_id: str) -> None:
        """Refuse a VIP on a network that the zone does not allow. Raises Invalid."""
        valid = self.zone.get("valid_vip_networks")
        if valid and network_id.lower() not in [str(key).lower() for key in valid]:
            raise Invalid(
                "Validation failure: Supplied VIP network_id is not allowed by the configuration of this deployment."
            )


def select_provider(call: Call, form: LoadBalancerCreate) -> ProviderSelection:
    """Return the provider and zone of a form; flavor and zone cannot change meanwhile. Raises Invalid, Unsupported."""
    profile = _flavor_profile(call, form)
    _check_zone(call, form)
    provider = _provider(form, profile)
    flavor = flavor_data(call.transaction, form.flavor_id or None)
    zone = zone_data(call.transaction, form.availability_zone or None)
    # What the provider supports may have changed since the profiles were made.
    if flavor:
        provider_checks.check_flavor_data(provider, flavor)
    if zone:
        provider_checks.check_zone_data(provider, zone)
    return ProviderSelection(provider=provider, flavor=flavor, zone=zone)


def _flavor_profile(call: Call, form: LoadBalancerCreate) -> FlavorProfile | None:
    if form.flavor_id is UNSET:
        return None
    flavor = call.transaction.hold(Flavor, form.flavor_id, shared=True) if form.flavor_id else None
    if flavor is None:
        raise Invalid("Validation failure: Invalid flavor_id.")
    if not flavor.enabled:
        raise Invalid(f"The selected flavor is not allowed in this deployment: {form.flavor_id}")
    return call.transaction.get(FlavorProfile, flavor.flavor_profile_id)


def _check_zone(call: Call, form: LoadBalancerCreate) -> None:
    name = form.availability_zone
    if name is UNSET:
        return
    zone = call.transaction.hold(AvailabilityZone, name, column="name", shared=True) if name else None
    if zone is None:
        raise Invalid("Validation failure: Invalid availability zone.")
    if not zone.enabled:
        raise Invalid(f"The selected availability_zone is not allowed in this deployment: {name}")


def _provider(form: LoadBalancerCreate, profile: FlavorProfile | None) -> str:
    """Return the provider of the form or of the flavor, which must agree. Raises Invalid."""
    if profile is None or not profile.provider_name:
        return provider_checks.check_provider(form.provider or None)
    if form.provider is not UNSET and form.provider != profile.provider_name:
        raise Invalid(f"Flavor '{form.flavor_id}' is not compatible with provider '{form.provider}'")
    return provider_checks.check_provider(profile.provider_name)
