"""A flavor profile: provider options for every load balancer of a flavor."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct

from hydria.model.capability import Capability
from hydria.model.fields import Maybe, Name

ProfileData = Annotated[str, Meta(max_length=4096)]

NORMALISE_PATHS = "normalise_l7_paths"

CAPABILITIES = {
    "loadbalancer_topology": Capability(
        # Octavia's words, which its own tests compare.
        description="The load balancer topology. One of: SINGLE - One amphora per load balancer. "
        "ACTIVE_STANDBY - Two amphora per load balancer.",
        values=("ACTIVE_STANDBY", "SINGLE"),
    ),
    "compute_flavor": Capability(description="Name of the size of an amphora. It is kept; a namespace has no size."),
    "amp_image_tag": Capability(
        description="Tag of the image that amphorae are made from. It is kept; a namespace has no image."
    ),
    # A namespace has no network card.
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
    NORMALISE_PATHS: Capability(
        description="Whether L7 rules compare normalised paths: /./a //a /b/../a and /%61 as /a. Members get the path "
        "as the client sent it.",
        type="boolean",
    ),
    # The limits of an amphora, named and bounded as the agent's settings are, which hold where a flavor says nothing.
    "memory_mb": Capability(
        description="Memory limit of one HAProxy in MiB. An amphora has two during a reload and may use twice as much.",
        type="integer",
        minimum=16,
        maximum=1_048_576,
    ),
    "cpu_weight": Capability(
        description="Share of the processors of an amphora while they are busy; 100 is usual.",
        type="integer",
        minimum=1,
        maximum=10_000,
    ),
    "pids": Capability(
        description="Processes and threads of an amphora at once.", type="integer", minimum=16, maximum=100_000
    ),
    "flows": Capability(
        description="Flows that the kernel may remember for an amphora. TCP counts only with security groups.",
        type="integer",
        minimum=1024,
        maximum=100_000_000,
    ),
}


class FlavorProfile(Struct, frozen=True, kw_only=True):
    """The stored profile; `flavor_data` is a JSON object as text, exactly as it was given."""

    id: str
    name: str | None = None
    provider_name: str
    flavor_data: str


class FlavorProfileUpdate(Struct, kw_only=True):
    """The body of an update."""

    name: Maybe[Name] = UNSET
    provider_name: Maybe[Name] = UNSET
    flavor_data: Maybe[ProfileData] = UNSET


class FlavorProfileCreate(Struct, kw_only=True):
    """The body of a create."""

    name: Name | None
    provider_name: Name | None
    flavor_data: ProfileData | None
