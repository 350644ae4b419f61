"""/availabilityzoneprofiles: what availability zones mean to a provider."""

from typing import Any

from hydria.api import provider_checks
from hydria.api.admin_resource import AdminResourceType
from hydria.api.profiles import Profiles
from hydria.model.availability_zone import AvailabilityZone
from hydria.model.availability_zone_profile import (
    AvailabilityZoneProfile,
    AvailabilityZoneProfileCreate,
    AvailabilityZoneProfileUpdate,
)


class AvailabilityZoneProfiles(Profiles):
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

    def check_data(self, provider: str | None, data: Any) -> None:
        """Refuse data that a provider does not understand. Raises Invalid, Unsupported."""
        provider_checks.check_zone_data(provider_checks.check_provider(provider), data)
