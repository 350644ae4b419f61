"""Octavia's policy by oslo.policy: the same rule names, so that operators' policy files carry over."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from hydria.api.policy_file import overrides
from hydria.model.caller import Caller

_BASE = {
    "context_is_admin": "role:admin",
    "project-member": "role:member and project_id:%(project_id)s",
    "project-reader": "role:reader and project_id:%(project_id)s",
    "service": "role:service",
    "load-balancer:admin": "is_admin:True or role:admin",
    "load-balancer:global_observer": "role:admin",
    "load-balancer:member_and_owner": "rule:project-member",
    "load-balancer:observer_and_owner": "rule:project-reader",
    "load-balancer:quota-admin": "role:admin",
    "load-balancer:owner": "project_id:%(project_id)s",
    "load-balancer:read": (
        "rule:load-balancer:observer_and_owner or rule:load-balancer:global_observer or "
        "rule:load-balancer:member_and_owner or rule:load-balancer:admin"
    ),
    "load-balancer:read-global": "rule:load-balancer:global_observer or rule:load-balancer:admin",
    "load-balancer:write": "rule:load-balancer:member_and_owner or rule:load-balancer:admin",
    "load-balancer:read-quota": (
        "rule:load-balancer:observer_and_owner or rule:load-balancer:global_observer or "
        "rule:load-balancer:member_and_owner or rule:load-balancer:quota-admin or rule:load-balancer:admin"
    ),
    "load-balancer:read-quota-global": (
        "rule:load-balancer:global_observer or rule:load-balancer:quota-admin or rule:load-balancer:admin"
    ),
    "load-balancer:write-quota": "rule:load-balancer:quota-admin or rule:load-balancer:admin",
}

# What Octavia allows in addition with its older defaults: `or`ed to the rule of that name.
_LEGACY = {
    "context_is_admin": "role:load-balancer_admin",
    "load-balancer:admin": "role:load-balancer_admin",
    "load-balancer:global_observer": "role:load-balancer_global_observer",
    "load-balancer:member_and_owner": "role:load-balancer_member and rule:load-balancer:owner",
    "load-balancer:observer_and_owner": "role:load-balancer_observer and rule:load-balancer:owner",
    "load-balancer:quota-admin": "role:load-balancer_quota_admin",
}

_READ, _GLOBAL, _WRITE, _ADMIN = (f"rule:load-balancer:{name}" for name in ("read", "read-global", "write", "admin"))
_RESOURCE = {
    "get_all": _READ,
    "get_all-global": _GLOBAL,
    "get_one": _READ,
    "post": _WRITE,
    "put": _WRITE,
    "delete": _WRITE,
}
_READ_QUOTA, _WRITE_QUOTA = "rule:load-balancer:read-quota", "rule:load-balancer:write-quota"
# Resources that admins make and all users see, and resources that only admins see.
_OFFER = {"get_all": _READ, "get_one": _READ, "post": _ADMIN, "put": _ADMIN, "delete": _ADMIN}
_PROFILE = dict.fromkeys(_OFFER, _ADMIN)

# How many decisions are cached.
_CACHED = 4096

PREFIX = "os_load-balancer_api:"

_RULES: dict[str, dict[str, str]] = {
    "loadbalancer": {
        **_RESOURCE,
        "post:vip_sg_ids": _WRITE,
        "put:vip_sg_ids": _WRITE,
        "get_stats": _READ,
        "get_status": _READ,
        "put_failover": _ADMIN,
        # Hydria's own.
        "post:id": _ADMIN,
        "get_revisions": _READ,
        "put_rollback": _WRITE,
        "get_explain": _READ,
        "post_explain": _READ,
    },
    "listener": {**_RESOURCE, "get_stats": _READ},
    "pool": _RESOURCE,
    "member": {**_RESOURCE, "get_all": f"{_READ} or rule:service"},
    "healthmonitor": _RESOURCE,
    "l7policy": _RESOURCE,
    "l7rule": _RESOURCE,
    "provider": {"get_all": _READ},
    "provider-flavor": {"get_all": _ADMIN},
    "provider-availability-zone": {"get_all": _ADMIN},
    "quota": {
        "get_all": _READ_QUOTA,
        "get_all-global": "rule:load-balancer:read-quota-global",
        "get_one": _READ_QUOTA,
        "put": _WRITE_QUOTA,
        "delete": _WRITE_QUOTA,
        "get_defaults": _READ_QUOTA,
    },
    "flavor": _OFFER,
    "flavor-profile": _PROFILE,
    "availability-zone": _OFFER,
    "availability-zone-profile": _PROFILE,
    "amphora": dict.fromkeys(("get_all", "get_one", "delete", "put_config", "put_failover", "get_stats"), _ADMIN),
    # Hydria's own: Octavia does not know hosts.
    "host": dict.fromkeys(
        ("get_all", "get_one", "delete", "put_drain", "put_enable", "put_disable", "post_invitation"), _ADMIN
    ),
}


class OctaviaPolicy:
    """Decides by Octavia's rules. A policy file replaces single rules, as in Octavia."""

    def __init__(
        self, policy_file: Path | None = None, *, legacy_roles: bool = False, hide_foreign: bool = False
    ) -> None:
        """Read the rules. Raises SettingsError.

        `legacy_roles` adds the load-balancer_* roles. `hide_foreign` answers 404, not 403, for resources of other
        projects.
        """
        self.hides_foreign = hide_foreign
        rules = default_rules(legacy_roles=legacy_roles)
        if policy_file is not None:
            rules |= overrides(policy_file, known=rules)
        conf = cfg.ConfigOpts()
        conf([], project="hydria", default_config_files=[], default_config_dirs=[])
        self._enforcer = policy.Enforcer(conf, use_conf=False)
        self._enforcer.set_rules(policy.Rules.from_dict(rules), use_conf=False)
        # The rules do not change, so decisions can be cached, unless a rule asks another server.
        remote = any("http:" in check or "https:" in check for check in rules.values())
        self._decide = self._enforce if remote else lru_cache(_CACHED)(self._enforce)

    def allows(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        """Return whether a rule lets a caller act on a resource of a project."""
        return self._decide(rule, caller.roles, caller.project_id, caller.user_id, project_id)

    def _enforce(
        self, rule: str, roles: frozenset[str], own_project: str | None, user_id: str, project_id: str | None
    ) -> bool:
        credentials: dict[str, Any] = {"roles": list(roles), "project_id": own_project, "user_id": user_id}
        credentials["is_admin"] = bool(self._enforcer.enforce("context_is_admin", credentials, credentials))
        return bool(self._enforcer.enforce(rule, {"project_id": project_id}, credentials))


def default_rules(*, legacy_roles: bool = False) -> dict[str, str]:
    """Return all rules with their default checks."""
    rules = dict(_BASE)
    if legacy_roles:
        rules |= {name: f"({rules[name]}) or ({check})" for name, check in _LEGACY.items()}
    for resource, actions in _RULES.items():
        rules |= {f"{PREFIX}{resource}:{action}": check for action, check in actions.items()}
    return rules
