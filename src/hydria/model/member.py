"""A member: one address and port that does the work."""

from msgspec import UNSET, Struct

from hydria.model.base import Child
from hydria.model.fields import IpAddress, Maybe, Name, Port, ProjectId, Tag, Uuid, Weight


class Member(Child, frozen=True, kw_only=True):
    """The stored member; weight 0 takes no new connections."""

    pool_id: str
    address: IpAddress
    protocol_port: int
    weight: int = 1
    backup: bool = False
    subnet_id: str | None = None
    monitor_address: IpAddress | None = None
    monitor_port: int | None = None
    vnic_type: str = "normal"


class MemberUpdate(Struct, kw_only=True):
    """The wire form of a change."""

    name: Maybe[Name] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    weight: Maybe[Weight] = UNSET
    backup: Maybe[bool] = UNSET
    monitor_port: Maybe[Port] = UNSET
    monitor_address: Maybe[IpAddress] = UNSET
    tags: Maybe[list[Tag]] = UNSET


class MemberBody(MemberUpdate, kw_only=True):
    """What a create form says of the member itself, wherever the form stands."""

    address: IpAddress
    protocol_port: Port
    subnet_id: Maybe[Uuid] = UNSET
    request_sriov: Maybe[bool] = UNSET


class MemberCreate(MemberBody, kw_only=True):
    """The wire form of a new member."""

    project_id: Maybe[ProjectId] = UNSET


class MemberInBatch(MemberCreate, kw_only=True):
    """The wire form of one member of a batch, new or known by its address and port."""

    tenant_id: Maybe[ProjectId] = UNSET


class MemberBatch(Struct, kw_only=True):
    """The wire form of all members that a pool is to have."""

    members: list[MemberInBatch]
