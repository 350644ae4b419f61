"""PUT /loadbalancers/{id}/rollback: a load balancer as it was at a revision, as one change."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, structs

from hydria.api.access import Changes, permitted
from hydria.api.history import moment, moments
from hydria.api.references import check_listener, check_pool
from hydria.api.resource_types import LOAD_BALANCER as KIND
from hydria.errors import Conflict, Forbidden, Refusal
from hydria.http.operation import Call, Operation
from hydria.model import HealthMonitor, Listener, LoadBalancer, Member, Pool, Resource
from hydria.model.differences import State, differences, kind_name, label, state_of
from hydria.model.status import UNREPORTED, initial_status
from hydria.protocols import Networking, Secrets
from hydria.store import Transaction
from hydria.store.resources import Health, tree

# What a change of a load balancer may change of its own row.
_OWN = ("name", "description", "admin_state_up", "tags", "vip_qos_policy_id", "vip_sg_ids")


class RollbackForm(Struct, kw_only=True):
    """The revision to go back to."""

    to: int


class Rollback:
    """The operation. It changes what differs, and deletes and creates what the revision says, with the same ids."""

    def __init__(
        self,
        changes: Changes,
        networking_of: Callable[[Transaction], Networking],
        secrets_of: Callable[[Transaction], Secrets],
    ) -> None:
        self._changes = changes
        self._networking_of = networking_of
        self._secrets_of = secrets_of

    def operations(self) -> tuple[Operation, ...]:
        """Return the operation, with its path below `/lbaas`."""
        return (
            Operation(
                method="PUT",
                path="/loadbalancers/{id}/rollback",
                form=RollbackForm,
                root="rollback",
                work=self._roll_back,
                tag=lambda call: permitted(call, KIND, call.path["id"]).tag,
                status=202,
                rule=KIND.rule("put_rollback"),
            ),
        )

    def _roll_back(self, call: Call) -> Any:
        loaded = permitted(call, KIND, call.path["id"])
        load_balancer, to = loaded.resource, call.form.to
        target = moment(moments(call, load_balancer), load_balancer.id, to).state
        now = state_of(tree(call.transaction, load_balancer))
        wanted = {**target, load_balancer.id: _with_own(load_balancer, target)}
        changes = differences(now, wanted)
        self._changes.check(loaded)
        if changes:
            self._check(call, load_balancer, now, wanted)
            load_balancer = self._changes.bump_generation(call.transaction, loaded)
            self._write(call, load_balancer, now, wanted)
        shown = {"to": to, "revision": load_balancer.generation, "changes": msgspec.to_builtins(changes)}
        return {"rollback": shown}

    def _check(self, call: Call, load_balancer: LoadBalancer, now: State, wanted: State) -> None:
        """Refuse a rollback whose needs are gone. Raises Conflict with all reasons, Forbidden over the quota."""
        networking, secrets = self._networking_of(call.transaction), self._secrets_of(call.transaction)
        reasons = []
        for key, resource in wanted.items():
            if now.get(key) != resource:
                try:
                    _check_needs(networking, secrets, resource, now.get(key))
                except Forbidden:
                    raise
                except Refusal as refusal:
                    reasons.append(f"{kind_name(resource)} {label(resource) or key}: {refusal.message.rstrip('.')}")
        if reasons:
            raise Conflict(f"The load balancer cannot go back to revision {call.form.to}: {'; '.join(reasons)}.")
        counts: Counter[type[Resource]] = Counter(type(each) for key, each in wanted.items() if key not in now)
        counts.subtract(Counter(type(each) for key, each in now.items() if key not in wanted))
        self._changes.quotas.take(call.transaction, load_balancer.project_id, counts)

    def _write(self, call: Call, load_balancer: LoadBalancer, now: State, wanted: State) -> None:
        generation, transaction = load_balancer.generation, call.transaction
        written: list[Resource] = [
            structs.replace(each, deleted_in=generation, updated_at=call.now)
            for key, each in now.items()
            if key not in wanted
        ]
        fresh: list[Resource] = []
        for key, each in wanted.items():
            before = now.get(key)
            stamped = structs.replace(each, created_in=generation, changed_in=generation, updated_at=call.now)
            if isinstance(each, LoadBalancer):
                if before != each:
                    written.append(self._changed_root(call, load_balancer, each))
            elif before is None:
                # Its row is still there while hosts serve the deletion.
                (written if transaction.get(type(each), key) is not None else fresh).append(stamped)
            elif _differs(before, each):
                written.append(structs.replace(stamped, created_in=before.created_in, created_at=before.created_at))
        transaction.update(*written)
        transaction.insert(*fresh)
        for health in _healths([each for key, each in wanted.items() if key not in now], wanted):
            transaction.ensure(health)

    def _changed_root(self, call: Call, load_balancer: LoadBalancer, wanted: LoadBalancer) -> LoadBalancer:
        """Return the load balancer's row with the attributes of before, and give them to the VIP's port."""
        own = {name: getattr(wanted, name) for name in _OWN}
        networking = self._networking_of(call.transaction)
        if wanted.vip_qos_policy_id != load_balancer.vip_qos_policy_id:
            networking.set_qos_policy(load_balancer.vip_port_id, wanted.vip_qos_policy_id)
        if wanted.vip_sg_ids != load_balancer.vip_sg_ids:
            networking.swap_security_groups(load_balancer.vip_port_id, load_balancer.vip_sg_ids, wanted.vip_sg_ids)
        return structs.replace(load_balancer, **own, changed_in=load_balancer.generation, updated_at=call.now)


def _with_own(load_balancer: LoadBalancer, target: State) -> LoadBalancer:
    """Return the load balancer as it is, with what a change may change as it was."""
    before = target.get(load_balancer.id, load_balancer)
    return structs.replace(load_balancer, **{name: getattr(before, name) for name in _OWN})


def _differs(before: Resource, after: Resource) -> bool:
    return bool(differences({before.id: before}, {after.id: after}))


def _check_needs(networking: Networking, secrets: Secrets, resource: Resource, before: Resource | None) -> None:
    """Refuse a resource whose subnet, secret, QoS policy or security group is gone. Raises a Refusal."""
    project = resource.project_id
    if isinstance(resource, Listener):
        check_listener(secrets, resource, before if isinstance(before, Listener) else None)
    elif isinstance(resource, Pool):
        check_pool(secrets, resource, before if isinstance(before, Pool) else None)
    elif isinstance(resource, Member):
        if resource.subnet_id is not None and networking.subnet(resource.subnet_id, None) is None:
            raise Conflict(f"Subnet {resource.subnet_id} not found.")
    elif isinstance(resource, LoadBalancer):
        policy = resource.vip_qos_policy_id
        if policy is not None and not networking.has_qos_policy(policy, project):
            raise Conflict(f"qos_policy {policy} not found.")
        for group in resource.vip_sg_ids:
            if not networking.has_security_group(group, project):
                raise Conflict(f"Security Group {group} not found.")


def _healths(created: list[Resource], wanted: State) -> list[Health]:
    """Return the first statuses of resources that come back; one without a row is unreported."""
    monitored = {each.pool_id for each in wanted.values() if isinstance(each, HealthMonitor)}
    found = []
    for each in created:
        if isinstance(each, LoadBalancer):
            continue
        status = initial_status(each, monitored=isinstance(each, Member) and each.pool_id in monitored)
        if status != UNREPORTED:
            load_balancer_id = each.load_balancer_id  # type: ignore[attr-defined]
            found.append(Health(id=each.id, load_balancer_id=load_balancer_id, operating_status=status))
    return found
