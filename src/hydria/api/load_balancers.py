"""/loadbalancers: create (alone or with a tree), read, change, delete, fail over, status tree, statistics."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, structs
from sqlalchemy import or_, select

from hydria.api.access import Changes, owned_by, permitted
from hydria.api.amphorae import remove_amphorae, replace_amphorae
from hydria.api.chosen_ids import new_id
from hydria.api.flavor_selection import select_provider
from hydria.api.resource import ResourceApi
from hydria.api.resource_types import LOAD_BALANCER as KIND
from hydria.api.statistics import stats
from hydria.api.status_tree import status_tree
from hydria.api.tree_builder import ParentContext
from hydria.api.tree_create import build_tree
from hydria.api.tree_response import tree_body
from hydria.api.views import LoadedResource, body_with
from hydria.api.vip import Place, find_place
from hydria.errors import Invalid, Refusal
from hydria.http.operation import Call, Operation, denied
from hydria.model import Listener, LoadBalancer, Pool
from hydria.model.base import build
from hydria.model.create import LoadBalancerCreate
from hydria.model.faults import invalid_combination
from hydria.model.load_balancer import AdditionalVip, LoadBalancerUpdate, Topology
from hydria.model.network import PORT_OWNER, Device, Port
from hydria.model.status import UNREPORTED, Progress
from hydria.protocols import Networking, Secrets
from hydria.store import Transaction, columns, generations
from hydria.store.resources import Amphora


class LoadBalancers(ResourceApi[LoadBalancer]):
    """The operations on load balancers."""

    kind = KIND
    path = "/loadbalancers"
    create_form = LoadBalancerCreate
    update_form = LoadBalancerUpdate

    def __init__(
        self,
        changes: Changes,
        networking_of: Callable[[Transaction], Networking],
        secrets_of: Callable[[Transaction], Secrets],
        topology: Topology,
    ) -> None:
        """`topology` is that of load balancers whose flavor sets none."""
        super().__init__(changes, networking_of, secrets_of)
        self._topology = topology

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, the status tree and the statistics among them."""
        one = self.path + "/{id}"
        return (
            *super().operations(),
            Operation(method="GET", path=one + "/status", work=self._status, rule=KIND.rule("get_status")),
            Operation(method="GET", path=one + "/statuses", work=self._status, rule=KIND.rule("get_status")),
            Operation(method="GET", path=one + "/stats", work=_stats, rule=KIND.rule("get_stats")),
            Operation(
                method="PUT",
                path=one + "/failover",
                work=self._fail_over,
                tag=self._tag,
                status=202,
                rule=KIND.rule("put_failover"),
            ),
        )

    def create(self, call: Call) -> LoadedResource[LoadBalancer]:
        """Create a load balancer with the tree of its form. Raises a Refusal."""
        form: LoadBalancerCreate = call.form
        project = owned_by(call, form.project_id or None)
        if form.vip_sg_ids is not UNSET:
            _authorise(call, "post:vip_sg_ids", project)
        networking = self._networking_of(call.transaction)
        # An admin may use every network, as in Neutron.
        scope = None if call.caller.is_admin else project
        place = find_place(networking, form, scope)
        _check_attachments(networking, form, scope)
        selected = select_provider(call, form)
        selected.check_network(place.subnet.network_id)
        key = call.transaction.once("load balancer", lambda: new_id(call, LoadBalancer, form, project))
        # All refusals come before the port, which a remote network service would keep.
        self._changes.quotas.take(call.transaction, project, {LoadBalancer: 1})
        parent_context = ParentContext(
            load_balancer_id=key,
            project_id=project,
            generation=1,
            vips=place.known,
            vip_sg_ids=tuple(form.vip_sg_ids or ()),
        )
        builder = self.builder(call, parent_context, networking)
        build_tree(builder, list(form.listeners or ()), list(form.pools or ()))
        builder.save()
        placed = self._placed(call, networking, key, project, place)
        load_balancer = structs.replace(placed, provider=selected.provider, topology=selected.topology(self._topology))
        generations.begin(call.transaction, load_balancer)
        return LoadedResource(
            kind=KIND,
            resource=load_balancer,
            progress=Progress.of(load_balancer),
            operating_status=UNREPORTED,
            load_balancer_id=key,
        )

    def created_body(self, call: Call, loaded: LoadedResource[LoadBalancer]) -> Mapping[str, Any]:
        """Return the body of a new load balancer, with the tree of its form."""
        if call.form.listeners or call.form.pools:
            return tree_body(call.transaction, loaded)
        return body_with(loaded, {})

    def _placed(self, call: Call, networking: Networking, key: str, project: str, place: Place) -> LoadBalancer:
        """Create or bind the VIP's port, and return the load balancer with its addresses."""
        device = Device(id=f"lb-{key}", owner=PORT_OWNER)
        port = place.port
        if port is None:
            port = _new_port(networking, f"octavia-lb-{key}", project, place, device)
        else:
            networking.bind_port(port.id, device)
        addresses = dict(port.fixed_ips)
        additional = tuple(
            AdditionalVip(subnet_id=vip.subnet.id, ip_address=vip.address or addresses[vip.subnet.id], port_id=port.id)
            for vip in place.additional
        )
        qos_policy_id = port.qos_policy_id if call.form.vip_qos_policy_id is UNSET else call.form.vip_qos_policy_id
        if qos_policy_id != port.qos_policy_id:
            networking.set_qos_policy(port.id, qos_policy_id)
        if call.form.vip_sg_ids:
            networking.swap_security_groups(port.id, (), call.form.vip_sg_ids)
        return build(
            LoadBalancer,
            call.form,
            id=key,
            project_id=project,
            created_at=call.now,
            vip_address=place.address or addresses[place.subnet.id],
            additional_vips=additional,
            vip_qos_policy_id=qos_policy_id,
            vip_port_id=port.id,
            vip_subnet_id=place.subnet.id,
            vip_network_id=place.subnet.network_id,
            # A port that was made for this load balancer goes with it.
            vip_port_owned=place.port is None or place.port.device_id == device.id,
        )

    def _status(self, call: Call) -> Any:
        loaded = permitted(call, KIND, call.path["id"])
        return {"statuses": status_tree(call.transaction, loaded, self._secrets_of(call.transaction))}

    def _fail_over(self, call: Call) -> None:
        """Replace all amphorae of a load balancer."""
        loaded = permitted(call, KIND, call.path["id"])
        load_balancer = self._changes.bump_generation(call.transaction, loaded)
        replace_amphorae(call.transaction, columns(Amphora).load_balancer_id == load_balancer.id)

    def check_form(self, call: Call, before: LoadBalancer, form: Any) -> None:
        """Refuse QoS policies and security groups that do not exist."""
        if form.vip_sg_ids is not UNSET:
            _authorise(call, "put:vip_sg_ids", before.project_id)
        networking = self._networking_of(call.transaction)
        if form.vip_qos_policy_id is None and not networking.offers_qos():
            raise _no_qos()
        unchanged = form.vip_qos_policy_id == before.vip_qos_policy_id
        wanted = structs.replace(form, vip_qos_policy_id=UNSET) if unchanged else form
        _check_attachments(networking, wanted, None if call.caller.is_admin else call.caller.project_id)

    def apply_side_effects(self, call: Call, before: LoadBalancer, after: LoadBalancer) -> LoadBalancer:
        """Give the VIP's port the QoS policy and the security groups."""
        if after.vip_qos_policy_id != before.vip_qos_policy_id:
            self._networking_of(call.transaction).set_qos_policy(after.vip_port_id, after.vip_qos_policy_id)
        if after.vip_sg_ids != before.vip_sg_ids:
            networking = self._networking_of(call.transaction)
            networking.swap_security_groups(after.vip_port_id, before.vip_sg_ids, after.vip_sg_ids)
        return after

    def check_delete(self, call: Call, resource: LoadBalancer) -> None:
        """Refuse the deletion of a load balancer with children, unless it cascades."""
        if not call.query.flag("cascade") and _has_children(call.transaction, resource.id):
            raise Invalid(f"Validation failure: Cannot delete Load Balancer {resource.id} - it has children")

    def cascade_delete(self, call: Call, resource: LoadBalancer, generation: int) -> None:
        """Remove the amphorae from their hosts."""
        c = columns(Amphora)
        remove_amphorae(call.transaction, (c.load_balancer_id == resource.id) & c.leaving.is_(False))


