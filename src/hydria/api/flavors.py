"""/flavors and /flavorprofiles: what load balancers can be like, and what that means to a provider."""

from typing import Any

from hydria.api import provider_checks
from hydria.api.admin_resource import AdminResourceType
from hydria.api.profiles import Offers, Profiles
from hydria.model.flavor import Flavor, FlavorCreate, FlavorUpdate
from hydria.model.flavor_profile import FlavorProfile, FlavorProfileCreate, FlavorProfileUpdate


class Flavors(Offers[Flavor]):
    """The operations on flavors."""

    kind = AdminResourceType(
        struct=Flavor, root="flavor", plural="flavors", links="flavors_links", policy="flavor", title="Flavor"
    )
    path = "/flavors"
    create_form = FlavorCreate
    update_form = FlavorUpdate
    profile = FlavorProfile
    reference = "flavor_profile_id"
    used_as = "flavor_id"


class FlavorProfiles(Profiles[FlavorProfile]):
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

    def check_data(self, provider: str, data: Any) -> None:
        """Refuse data that a provider does not understand. Raises Unsupported."""
        provider_checks.check_flavor_data(provider, data)
