"""The driver: each call of Octavia becomes one call of Hydria's API, and the objects keep Octavia's ids.

Octavia calls it inside a transaction of its own, which it rolls back when the driver raises. What it commits is
PENDING until the agent reports otherwise.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from octavia_lib.api.drivers import exceptions, provider_base
from oslo_log import log as logging

from hydria_octavia_provider import bodies, settings, sizes
from hydria_octavia_provider.api import Api, Refused, Unreachable
from hydria_octavia_provider.bodies import Kind, Model

LOG = logging.getLogger(__name__)

_UNSUPPORTED = "Provider 'amphora' does not support a requested option: "

P = ParamSpec("P")
R = TypeVar("R")


def _answered(call: Callable[P, R]) -> Callable[P, R]:
    """Tell what Hydria refuses as Octavia's drivers tell it."""

    @functools.wraps(call)
    def wrapped(*args: P.args, **options: P.kwargs) -> R:
        try:
            return call(*args, **options)
        except Refused as refusal:
            if refusal.status in (400, 501):
                # Octavia begins its sentence in the same way.
                raise bodies.unsupported(refusal.sentence.removeprefix(_UNSUPPORTED)) from refusal
            raise _failure(refusal.sentence, f"Hydria answers {refusal.status}: {refusal.sentence}") from refusal
        except Unreachable as error:
            raise _failure(
                "The load balancing service Hydria cannot be reached. Try again later.",
                f"Hydria cannot be reached: {error}. Check its server, and [{settings.GROUP}] in octavia.conf.",
            ) from error

    return wrapped


def _failure(user: str, operator: str) -> Exception:
    failure: Exception = exceptions.DriverError(user_fault_string=user, operator_fault_string=operator)
    return failure


