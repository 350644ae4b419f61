"""/pools/{pool_id}/members: create, read, change, delete; replace all in one call."""

from typing import Any

from hydria.api.access import permitted, refused
from hydria.api.etags import members_tag
from hydria.api.member_batch import Batch
from hydria.api.resource import ChildApi
from hydria.api.resource_types import MEMBER as KIND
from hydria.api.resource_types import POOL
from hydria.api.tree_builder import ParentContext, TreeBuilder
from hydria.api.views import LoadedResource
from hydria.http.operation import Call, Operation, Reply
from hydria.model import Member, Pool
from hydria.model.member import MemberBatch, MemberCreate, MemberInBatch, MemberUpdate


class Members(ChildApi[Member, Pool]):
    """The operations on members."""

    kind = KIND
    path = "/pools/{pool_id}/members"
    create_form = MemberCreate
    update_form = MemberUpdate
    within = POOL
    single_list = False

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, the batch among them."""
        batch = Operation(
            method="PUT",
            path=self.path,
            on="collection",
            shows=KIND,
            work=self._batch,
            tag=_batch_tag,
            form=MemberBatch,
            status=202,
            rule=KIND.rule("put"),
            check_path=self._check_path,
        )
        return (*super().operations(), batch)

    def build(self, call: Call, builder: TreeBuilder, parent: LoadedResource[Pool]) -> Member:
        """Add a member of the path's pool. Raises a Refusal."""
        return builder.new_member(call.form, parent.resource)

    def _batch(self, call: Call) -> None:
        """Replace the pool's members by the given ones; with `additive_only`, the other members stay."""
        forms: list[MemberInBatch] = call.form.members
        loaded = _replaceable(call)
        batch = Batch(call, loaded.resource.id, forms, additive=call.query.flag("additive_only"))
        if not batch.empty:
            load_balancer = self._changes.bump_generation(call.transaction, loaded)
            batch.apply(self.builder(call, ParentContext.of(load_balancer)), loaded.resource)

    def _list(self, call: Call) -> Any:
        return Reply(body=super()._list(call), tag=members_tag(call.transaction, call.path["pool_id"]))


def _replaceable(call: Call) -> LoadedResource[Pool]:
    """Return the pool whose members the caller may replace. Raises NotFound, Forbidden."""
    pool = permitted(call, POOL, call.path["pool_id"])
    actions = ("post",) if call.query.flag("additive_only") else ("post", "delete")
    for action in actions:
        if not call.may(KIND.rule(action), pool.resource.project_id):
            raise refused(call, pool)
    return pool


def _batch_tag(call: Call) -> str:
    return members_tag(call.transaction, _replaceable(call).resource.id)
