"""/l7policies/{l7policy_id}/rules: create, read, change, delete."""

from msgspec import structs

from hydria.api.resource import ChildApi
from hydria.api.resource_types import L7_POLICY
from hydria.api.resource_types import L7_RULE as KIND
from hydria.api.tree_builder import TreeBuilder, too_many_rules
from hydria.api.views import LoadedResource
from hydria.http.operation import Call
from hydria.model import L7Policy, L7Rule, l7_checks
from hydria.model.l7_rule import MOST_RULES, L7RuleCreate, L7RuleUpdate
from hydria.store import columns

# Rules of these types have one possible subject, and so no key.
_KEYLESS = ("HOST_NAME", "PATH", "FILE_TYPE")


class L7Rules(ChildApi[L7Rule, L7Policy]):
    """The operations on L7 rules."""

    kind = KIND
    path = "/l7policies/{l7policy_id}/rules"
    create_form = L7RuleCreate
    update_form = L7RuleUpdate
    within = L7_POLICY
    single_list = False

    def build(self, call: Call, builder: TreeBuilder, parent: LoadedResource[L7Policy]) -> L7Rule:
        """Add a rule of the path's policy. Raises a Refusal."""
        rule = builder.l7_rule(call.form, parent.resource)
        c = columns(L7Rule)
        existing = call.transaction.find(L7Rule, c.l7policy_id == parent.resource.id, c.deleted_in.is_(None))
        if len(existing) >= MOST_RULES:
            raise too_many_rules(parent.resource.id)
        return rule

    def settle(self, call: Call, before: L7Rule, after: L7Rule) -> L7Rule:
        """Refuse a rule whose parts do not fit together any more; drop a key that its type does not use."""
        l7_checks.check_rule(after)
        return structs.replace(after, key=None) if after.type in _KEYLESS else after
