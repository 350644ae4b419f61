"""Prints the rights of each role by Octavia's own policy, as JSON; run by the Python of Octavia's environment.

`rights.py > tests/api/recorded_rights.json`. By set of defaults (`new`, and `legacy` with deprecated rules), rule
and role: "all" for resources of all projects, "own" for those of the role's project; roles without rights are left out.
"""

import json
import sys

from octavia import policies
from octavia.common import policy
from oslo_config import cfg
from oslo_policy import opts

LEGACY = [f"load-balancer_{name}" for name in ("admin", "global_observer", "member", "observer", "quota_admin")]
ROLES = ("admin", "member", "reader", "service", "guest", *LEGACY)
OWN, FOREIGN = "p-own", "p-foreign"


def main() -> None:
    """Evaluate every rule and role with Octavia's enforcer."""
    found = {}
    for name, new in (("new", True), ("legacy", False)):
        conf = cfg.ConfigOpts()
        opts._register(conf)
        conf([], project="octavia", default_config_files=[], default_config_dirs=[])
        conf.set_override("enforce_new_defaults", new, group="oslo_policy")
        enforcer = policy.Policy(conf, use_conf=True)
        enforcer.suppress_deprecation_warnings = True
        found[name] = {rule.name: _who(enforcer, rule.name) for rule in policies.list_rules() if _asked(rule.name)}
    sets = []
    for name, rules in sorted(found.items()):
        lines = ",\n".join(f"  {json.dumps(rule)}: {json.dumps(who)}" for rule, who in sorted(rules.items()))
        sets.append(f' "{name}": {{\n{lines}\n }}')
    sys.stdout.write("{\n" + ",\n".join(sets) + "\n}\n")


def _asked(rule: str) -> bool:
    return rule.startswith("os_load-balancer_api:")


def _who(enforcer, rule):
    allowed = {}
    for role in ROLES:
        credentials = {"roles": [role], "project_id": OWN, "user_id": "u", "is_admin": False}
        credentials["is_admin"] = enforcer.enforce("context_is_admin", credentials, credentials)
        if enforcer.enforce(rule, {"project_id": FOREIGN}, credentials):
            allowed[role] = "all"
        elif enforcer.enforce(rule, {"project_id": OWN}, credentials):
            allowed[role] = "own"
    return dict(sorted(allowed.items()))


if __name__ == "__main__":
    main()
