"""/flavorprofiles: what flavors mean to a provider."""

from typing import Any

from hydria.api import provider_checks
from hydria.api.admin_resource import AdminResourceType
from hydria.api.profiles import Profiles
from hydria.model.flavor import Flavor
from hydria.model.flavor_profile import FlavorProfile, FlavorProfileCreate, FlavorProfileUpdate


class FlavorProfiles(Profiles):
    """The operations on flavor profiles."""

    kind = AdminResourceType(
        struct=FlavorProfile,
        root="flavorprofile",
        plural="flavorprofiles",
        links="flavorprofile_links",
        policy="flavor-profile",
        title="Flavor Profile",
    )
    path = "/flavorprofiles"
    create_form = FlavorProfileCreate
    update_form = FlavorProfileUpdate
    data = "flavor_data"
    user = Flavor
    reference = "flavor_profile_id"
    object_name = "Flavor profile"

    def check_data(self, provider: str | None, data: Any) -> None:
        """Refuse data that a provider does not understand. Raises Invalid, Unsupported."""
        provider_checks.check_flavor_data(provider_checks.check_provider(provider), data)
