"""/healthmonitors: create, read, change, delete."""

from typing import Any

from hydria.api.access import permitted
from hydria.api.resource import ResourceApi
from hydria.api.resource_types import HEALTH_MONITOR as KIND
from hydria.api.resource_types import POOL
from hydria.api.views import LoadedResource
from hydria.errors import Conflict
from hydria.http.operation import Call
from hydria.model import HealthMonitor, Pool, Resource, monitor_checks
from hydria.model.health_monitor import HealthMonitorCreate, HealthMonitorUpdate
from hydria.store import columns


class HealthMonitors(ResourceApi):
    """The operations on health monitors."""

    kind = KIND
    path = "/healthmonitors"
    create_form = HealthMonitorCreate
    update_form = HealthMonitorUpdate

    def create(self, call: Call) -> LoadedResource:
        """Make a pool's monitor."""
        form: HealthMonitorCreate = call.form
        pool = permitted(call, POOL, form.pool_id)
        load_balancer = self._changes.count(call.transaction, pool)
        c = columns(HealthMonitor)
        if call.transaction.find(HealthMonitor, c.pool_id == form.pool_id, c.deleted_in.is_(None)):
            raise Conflict("This pool already has a health monitor")
        assert isinstance(pool.resource, Pool)  # noqa: S101 - by the kind
        builder = self.builder(call, load_balancer)
        monitor = builder.health_monitor(form, pool.resource)
        builder.save()
        self._changes.check(pool)
        return builder.load(KIND, monitor.id)

    def check_update(self, call: Call, resource: Resource, form: Any) -> None:
        """Refuse attributes that the monitor's type does not have, and to leave out what has no default."""
        assert isinstance(resource, HealthMonitor)  # noqa: S101 - by the kind
        monitor_checks.check_form(resource, form)

    def check_result(self, call: Call, before: Resource, after: Resource) -> None:
        """Refuse what the type of the monitor or the protocol of its pool cannot have."""
        assert isinstance(after, HealthMonitor)  # noqa: S101 - by the kind
        pool = call.transaction.get(Pool, after.pool_id)
        assert pool is not None  # noqa: S101 - a monitor has one
        monitor_checks.check(after, pool.protocol)

    def changed(self, resource: Resource) -> Resource:
        """Put HTTP's defaults where an attribute was reset."""
        assert isinstance(resource, HealthMonitor)  # noqa: S101 - by the kind
        return monitor_checks.with_http_defaults(resource)
