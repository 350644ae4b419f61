"""A load balancer: the root of a tree, which has the generation of everything below it."""

from typing import Literal

from msgspec import UNSET, Struct

from hydria.model.base import Resource
from hydria.model.fields import IpAddress, Maybe, Name, ProjectId, ProviderName, Tag, Text, Uuid

# SINGLE: one amphora. ACTIVE_STANDBY: a pair of amphorae.
Topology = Literal["SINGLE", "ACTIVE_STANDBY"]


class AdditionalVip(Struct, frozen=True, kw_only=True):
    """One more address of a load balancer, on another subnet of the VIP's network."""

    subnet_id: Uuid
    ip_address: IpAddress | None = None
    port_id: Uuid | None = None


class LoadBalancer(Resource, frozen=True, kw_only=True):
    """The stored load balancer.

    `generation` is the number of changes to it and to everything below; `observed` is the newest generation that every
    host serves. `failed` is the generation that a host could not serve, and `reason` tells its owner why.
    `change_id` is a random number of the newest change. It distinguishes generations of the same number, which a
    database has that was restored from a backup and changed again.
    """

    description: str = ""
    provider: str = "amphora"
    flavor_id: str | None = None
    availability_zone: str | None = None
    vip_address: IpAddress
    vip_port_id: str
    vip_subnet_id: str
    vip_network_id: str
    vip_qos_policy_id: str | None = None
    vip_vnic_type: str = "normal"
    vip_sg_ids: tuple[str, ...] = ()
    additional_vips: tuple[AdditionalVip, ...] = ()
    topology: Topology = "SINGLE"
    # The day (ISO 8601, UTC) of the TLS session ticket keys of a pair, empty without.
    ticket_day: str = ""
    # Whether the VIP port was created for this load balancer, and so is deleted with it.
    vip_port_owned: bool = True
    generation: int = 1
    change_id: int = 0
    observed: int = 0
    failed: int = 0
    reason: str | None = None

    @property
    def vip_addresses(self) -> tuple[str, ...]:
        """All its addresses, the VIP's first."""
        return (self.vip_address, *(vip.ip_address for vip in self.additional_vips if vip.ip_address))

    @property
    def vip_subnet_ids(self) -> tuple[str, ...]:
        """The subnets of all its addresses, the VIP's first."""
        return (self.vip_subnet_id, *(vip.subnet_id for vip in self.additional_vips))


class LoadBalancerUpdate(Struct, kw_only=True):
    """The body of an update."""

    name: Maybe[Name] = UNSET
    description: Maybe[Text] = UNSET
    vip_qos_policy_id: Maybe[Uuid] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    vip_sg_ids: Maybe[list[Uuid]] = UNSET
    tags: Maybe[list[Tag]] = UNSET


class LoadBalancerBody(LoadBalancerUpdate, kw_only=True):
    """The load balancer's own attributes in a create, without the tree below it."""

    id: Maybe[Uuid] = UNSET
    vip_address: Maybe[IpAddress] = UNSET
    vip_port_id: Maybe[Uuid] = UNSET
    vip_subnet_id: Maybe[Uuid] = UNSET
    vip_network_id: Maybe[Uuid] = UNSET
    additional_vips: Maybe[list[AdditionalVip]] = UNSET
    project_id: Maybe[ProjectId] = UNSET
    provider: Maybe[ProviderName] = UNSET
    flavor_id: Maybe[Uuid] = UNSET
    availability_zone: Maybe[Name] = UNSET
