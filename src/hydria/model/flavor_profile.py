"""A flavor profile: what an admin asks of a provider for every load balancer of a flavor."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct

from hydria.model.capability import Capability
from hydria.model.fields import Maybe, Name

ProfileData = Annotated[str, Meta(max_length=4096)]

CAPABILITIES = {
    "loadbalancer_topology": Capability(
        # In Octavia's words, which its own tests compare. So far ACTIVE_STANDBY is kept and runs one amphora too.
        description="The load balancer topology. One of: SINGLE - One amphora per load balancer. "
        "ACTIVE_STANDBY - Two amphora per load balancer.",
        values=("ACTIVE_STANDBY", "SINGLE"),
    ),
    "compute_flavor": Capability(description="Name of the size of an amphora. It is kept; a namespace has no size."),
    "amp_image_tag": Capability(
        description="Tag of the image that amphorae are made from. It is kept; a namespace has no image."
    ),
    # Namespaces have no cards.
    "sriov_vip": Capability(
        description="Whether the VIP port is a virtual function of a card. Here none is: false only.",
        type="boolean",
        values=(False,),
    ),
    "allow_member_sriov": Capability(
        description="Whether members' ports may be virtual functions of a card. Here none is: false only.",
        type="boolean",
        values=(False,),
    ),
}


class FlavorProfile(Struct, frozen=True, kw_only=True):
    """The stored profile; `flavor_data` is a JSON object as text, exactly as it was given."""

    id: str
    name: str | None = None
    provider_name: str
    flavor_data: str


class FlavorProfileUpdate(Struct, kw_only=True):
    """The wire form of a change."""

    name: Maybe[Name] = UNSET
    provider_name: Maybe[Name] = UNSET
    flavor_data: Maybe[ProfileData] = UNSET


class FlavorProfileCreate(Struct, kw_only=True):
    """The wire form of a new profile."""

    name: Name | None
    provider_name: Name | None
    flavor_data: ProfileData | None
