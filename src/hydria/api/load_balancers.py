"""/loadbalancers: create (alone or with its whole tree), read, change, delete, status tree, statistics."""

import uuid
from typing import Any

from msgspec import structs

from hydria.api import support
from hydria.api.access import owned_by, permitted
from hydria.api.etags import tagged
from hydria.api.kinds import LOAD_BALANCER as KIND
from hydria.api.offers import find_offer
from hydria.api.resource import ResourceApi
from hydria.api.statistics import stats
from hydria.api.status_tree import status_tree
from hydria.api.trees import Ground, Planting, plant_graph
from hydria.api.views import read
from hydria.api.vip import Place, find_place
from hydria.api.whole_tree import whole_tree
from hydria.errors import Invalid
from hydria.http.operation import Call, Operation
from hydria.model import Listener, LoadBalancer, Pool, Resource
from hydria.model.base import build
from hydria.model.create import LoadBalancerCreate
from hydria.model.load_balancer import LoadBalancerUpdate
from hydria.ports import Device
from hydria.store import Transaction, columns
from hydria.store.resources import Health


class LoadBalancers(ResourceApi):
    """The operations on load balancers."""

    kind = KIND
    path = "/loadbalancers"
    create_form = LoadBalancerCreate
    update_form = LoadBalancerUpdate

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, the status tree and the statistics among them."""
        one = self.path + "/{id}"
        return (
            *super().operations(),
            Operation(method="GET", path=one + "/status", work=_status, rule=KIND.rule("get_status")),
            Operation(method="GET", path=one + "/statuses", work=_status, rule=KIND.rule("get_status")),
            Operation(method="GET", path=one + "/stats", work=_stats, rule=KIND.rule("get_stats")),
        )

    def create(self, call: Call) -> LoadBalancer:
        """Make a load balancer with all that its form has below it."""
        form: LoadBalancerCreate = call.form
        project = owned_by(call, form.project_id or None)
        support.check(form)
        networking = self._networking_of(call.transaction)
        # An admin may place a load balancer wherever it likes, as with Neutron.
        place = find_place(networking, form, None if call.caller.is_admin else project)
        offer = find_offer(call, form)
        offer.check_network(place.subnet.network_id)
        key = str(uuid.uuid4())
        # All refusals come before the port: a network service elsewhere would keep it.
        quotas = self._changes.quotas
        quotas.take(call.transaction, project, {LoadBalancer: 1})
        ground = Ground(load_balancer_id=key, project_id=project, generation=1)
        planting = Planting(call, ground, networking, quotas)
        plant_graph(planting, list(form.listeners or ()), list(form.pools or ()))
        planting.put_down()
        load_balancer = structs.replace(
            self._placed(call, key, project, place), provider=offer.provider, vip_vnic_type=offer.vnic_type
        )
        call.transaction.insert(load_balancer)
        call.transaction.insert(Health(id=key, load_balancer_id=key, operating_status="OFFLINE"))
        call.transaction.hint("instances")
        return load_balancer

    def made(self, call: Call, resource: Resource) -> Any:
        """Return the answer, which has the whole tree."""
        found = read(call.transaction, KIND, resource.id)
        assert found is not None  # noqa: S101 - this transaction wrote it
        return tagged(found, {KIND.root: whole_tree(call.transaction, found)})

    def _placed(self, call: Call, key: str, project: str, place: Place) -> LoadBalancer:
        """Take the VIP's port and return the load balancer on it."""
        networking = self._networking_of(call.transaction)
        device = Device(id=f"lb-{key}", owner="Octavia")
        port = place.port
        if port is None:
            port = networking.create_port(f"octavia-lb-{key}", project, place.subnet, place.address, device)
        else:
            networking.bind_port(port.id, device)
        address = place.address or next(ip for subnet, ip in port.fixed_ips if subnet == place.subnet.id)
        return build(
            LoadBalancer,
            call.form,
            id=key,
            project_id=project,
            created_at=call.now,
            vip_address=address,
            vip_port_id=port.id,
            vip_subnet_id=place.subnet.id,
            vip_network_id=place.subnet.network_id,
            vip_port_owned=place.port is None,
        )

    def check_delete(self, call: Call, resource: Resource) -> None:
        """Refuse to leave children behind, unless they may go too."""
        if not _flag(call, "cascade") and _has_children(call.transaction, resource.id):
            raise Invalid(f"Validation failure: Cannot delete Load Balancer {resource.id} - it has children")


def _status(call: Call) -> Any:
    return {"statuses": status_tree(call.transaction, permitted(call, KIND, call.path["id"]))}


def _stats(call: Call) -> Any:
    seen = permitted(call, KIND, call.path["id"])
    return {"stats": stats(call.transaction, load_balancer_id=seen.resource.id)}


def _flag(call: Call, name: str) -> bool:
    return (call.query.last(name) or "").strip().lower() in ("true", "t", "yes", "y", "on", "1")


def _has_children(transaction: Transaction, key: str) -> bool:
    for kind in (Listener, Pool):
        c = columns(kind)
        if transaction.find(kind, c.load_balancer_id == key, c.deleted_in.is_(None)):
            return True
    return False