class HydriaDriver(provider_base.ProviderDriver):
    """The provider `hydria`. Octavia makes one for each of its calls."""

    def __init__(self, api: Api | None = None) -> None:
        """`api` is Hydria's, by default that of octavia.conf."""
        super().__init__()
        self._known = api

    @property
    def _api(self) -> Api:
        return self._known or settings.hydria()

    # --- load balancers ---

    @_answered
    def create_vip_port(
        self,
        loadbalancer_id: str,
        project_id: str,
        vip_dictionary: Mapping[str, Any],
        additional_vip_dicts: Sequence[Mapping[str, Any]],
    ) -> None:
        """Leave the VIP's port to Octavia, if Hydria answers. Raises NotImplementedError of octavia-lib, DriverError.

        Octavia does not remove the port when the creation fails later.
        """
        self._api.find(f"loadbalancers/{loadbalancer_id}")
        super().create_vip_port(loadbalancer_id, project_id, vip_dictionary, additional_vip_dicts)

    @_answered
    def loadbalancer_create(self, loadbalancer: Model) -> None:
        """Create a load balancer with everything below it."""
        values = bodies.given(loadbalancer)
        body = bodies.load_balancer(loadbalancer)
        if flavor := values.get("flavor"):
            body["flavor_id"] = sizes.key_of(self._api, sizes.FLAVOR, flavor)
        if zone := values.get("availability_zone"):
            body["availability_zone"] = sizes.key_of(self._api, sizes.ZONE, zone)
        self._create(bodies.LOAD_BALANCER.path, bodies.LOAD_BALANCER, body)

    @_answered
    def loadbalancer_delete(self, loadbalancer: Model, cascade: bool = False) -> None:
        """Delete a load balancer. Octavia has checked that it has no children, unless the deletion cascades."""
        self._api.delete(f"loadbalancers/{bodies.given(loadbalancer)['loadbalancer_id']}", cascade="true")

    @_answered
    def loadbalancer_failover(self, loadbalancer_id: str) -> None:
        """Replace the amphorae of a load balancer."""
        self._api.put(f"loadbalancers/{loadbalancer_id}/failover")

    @_answered
    def loadbalancer_update(self, old_loadbalancer: Model, new_loadbalancer: Model) -> None:
        self._change("loadbalancers", bodies.LOAD_BALANCER, new_loadbalancer)

    # --- listeners ---

    @_answered
    def listener_create(self, listener: Model) -> None:
        body = {**bodies.listener(listener), "loadbalancer_id": bodies.given(listener)["loadbalancer_id"]}
        self._create("listeners", bodies.LISTENER, body)

    @_answered
    def listener_delete(self, listener: Model) -> None:
        self._delete("listeners", bodies.LISTENER, listener)

    @_answered
    def listener_update(self, old_listener: Model, new_listener: Model) -> None:
        self._change("listeners", bodies.LISTENER, new_listener)

    # --- pools and members ---

    @_answered
    def pool_create(self, pool: Model) -> None:
        """Create a pool of a load balancer, or of a listener that has none."""
        values = bodies.given(pool)
        parents = {name: values[name] for name in ("loadbalancer_id", "listener_id") if values.get(name)}
        self._create("pools", bodies.POOL, {**bodies.pool(pool), **parents})

    @_answered
    def pool_delete(self, pool: Model) -> None:
        self._delete("pools", bodies.POOL, pool)

    @_answered
    def pool_update(self, old_pool: Model, new_pool: Model) -> None:
        self._change("pools", bodies.POOL, new_pool)

    @_answered
    def member_create(self, member: Model) -> None:
        self._create(_members(member), bodies.MEMBER, bodies.new(bodies.MEMBER, member))

    @_answered
    def member_delete(self, member: Model) -> None:
        self._delete(_members(member), bodies.MEMBER, member)

    @_answered
    def member_update(self, old_member: Model, new_member: Model) -> None:
        self._change(_members(old_member), bodies.MEMBER, new_member)

    @_answered
    def member_batch_update(self, pool_id: str, members: Sequence[Model]) -> None:
        """Give a pool exactly these members."""
        wanted = [bodies.new(bodies.MEMBER, each) for each in members]
        self._api.put(f"pools/{pool_id}/members", {"members": wanted})

    # --- health monitors ---

    @_answered
    def health_monitor_create(self, healthmonitor: Model) -> None:
        body = {
            **bodies.new(bodies.HEALTH_MONITOR, healthmonitor),
            "pool_id": bodies.given(healthmonitor)["pool_id"],
        }
        self._create("healthmonitors", bodies.HEALTH_MONITOR, body)

    @_answered
    def health_monitor_delete(self, healthmonitor: Model) -> None:
        self._delete("healthmonitors", bodies.HEALTH_MONITOR, healthmonitor)

    @_answered
    def health_monitor_update(self, old_healthmonitor: Model, new_healthmonitor: Model) -> None:
        self._change("healthmonitors", bodies.HEALTH_MONITOR, new_healthmonitor)

    # --- L7 policies and rules ---

    @_answered
    def l7policy_create(self, l7policy: Model) -> None:
        body = {**bodies.l7_policy(l7policy), "listener_id": bodies.given(l7policy)["listener_id"]}
        self._create("l7policies", bodies.L7_POLICY, body)

    @_answered
    def l7policy_delete(self, l7policy: Model) -> None:
        self._delete("l7policies", bodies.L7_POLICY, l7policy)

    @_answered
    def l7policy_update(self, old_l7policy: Model, new_l7policy: Model) -> None:
        self._change("l7policies", bodies.L7_POLICY, new_l7policy)

    @_answered
    def l7rule_create(self, l7rule: Model) -> None:
        self._create(_rules(l7rule), bodies.L7_RULE, bodies.new(bodies.L7_RULE, l7rule))

    @_answered
    def l7rule_delete(self, l7rule: Model) -> None:
        self._delete(_rules(l7rule), bodies.L7_RULE, l7rule)

    @_answered
    def l7rule_update(self, old_l7rule: Model, new_l7rule: Model) -> None:
        self._change(_rules(old_l7rule), bodies.L7_RULE, new_l7rule)

    # --- flavors and availability zones ---

    @_answered
    def get_supported_flavor_metadata(self) -> dict[str, str]:
        return sizes.capabilities(self._api, sizes.FLAVOR)

    @_answered
    def validate_flavor(self, flavor_metadata: Mapping[str, Any]) -> None:
        sizes.check(self._api, sizes.FLAVOR, flavor_metadata)

    @_answered
    def get_supported_availability_zone_metadata(self) -> dict[str, str]:
        return sizes.capabilities(self._api, sizes.ZONE)

    @_answered
    def validate_availability_zone(self, availability_zone_metadata: Mapping[str, Any]) -> None:
        sizes.check(self._api, sizes.ZONE, availability_zone_metadata)

    # --- the calls ---

    def _create(self, path: str, kind: Kind, body: Mapping[str, Any]) -> None:
        try:
            self._api.create(path, kind.root, body)
        except Refused as refusal:
            # The first of two equal requests was answered into a connection that broke.
            if refusal.status != 409 or self._api.find(f"{path}/{body['id']}") is None:
                raise

    def _change(self, path: str, kind: Kind, model: Model) -> None:
        body = bodies.changed(kind, model)
        # Tags are Octavia's alone: a change of tags has nothing for Hydria.
        if body:
            self._api.change(f"{path}/{bodies.given(model)[kind.key]}", kind.root, body)

    def _delete(self, path: str, kind: Kind, model: Model) -> None:
        self._api.delete(f"{path}/{bodies.given(model)[kind.key]}")


def _members(member: Model) -> str:
    return f"pools/{bodies.given(member)['pool_id']}/members"


def _rules(rule: Model) -> str:
    return f"l7policies/{bodies.given(rule)['l7policy_id']}/rules"
