"""/availabilityzones and /availabilityzoneprofiles: where load balancers can be. The name of a zone is its key."""

from typing import Any

from hydria.api import provider_checks
from hydria.api.admin_resource import AdminResourceType
from hydria.api.profiles import Offers, Profiles
from hydria.model.availability_zone import AvailabilityZone, AvailabilityZoneCreate, AvailabilityZoneUpdate
from hydria.model.availability_zone_profile import (
    AvailabilityZoneProfile,
    AvailabilityZoneProfileCreate,
    AvailabilityZoneProfileUpdate,
)


class AvailabilityZones(Offers[AvailabilityZone]):
    """The operations on availability zones."""

    kind = AdminResourceType(
        struct=AvailabilityZone,
        root="availability_zone",
        plural="availability_zones",
        links="availability_zones_links",
        policy="availability-zone",
        title="Availability Zone",
        key="name",
    )
    path = "/availabilityzones"
    create_form = AvailabilityZoneCreate
    update_form = AvailabilityZoneUpdate
    profile = AvailabilityZoneProfile
    reference = "availability_zone_profile_id"
    used_as = "availability_zone"


class AvailabilityZoneProfiles(Profiles[AvailabilityZoneProfile]):
    """The operations on availability zone profiles."""

    kind = AdminResourceType(
        struct=AvailabilityZoneProfile,
        root="availability_zone_profile",
        plural="availability_zone_profiles",
        links="availability_zone_profile_links",
        policy="availability-zone-profile",
        title="Availability Zone Profile",
    )
    path = "/availabilityzoneprofiles"
    create_form = AvailabilityZoneProfileCreate
    update_form = AvailabilityZoneProfileUpdate
    data = "availability_zone_data"
    user = AvailabilityZone
    reference = "availability_zone_profile_id"
    object_name = "Availability Zone Profile"

    def check_data(self, provider: str, data: Any) -> None:
        """Refuse data that a provider does not understand. Raises Unsupported."""
        provider_checks.check_zone_data(provider, data)
