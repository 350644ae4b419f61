"""The wire forms of the network service. `UNSET` is an attribute that was not given; None clears one.

`READ_ONLY` names attributes that a resource shows but that this form does not take, for a better answer. In the forms
of new things `project_id` and `tenant_id` are two names of one attribute.
"""

from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar, Union

from msgspec import UNSET, Meta, Struct, UnsetType, field

from hydria.model.fields import Cidr as Network
from hydria.model.fields import IpAddress, MacAddress, Maybe, Uuid

T = TypeVar("T")

Given: TypeAlias = Union[T, UnsetType]  # noqa: UP007 - an alias with a type variable

Name = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
ProjectId = Annotated[str, Meta(max_length=255)]
Tag = Annotated[str, Meta(max_length=255)]
# Neutron requires the prefix length here.
Cidr = Annotated[Network, Meta(pattern=r"\A[^\s/]+/\d{1,3}\Z")]

_COMMON = frozenset({"id", "status", "created_at", "updated_at", "revision_number", "tags"})
_OWNER = frozenset({"project_id", "tenant_id"})


class NetworkUpdate(Struct, kw_only=True):
    """The wire form of a network's change."""

    READ_ONLY: ClassVar = _COMMON | _OWNER | {"subnets"}

    name: Given[Name] = UNSET
    description: Given[Text] = UNSET
    admin_state_up: Given[bool] = UNSET
    shared: Given[bool] = UNSET
    external: Given[bool] = field(default=UNSET, name="router:external")
    is_default: Given[bool] = UNSET
    mtu: Given[int] = UNSET
    port_security_enabled: Given[bool] = UNSET


class NetworkCreate(NetworkUpdate, kw_only=True):
    """The wire form of a new network."""

    READ_ONLY: ClassVar = _COMMON | {"subnets"}

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET
    network_type: Maybe[str] = field(default=UNSET, name="provider:network_type")
    physical_network: Maybe[str] = field(default=UNSET, name="provider:physical_network")
    segmentation_id: Maybe[int] = field(default=UNSET, name="provider:segmentation_id")


class PoolForm(Struct, kw_only=True):
    """A range of addresses."""

    start: IpAddress
    end: IpAddress


class RouteForm(Struct, kw_only=True):
    """A route of a subnet's hosts."""

    destination: Cidr
    nexthop: IpAddress


class SubnetUpdate(Struct, kw_only=True):
    """The wire form of a subnet's change."""

    READ_ONLY: ClassVar = (
        _COMMON
        | _OWNER
        | {"network_id", "ip_version", "cidr", "subnetpool_id", "prefixlen", "ipv6_ra_mode", "ipv6_address_mode"}
    )

    name: Given[Name] = UNSET
    description: Given[Text] = UNSET
    gateway_ip: Maybe[IpAddress] = UNSET
    enable_dhcp: Given[bool] = UNSET
    allocation_pools: Maybe[list[PoolForm]] = UNSET
    dns_nameservers: Maybe[list[IpAddress]] = UNSET
    host_routes: Maybe[list[RouteForm]] = UNSET


class SubnetCreate(SubnetUpdate, kw_only=True):
    """The wire form of a new subnet."""

    READ_ONLY: ClassVar = _COMMON

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET
    network_id: Uuid
    ip_version: int
    cidr: Maybe[Cidr] = UNSET
    ipv6_ra_mode: Maybe[str] = UNSET
    ipv6_address_mode: Maybe[str] = UNSET
    subnetpool_id: Maybe[str] = UNSET
    use_default_subnetpool: Maybe[bool] = UNSET
    prefixlen: Maybe[int] = UNSET


class FixedIp(Struct, kw_only=True):
    """A requested address of a port: any of a subnet, a certain one, or both."""

    subnet_id: Given[Uuid] = UNSET
    ip_address: Given[IpAddress] = UNSET


class PairForm(Struct, kw_only=True):
    """An allowed address pair: an address or a range, and a MAC address (the port's by default)."""

    ip_address: Network
    mac_address: Maybe[MacAddress] = UNSET


class PortUpdate(Struct, kw_only=True):
    """The wire form of a port's change."""

    READ_ONLY: ClassVar = _COMMON | _OWNER | {"network_id", "binding:vif_type", "binding:vif_details"}

    name: Given[Name] = UNSET
    description: Given[Text] = UNSET
    admin_state_up: Given[bool] = UNSET
    mac_address: Maybe[MacAddress] = UNSET
    fixed_ips: Maybe[list[FixedIp]] = UNSET
    device_id: Given[Text] = UNSET
    device_owner: Given[Text] = UNSET
    security_groups: Maybe[list[Uuid]] = UNSET
    port_security_enabled: Given[bool] = UNSET
    allowed_address_pairs: Maybe[list[PairForm]] = UNSET
    qos_policy_id: Maybe[Uuid] = UNSET
    binding_host_id: Maybe[Text] = field(default=UNSET, name="binding:host_id")
    binding_vnic_type: Given[str] = field(default=UNSET, name="binding:vnic_type")
    binding_profile: Maybe[dict[str, Any]] = field(default=UNSET, name="binding:profile")


