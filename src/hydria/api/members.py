"""/pools/{pool_id}/members: create, read, change, delete."""

from typing import Any

from hydria.api.access import missing, parent, visible
from hydria.api.kinds import MEMBER as KIND
from hydria.api.kinds import POOL
from hydria.api.listing import listing
from hydria.api.resource import ResourceApi
from hydria.api.views import Seen
from hydria.http.operation import Call
from hydria.model import Member, Pool
from hydria.model.member import MemberCreate, MemberUpdate
from hydria.store import columns


class Members(ResourceApi):
    """The operations on members."""

    kind = KIND
    path = "/pools/{pool_id}/members"
    create_form = MemberCreate
    update_form = MemberUpdate

    def create(self, call: Call) -> Member:
        """Make a member of the path's pool."""
        form: MemberCreate = call.form
        pool = visible(call, POOL, call.path["pool_id"])
        parent(call, pool.load_balancer_id)
        load_balancer = self._changes.begin(call.transaction, pool)
        assert isinstance(pool.resource, Pool)  # noqa: S101 - by the kind
        planting = self.planting(call, load_balancer)
        member = planting.member(form, pool.resource)
        planting.put_down()
        return member

    def check_path(self, call: Call, seen: Seen) -> Seen:
        """Return the member if it is the pool's that the path names. Raises NotFound."""
        assert isinstance(seen.resource, Member)  # noqa: S101 - by the kind
        if seen.resource.pool_id != call.path["pool_id"]:
            raise missing(KIND, seen.resource.id)
        return seen

    def _list(self, call: Call) -> Any:
        pool = visible(call, POOL, call.path["pool_id"])
        call.authorise(pool.resource.project_id)
        return listing(call, KIND, columns(Member).pool_id == pool.resource.id)
