"""/pools/{pool_id}/members: create, read, change, delete."""

from collections.abc import Callable
from typing import Any

from hydria.api.access import Changes, missing, parent, visible
from hydria.api.kinds import MEMBER as KIND
from hydria.api.kinds import POOL
from hydria.api.listing import listing
from hydria.api.resource import ResourceApi
from hydria.api.trees import Planting
from hydria.api.views import Seen
from hydria.errors import NotFound
from hydria.http.operation import Call
from hydria.model import Member, Pool
from hydria.model.member import MemberCreate, MemberUpdate
from hydria.ports import Networking
from hydria.store import Transaction, columns


class Members(ResourceApi):
    """The operations on members."""

    kind = KIND
    path = "/pools/{pool_id}/members"
    create_form = MemberCreate
    update_form = MemberUpdate

    def __init__(self, changes: Changes, networking_of: Callable[[Transaction], Networking]) -> None:
        super().__init__(changes)
        self._networking_of = networking_of

    def create(self, call: Call) -> Member:
        """Make a member of the path's pool."""
        form: MemberCreate = call.form
        pool = visible(call, POOL, call.path["pool_id"])
        parent(call, pool.load_balancer_id)
        self._check_subnet(call, form.subnet_id or None)
        load_balancer = self._changes.begin(call.transaction, pool)
        assert isinstance(pool.resource, Pool)  # noqa: S101 - by the kind
        planting = Planting(call, load_balancer)
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

    def _check_subnet(self, call: Call, subnet_id: str | None) -> None:
        project = None if call.caller.is_admin else call.caller.project_id
        if subnet_id and self._networking_of(call.transaction).subnet(subnet_id, project) is None:
            raise NotFound(f"Subnet {subnet_id} not found.")
