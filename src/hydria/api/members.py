"""/pools/{pool_id}/members: create, read, change, delete; all at once by a batch."""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from hydria.api.access import missing, permitted, refused
from hydria.api.etags import heed, members_tag
from hydria.api.listing import listing
from hydria.api.member_batch import Batch
from hydria.api.resource import ResourceApi
from hydria.api.resource_types import MEMBER as KIND
from hydria.api.resource_types import POOL
from hydria.api.views import LoadedResource
from hydria.http.operation import Call, Operation, Reply
from hydria.model import Member, Pool
from hydria.model.member import MemberBatch, MemberCreate, MemberInBatch, MemberUpdate
from hydria.store import Transaction, columns


class Members(ResourceApi):
    """The operations on members."""

    kind = KIND
    path = "/pools/{pool_id}/members"
    create_form = MemberCreate
    update_form = MemberUpdate
    listed_alone = False

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, the batch among them."""
        batch = Operation(
            method="PUT", path=self.path, work=self._batch, form=MemberBatch, status=202, rule=KIND.rule("put")
        )
        return tuple(structs.replace(each, check_path=_check_pool) for each in (*super().operations(), batch))

    def create(self, call: Call) -> LoadedResource:
        """Make a member of the path's pool."""
        form: MemberCreate = call.form
        pool = permitted(call, POOL, call.path["pool_id"])
        load_balancer = self._changes.count(call.transaction, pool)
        assert isinstance(pool.resource, Pool)  # noqa: S101 - by the kind
        builder = self.builder(call, load_balancer)
        member = builder.new_member(form, pool.resource)
        builder.save()
        self._changes.check(pool)
        return builder.load(KIND, member.id)

    def check_path(self, call: Call, loaded: LoadedResource) -> LoadedResource:
        """Return the member if it is the pool's that the path names. Raises NotFound."""
        assert isinstance(loaded.resource, Member)  # noqa: S101 - by the kind
        if loaded.resource.pool_id != call.path["pool_id"]:
            raise missing(KIND, loaded.resource.id)
        return loaded

    def _batch(self, call: Call) -> None:
        """Make the pool's members the given ones; with `additive_only`, the others stay."""
        forms: list[MemberInBatch] = call.form.members
        additive = call.query.flag("additive_only")
        pool = permitted(call, POOL, call.path["pool_id"])
        for action in ("post",) if additive else ("post", "delete"):
            if not call.may(KIND.rule(action), pool.resource.project_id):
                raise refused(call, pool)
        heed(call, members_tag(call.transaction, pool.resource.id))
        batch = Batch(call, pool.resource.id, forms, additive=additive)
        if not batch.empty:
            load_balancer = self._changes.bump_generation(call.transaction, pool)
            assert isinstance(pool.resource, Pool)  # noqa: S101 - by the kind
            batch.apply(self.builder(call, load_balancer), pool.resource, load_balancer.generation)

    def _list(self, call: Call) -> Any:
        pool = permitted(call, POOL, call.path["pool_id"])
        shown = listing(call, KIND, columns(Member).pool_id == pool.resource.id)
        return Reply(body=shown, headers={"ETag": members_tag(call.transaction, pool.resource.id)})


def _check_pool(transaction: Transaction, path: Mapping[str, str]) -> None:
    """Refuse a path below a pool that is not there. Raises NotFound."""
    if transaction.get(Pool, path["pool_id"]) is None:
        raise missing(POOL, path["pool_id"])
