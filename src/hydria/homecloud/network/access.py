"""Access rules of the network service: Neutron's default policy, in code."""

from msgspec import UNSET, Struct
from sqlalchemy import ColumnElement, false, or_, select

from hydria.homecloud.network.faults import fault
from hydria.homecloud.network.rows import Network, Row
from hydria.http.operation import Call
from hydria.model.caller import Caller
from hydria.store import columns

# A token without any of these roles may only read.
_WRITERS = frozenset({"admin", "manager", "member"})


def may_write(caller: Caller, project_id: str) -> bool:
    """Say whether a caller may change what belongs to a project."""
    return caller.is_admin or (caller.project_id == project_id and not _WRITERS.isdisjoint(caller.roles))


def own(kind: type[Row], caller: Caller) -> ColumnElement[bool]:
    """Return the condition that a row belongs to the caller's project."""
    return columns(kind).project_id == caller.project_id if caller.project_id else false()


def networks_seen(caller: Caller) -> ColumnElement[bool]:
    """Return the condition that a network is the caller's, shared or external."""
    network = columns(Network)
    return or_(own(Network, caller), network.shared, network.external)


def of_own_network(network_id: ColumnElement[str], caller: Caller) -> ColumnElement[bool]:
    """Return the condition that something is on a network of the caller's project."""
    return network_id.in_(select(columns(Network).id).where(own(Network, caller)))


def of_open_network(network_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that something is on a shared or external network."""
    network = columns(Network)
    return network_id.in_(select(network.id).where(or_(network.shared, network.external)))


def creator(call: Call, form: Struct, action: str) -> str:
    """Return the project that will own what a create form asks for, or refuse."""
    asked = {value for name in ("project_id", "tenant_id") if (value := getattr(form, name)) is not UNSET}
    if len(asked) > 1:
        raise fault("HTTPBadRequest", msg="'project_id' and 'tenant_id' do not match")
    project_id = asked.pop() if asked else call.caller.project_id
    if not project_id:
        raise fault("HTTPBadRequest", msg="Running without a project requires that project_id is specified")
    if project_id != call.caller.project_id and not call.caller.is_admin:
        raise forbidden(action, "project_id")
    if not may_write(call.caller, project_id):
        raise forbidden(action)
    return project_id


def for_admins(call: Call, form: Struct, action: str, names: dict[str, str]) -> None:
    """Refuse (403) these attributes to callers who are not admins; `names` has wire names by field."""
    if call.caller.is_admin:
        return
    for field, name in names.items():
        # The default value needs no right.
        if getattr(form, field) not in (UNSET, None, False):
            raise forbidden(action, name)


def forbidden(action: str, attribute: str | None = None) -> Exception:
    """Return Neutron's refusal (403) of what a rule does not allow."""
    rule = f"rule:{action}" if attribute is None else f"(rule:{action} and rule:{action}:{attribute})"
    return fault("PolicyNotAuthorized", rule=rule)