def _authorise(call: Call, action: str, project_id: str) -> None:
    if not call.may(KIND.rule(action), project_id):
        raise denied()


def _check_attachments(networking: Networking, form: LoadBalancerUpdate, project_id: str | None) -> None:
    """Refuse QoS policies and security groups that `project_id` cannot see. Raises Invalid."""
    if form.vip_qos_policy_id:
        if not networking.offers_qos():
            raise _no_qos()
        if not networking.has_qos_policy(form.vip_qos_policy_id, project_id):
            raise Invalid(f"qos_policy {form.vip_qos_policy_id} not found.")
    for key in form.vip_sg_ids or ():
        if not networking.has_security_group(key, project_id):
            raise Invalid(f"Security Group {key} not found.")


def _no_qos() -> Invalid:
    return invalid_combination("VIP QoS policy is not allowed in this deployment.")


def _new_port(networking: Networking, name: str, project_id: str, place: Place, device: Device) -> Port:
    """Create a port with all addresses of the VIPs, or none. Raises a Refusal."""
    port = networking.create_port(name, project_id, place.subnet, place.address, device)
    try:
        for vip in place.additional:
            port = networking.add_address(port.id, vip.subnet, vip.address)
    except Refusal:
        networking.delete_port(port.id)
        raise
    return port


def _stats(call: Call) -> Any:
    loaded = permitted(call, KIND, call.path["id"])
    return {"stats": stats(call.transaction, load_balancer_id=loaded.resource.id)}


def _has_children(transaction: Transaction, key: str) -> bool:
    listener, pool = columns(Listener), columns(Pool)
    exists = [select(c.id).where(c.load_balancer_id == key, c.deleted_in.is_(None)).exists() for c in (listener, pool)]
    return bool(transaction.execute(select(or_(*exists))).scalar_one())
