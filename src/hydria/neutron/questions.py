"""The questions that an API call asks of Neutron: what it must know or have before its transaction can commit."""

from msgspec import Struct


class SubnetOf(Struct, frozen=True):
    """A subnet that a project may use, or None. Answer: `NeutronSubnet | None`."""

    subnet_id: str
    project_id: str | None


class SubnetsOfNetwork(Struct, frozen=True):
    """The subnets of a network that a project may use, or None. Answer: `tuple[NeutronSubnet, ...] | None`."""

    network_id: str
    project_id: str | None


class FreeAddresses(Struct, frozen=True):
    """The numbers of free addresses in a network, by subnet. Answer: `dict[str, int]`."""

    network_id: str


class PortOf(Struct, frozen=True):
    """A port that a project may use, or None. Answer: `NeutronPort | None`."""

    port_id: str
    project_id: str | None


class Offers(Struct, frozen=True):
    """Whether Neutron has an extension. Answer: `bool`."""

    alias: str


class QosPolicyOf(Struct, frozen=True):
    """Whether a project may use a QoS policy. Answer: `bool`."""

    policy_id: str
    project_id: str | None


class SecurityGroupOf(Struct, frozen=True):
    """Whether a project may use a security group. Answer: `bool`."""

    group_id: str
    project_id: str | None


class CreatePort(Struct, frozen=True):
    """Create a VIP's port. Answer: `NeutronPort`."""

    name: str
    project_id: str
    network_id: str
    subnet_id: str
    address: str | None
    device_id: str
    device_owner: str


class AddAddress(Struct, frozen=True):
    """Give a VIP's port one more address. Answer: `NeutronPort`."""

    port_id: str
    subnet_id: str
    address: str | None


class BindPort(Struct, frozen=True):
    """Make a load balancer the user of a user's port. Answer: `NeutronPort`."""

    port_id: str
    device_id: str
    device_owner: str


class DeletePort(Struct, frozen=True):
    """Delete a VIP's port that could not be completed. Answer: None."""

    port_id: str
