"""All members of a pool in one call. Address and port identify a member that stays."""

from typing import Any

from msgspec import UNSET, structs

from hydria.api.tree_builder import TreeBuilder
from hydria.http.operation import Call
from hydria.model import Member, Pool
from hydria.model.base import change
from hydria.model.faults import invalid_combination
from hydria.model.member import MemberInBatch
from hydria.store import columns

# What a batch resets where its form has no value; names, tags and subnets stay.
_DEFAULTS: dict[str, Any] = {
    "admin_state_up": True,
    "weight": 1,
    "backup": False,
    "monitor_port": None,
    "monitor_address": None,
}


class Batch:
    """The differences between a pool's members and the wanted ones."""

    def __init__(self, call: Call, pool_id: str, forms: list[MemberInBatch], *, additive: bool) -> None:
        """Compare the forms with the stored members. Raises Invalid for a member that has two forms.

        With `additive`, members without a form stay.
        """
        self._call = call
        c = columns(Member)
        stored = call.transaction.find(Member, c.pool_id == pool_id, c.deleted_in.is_(None))
        known = {(member.address, member.protocol_port): member for member in stored}
        self._new: list[MemberInBatch] = []
        self._changed: dict[str, tuple[Member, MemberInBatch]] = {}
        wanted = set()
        for form in forms:
            key = (form.address, form.protocol_port)
            wanted.add(key)
            if key not in known:
                self._new.append(form)
            elif known[key].id in self._changed:
                raise invalid_combination("Member must be updated only once in the same request.")
            else:
                self._changed[known[key].id] = (known[key], form)
        self._others = [member for key, member in known.items() if key not in wanted]
        self._additive = additive

    @property
    def empty(self) -> bool:
        """Whether the pool has no member and gets none."""
        return not (self._new or self._changed or self._others)

    def apply(self, builder: TreeBuilder, pool: Pool) -> None:
        """Save the differences. Raises Forbidden over the quota, Conflict, Invalid."""
        removed = [] if self._additive else self._others
        builder.members(self._new, pool)
        builder.save(removed_members=len(removed))
        call, generation = self._call, builder.parent.generation
        written = []
        for member, form in self._changed.values():
            if form.subnet_id not in (UNSET, None, member.subnet_id):
                builder.check_subnet(form.subnet_id or None)
            for name, default in _DEFAULTS.items():
                if getattr(form, name) is UNSET:
                    setattr(form, name, default)
            # The id and the project of a member cannot be changed.
            form.id = form.project_id = UNSET
            if not form.subnet_id:
                form.subnet_id = UNSET
            written.append(change(member, form, now=call.now, generation=generation))
        written += [structs.replace(member, deleted_in=generation, updated_at=call.now) for member in removed]
        call.transaction.update(*written)
