"""/l7policies/{l7policy_id}/rules: create, read, change, delete."""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from hydria.api.access import missing, permitted
from hydria.api.listing import listing
from hydria.api.resource import ResourceApi
from hydria.api.resource_types import L7_POLICY
from hydria.api.resource_types import L7_RULE as KIND
from hydria.api.tree_builder import too_many_rules
from hydria.api.views import LoadedResource
from hydria.http.operation import Call, Operation
from hydria.model import L7Policy, L7Rule, Resource, l7_checks
from hydria.model.l7_rule import MOST_RULES, L7RuleCreate, L7RuleUpdate
from hydria.store import Transaction, columns

# Types that look at one thing, which needs no name.
_KEYLESS = ("HOST_NAME", "PATH", "FILE_TYPE")


class L7Rules(ResourceApi):
    """The operations on L7 rules."""

    kind = KIND
    path = "/l7policies/{l7policy_id}/rules"
    create_form = L7RuleCreate
    update_form = L7RuleUpdate
    listed_alone = False

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, which look at the policy first."""
        return tuple(structs.replace(each, check_path=_check_policy) for each in super().operations())

    def create(self, call: Call) -> LoadedResource:
        """Make a rule of the path's policy."""
        form: L7RuleCreate = call.form
        policy = permitted(call, L7_POLICY, call.path["l7policy_id"])
        load_balancer = self._changes.count(call.transaction, policy)
        assert isinstance(policy.resource, L7Policy)  # noqa: S101 - by the kind
        builder = self.builder(call, load_balancer)
        rule = builder.l7_rule(form, policy.resource)
        c = columns(L7Rule)
        there = call.transaction.find(L7Rule, c.l7policy_id == policy.resource.id, c.deleted_in.is_(None))
        if len(there) >= MOST_RULES:
            raise too_many_rules(policy.resource.id)
        builder.save()
        self._changes.check(policy)
        return builder.load(KIND, rule.id)

    def changed(self, resource: Resource) -> Resource:
        """Refuse a rule whose parts do not fit together any more; drop a key that its type does not use."""
        assert isinstance(resource, L7Rule)  # noqa: S101 - by the kind
        l7_checks.check_rule(resource)
        return structs.replace(resource, key=None) if resource.type in _KEYLESS else resource

    def check_path(self, call: Call, loaded: LoadedResource) -> LoadedResource:
        """Return the rule if it is the policy's that the path names. Raises NotFound."""
        assert isinstance(loaded.resource, L7Rule)  # noqa: S101 - by the kind
        if loaded.resource.l7policy_id != call.path["l7policy_id"]:
            raise missing(KIND, loaded.resource.id)
        return loaded

    def _list(self, call: Call) -> Any:
        policy = permitted(call, L7_POLICY, call.path["l7policy_id"])
        return listing(call, KIND, columns(L7Rule).l7policy_id == policy.resource.id)


def _check_policy(transaction: Transaction, path: Mapping[str, str]) -> None:
    """Refuse a path below a policy that is not there. Raises NotFound."""
    if transaction.get(L7Policy, path["l7policy_id"]) is None:
        raise missing(L7_POLICY, path["l7policy_id"])
