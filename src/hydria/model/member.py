"""A member: an address and port that a pool sends traffic to."""

from msgspec import UNSET, Struct

from hydria.model.base import Child
from hydria.model.fields import IpAddress, Maybe, Name, Port, ProjectId, Tag, Uuid, Weight


class Member(Child, frozen=True, kw_only=True):
    """The stored member; one of weight 0 gets no new connections."""

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
    """The body of an update."""

    name: Maybe[Name] = UNSET
    admin_state_up: Maybe[bool] = UNSET
    weight: Maybe[Weight] = UNSET
    backup: Maybe[bool] = UNSET
    monitor_port: Maybe[Port] = UNSET
    monitor_address: Maybe[IpAddress] = UNSET
    tags: Maybe[list[Tag]] = UNSET


class MemberBody(MemberUpdate, kw_only=True):
    """The member's own attributes in a create, nested or not."""

    id: Maybe[Uuid] = UNSET
    address: IpAddress
    protocol_port: Port
    subnet_id: Maybe[Uuid] = UNSET
    request_sriov: Maybe[bool] = UNSET


class MemberCreate(MemberBody, kw_only=True):
    """The body of a create."""

    project_id: Maybe[ProjectId] = UNSET


class MemberInBatch(MemberCreate, kw_only=True):
    """One member of a batch update, which is new or identified by its address and port."""

    tenant_id: Maybe[ProjectId] = UNSET


class MemberBatch(Struct, kw_only=True):
    """The body of a batch update: all members that the pool shall have."""

    members: list[MemberInBatch]