class PortCreate(PortUpdate, kw_only=True):
    """The wire form of a new port."""

    READ_ONLY: ClassVar = _COMMON | {"binding:vif_type", "binding:vif_details"}

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET
    network_id: Uuid


class GatewayForm(Struct, kw_only=True):
    """A router's gateway to an external network; an empty form clears it."""

    network_id: Given[Uuid] = UNSET
    enable_snat: Given[bool] = UNSET
    external_fixed_ips: Maybe[list[FixedIp]] = UNSET


class RouterUpdate(Struct, kw_only=True):
    """The wire form of a router's change."""

    READ_ONLY: ClassVar = _COMMON | _OWNER

    name: Given[Name] = UNSET
    description: Given[Text] = UNSET
    admin_state_up: Given[bool] = UNSET
    external_gateway_info: Maybe[GatewayForm] = UNSET


class RouterCreate(RouterUpdate, kw_only=True):
    """The wire form of a new router."""

    READ_ONLY: ClassVar = _COMMON

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET


class RouterInterface(Struct, kw_only=True):
    """The interface that a router gets or loses."""

    subnet_id: Given[Uuid] = UNSET
    port_id: Given[Uuid] = UNSET


class FloatingIpUpdate(Struct, kw_only=True):
    """The wire form of a floating IP's change; without `port_id` the association stays."""

    READ_ONLY: ClassVar = (
        _COMMON
        | _OWNER
        | {"floating_network_id", "floating_ip_address", "router_id", "subnet_id", "port_details", "qos_policy_id"}
    )

    description: Given[Text] = UNSET
    port_id: Maybe[Uuid] = UNSET
    fixed_ip_address: Maybe[IpAddress] = UNSET


class FloatingIpCreate(FloatingIpUpdate, kw_only=True):
    """The wire form of a new floating IP."""

    READ_ONLY: ClassVar = _COMMON | {"router_id", "port_details", "qos_policy_id"}

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET
    floating_network_id: Uuid
    floating_ip_address: Maybe[IpAddress] = UNSET
    subnet_id: Maybe[Uuid] = UNSET


class SecurityGroupUpdate(Struct, kw_only=True):
    """The wire form of a security group's change."""

    READ_ONLY: ClassVar = _COMMON | _OWNER | {"security_group_rules"}

    name: Given[Name] = UNSET
    description: Given[Text] = UNSET
    stateful: Given[bool] = UNSET


class SecurityGroupCreate(SecurityGroupUpdate, kw_only=True):
    """The wire form of a new security group."""

    READ_ONLY: ClassVar = _COMMON | {"security_group_rules"}

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET


class SecurityGroupRuleCreate(Struct, kw_only=True):
    """The wire form of a new rule."""

    READ_ONLY: ClassVar = _COMMON | {"normalized_cidr"}

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET
    security_group_id: Uuid
    direction: str
    ethertype: Given[str] = UNSET
    protocol: Maybe[Any] = UNSET
    port_range_min: Maybe[int] = UNSET
    port_range_max: Maybe[int] = UNSET
    remote_ip_prefix: Maybe[Network] = UNSET
    remote_group_id: Maybe[Uuid] = UNSET
    description: Given[Text] = UNSET


class QosPolicyUpdate(Struct, kw_only=True):
    """The wire form of a QoS policy's change."""

    READ_ONLY: ClassVar = _COMMON | _OWNER | {"rules"}

    name: Given[Name] = UNSET
    description: Given[Text] = UNSET
    shared: Given[bool] = UNSET
    is_default: Given[bool] = UNSET


class QosPolicyCreate(QosPolicyUpdate, kw_only=True):
    """The wire form of a new QoS policy."""

    READ_ONLY: ClassVar = _COMMON | {"rules"}

    project_id: Given[ProjectId] = UNSET
    tenant_id: Given[ProjectId] = UNSET


_Kbps = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class BandwidthRuleUpdate(Struct, kw_only=True):
    """The wire form of a bandwidth limit's change."""

    READ_ONLY: ClassVar = _OWNER | {"id", "qos_policy_id", "type"}

    max_kbps: Given[_Kbps] = UNSET
    max_burst_kbps: Given[_Kbps] = UNSET
    direction: Given[str] = UNSET


class BandwidthRuleCreate(BandwidthRuleUpdate, kw_only=True):
    """The wire form of a new bandwidth limit."""

    max_kbps: _Kbps


class Tags(Struct, kw_only=True):
    """All tags of a resource."""

    tags: list[Tag]
