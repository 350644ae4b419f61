"""L7 policies as a frontend's rules: who is rejected, who is redirected, who goes to another pool. Pure."""

from hydria.model import L7Policy, L7Rule, Listener, Tree
from hydria.render.haproxy.parts import backend_name
from hydria.render.quoting import argument, literal, quote

_MATCHES = {
    "REGEX": "reg",
    "STARTS_WITH": "beg",
    "ENDS_WITH": "end",
    "CONTAINS": "sub",
    "EQUAL_TO": "str",
}

_PRECEDENCE = {"REJECT": 0, "REDIRECT_TO_URL": 1, "REDIRECT_PREFIX": 1, "REDIRECT_TO_POOL": 2}

# What a rule looks at; `{}` is its key. Behind a path's last dot is its type: one without a dot begins with a slash.
_FETCHES = {
    "HOST_NAME": "req.hdr(host)",
    "PATH": "path",
    "FILE_TYPE": "path,field(-1,.)",
    "HEADER": "req.hdr({})",
    "COOKIE": "req.cook({})",
    "SSL_DN_FIELD": "ssl_c_s_dn({})",
    "SSL_CONN_HAS_CERT": "ssl_c_used",
    "SSL_VERIFY_RESULT": "ssl_c_verify",
}


def policy_lines(tree: Tree, listener: Listener) -> list[str]:
    """Return the rules of a listener's policies, in the order of Octavia's amphora provider.

    Policies that reject come first, then those that redirect, then those that choose a pool; within each the position
    counts. A policy without a rule that is switched on matches nothing.
    """
    policies = [policy for policy in tree.policies_of(listener.id) if tree.matches(policy)]
    conditions = {policy.id: _condition(tree, policy) for policy in policies}
    lines = [_definition(rule) for policy in policies for rule in tree.active_rules_of(policy)]
    # Sorting keeps the positions.
    for policy in sorted(policies, key=lambda each: _PRECEDENCE[each.action]):
        action = _action(tree, listener, policy)
        if action is not None:
            lines.append(f"{action} if {conditions[policy.id]}")
    return lines


def _action(tree: Tree, listener: Listener, policy: L7Policy) -> str | None:
    if policy.action == "REJECT":
        return "http-request deny"
    if policy.action == "REDIRECT_TO_POOL":
        pool = tree.pool(policy.redirect_pool_id)
        return f"use_backend {backend_name(pool, listener)}" if pool is not None and pool.admin_state_up else None
    return f"http-request redirect {_target(policy)}"


def _condition(tree: Tree, policy: L7Policy) -> str:
    return " ".join(f"{'!' if rule.invert else ''}{rule.id}" for rule in tree.active_rules_of(policy))


def _target(policy: L7Policy) -> str:
    code = policy.redirect_http_code or 302
    if policy.action == "REDIRECT_TO_URL":
        return f"code {code} location {literal(policy.redirect_url or '/')}"
    return f"code {code} prefix {literal(policy.redirect_prefix or '/')}"


def _definition(rule: L7Rule) -> str:
    return f"acl {rule.id} {_test(rule)}"


def _test(rule: L7Rule) -> str:
    fetch = quote(_FETCHES[rule.type].replace("{}", argument(rule.key or "")))
    if rule.type == "SSL_CONN_HAS_CERT":
        return fetch
    if rule.type == "SSL_VERIFY_RESULT":
        return f"{fetch} -m int {int(rule.value)}"
    # Host names have no case; the dashes keep a value from being read as a flag.
    flags = "-i " if rule.type == "HOST_NAME" else ""
    return f"{fetch} {flags}-m {_MATCHES[rule.compare_type]} -- {quote(_value(rule))}"


def _value(rule: L7Rule) -> str:
    value = rule.value
    if rule.compare_type == "REGEX":
        return value
    # Octavia's way to give a value with spaces.
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return value.removeprefix(".") if rule.type == "FILE_TYPE" else value
