"""/healthmonitors: create, read, change, delete."""

from typing import Any

from hydria.api.access import permitted
from hydria.api.resource import ChildApi
from hydria.api.resource_types import HEALTH_MONITOR as KIND
from hydria.api.resource_types import POOL
from hydria.api.tree_builder import TreeBuilder
from hydria.api.views import LoadedResource
from hydria.errors import Conflict
from hydria.http.operation import Call
from hydria.model import HealthMonitor, Pool, monitor_checks
from hydria.model.health_monitor import HealthMonitorCreate, HealthMonitorUpdate
from hydria.store import columns


class HealthMonitors(ChildApi[HealthMonitor, Pool]):
    """The operations on health monitors."""

    kind = KIND
    path = "/healthmonitors"
    create_form = HealthMonitorCreate
    update_form = HealthMonitorUpdate

    def parent(self, call: Call) -> LoadedResource[Pool]:
        """Return the pool of the form. Raises NotFound, Forbidden."""
        return permitted(call, POOL, call.form.pool_id)

    def build(self, call: Call, builder: TreeBuilder, parent: LoadedResource[Pool]) -> HealthMonitor:
        """Add the monitor of a pool that has none. Raises a Refusal."""
        c = columns(HealthMonitor)
        if call.transaction.find(HealthMonitor, c.pool_id == parent.resource.id, c.deleted_in.is_(None)):
            raise Conflict("This pool already has a health monitor")
        return builder.health_monitor(call.form, parent.resource)

    def check_form(self, call: Call, before: HealthMonitor, form: Any) -> None:
        """Refuse attributes that the monitor's type does not have, and null for those without a default."""
        monitor_checks.check_form(before, form)

    def settle(self, call: Call, before: HealthMonitor, after: HealthMonitor) -> HealthMonitor:
        """Put in HTTP's defaults, and refuse what the monitor's type or the pool's protocol does not allow."""
        after = monitor_checks.with_http_defaults(after)
        pool = call.transaction.get(Pool, after.pool_id)
        if pool is None:
            raise RuntimeError(f"health monitor {after.id} has no pool")
        monitor_checks.check(after, pool.protocol)
        return after
