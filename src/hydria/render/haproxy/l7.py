"""L7 policies as rules of a frontend: reject, redirect, or use another pool. Pure."""

import re
from collections.abc import Iterable

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

# The sample fetch of a rule type; `{}` is the rule's key. Types that are not here use several.
_FETCHES = {
    "COOKIE": "req.cook({})",
    "SSL_DN_FIELD": "ssl_c_s_dn({})",
    "SSL_CONN_HAS_CERT": "ssl_c_used",
    "SSL_VERIFY_RESULT": "ssl_c_verify",
}

# A whole header line, and its elements between commas.
_WHOLE_HEADER, _HEADER_ELEMENT = "req.fhdr({})", "req.hdr({})"

# Headers whose value is no list, but may contain commas.
_SINGLE_HEADERS = frozenset({
    "authorization", "cookie", "date", "expires", "from", "host", "if-modified-since", "if-range",
    "if-unmodified-since", "last-modified", "location", "origin", "proxy-authorization", "referer", "user-agent",
})  # fmt: skip
# Headers that are lists by their definition.
_LIST_HEADERS = frozenset({
    "accept", "accept-charset", "accept-encoding", "accept-language", "access-control-request-headers", "allow",
    "cache-control", "connection", "content-encoding", "content-language", "expect", "forwarded", "if-match",
    "if-none-match", "pragma", "prefer", "sec-websocket-extensions", "sec-websocket-protocol", "te", "trailer",
    "transfer-encoding", "upgrade", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
    "x-forwarded-proto",
})  # fmt: skip

_WHOLE_HOST, _HOST_WITHOUT_PORT = "req.fhdr(host)", "req.fhdr(host),host_only,rtrim(.)"

# A path as the client wrote it, and as it is after normalisation.
_PATH, _NORMALISED_PATH = "path", "var(txn.normalised_path)"
# The type is the part behind the last dot of a path; without a dot that is the path from a slash on.
_FILE_TYPE = ",field(-1,.)"

# Letters are decoded first, because they may be dots. The request keeps its path; only the variable has the result.
_NORMALISE = (
    "http-request set-var(txn.asked_path) pathq",
    "http-request normalize-uri percent-decode-unreserved",
    "http-request normalize-uri path-strip-dot",
    "http-request normalize-uri path-merge-slashes",
    "http-request normalize-uri path-strip-dotdot full",
    "http-request set-var(txn.normalised_path) path",
    "http-request set-pathq %[var(txn.asked_path)]",
)

# Texts with a colon that is not before a port: groups and classes of expressions, addresses in brackets.
_NO_PORT = re.compile(r"\(\?[A-Za-z-]*:|\[:\w+:\]|\[\^[^\]]*\]|\\?\[[0-9A-Fa-f:.]*\\?\]")


def policy_lines(tree: Tree, listener: Listener, *, normalise: bool = False) -> list[str]:
    """Return the rules of a listener's policies, in the order of Octavia's amphora provider.

    Policies that reject come first, then those that redirect, then those that use a pool; each group is in the order
    of positions. A policy matches nothing unless one of its rules is switched on. With `normalise`, rules compare
    normalised paths; members get the path that the client sent.
    """
    policies = [policy for policy in tree.policies_of(listener.id) if tree.matches(policy)]
    conditions = {policy.id: _condition(tree, policy) for policy in policies}
    rules = [rule for policy in policies for rule in tree.active_rules_of(policy)]
    normalise = normalise and any(rule.type in ("PATH", "FILE_TYPE") for rule in rules)
    path = _NORMALISED_PATH if normalise else _PATH
    lines = [line for rule in rules for line in _definition(rule, path)]
    lines += _NORMALISE if normalise else ()
    for policy in in_order(policies):
        action = _action(tree, listener, policy)
        if action is not None:
            lines.append(f"{action} if {conditions[policy.id]}")
    return lines


def in_order(policies: Iterable[L7Policy]) -> list[L7Policy]:
    """Return policies, given by position, in the order in which they are asked."""
    # The sort is stable, so positions keep their order.
    return sorted(policies, key=lambda each: _PRECEDENCE[each.action])


def fetches_of(rule: L7Rule, *, normalise: bool = False) -> list[str]:
    """Return the sample fetches that a rule's value is compared with; `{}` stands for its key."""
    return _fetches(rule, value_of(rule), _NORMALISED_PATH if normalise else _PATH)


def _action(tree: Tree, listener: Listener, policy: L7Policy) -> str | None:
    if policy.action == "REJECT":
        return "http-request deny"
    if policy.action == "REDIRECT_TO_POOL":
        pool = tree.active_pool(policy.redirect_pool_id)
        return f"use_backend {backend_name(pool, listener)}" if pool is not None else None
    return f"http-request redirect {_target(policy)}"


def _condition(tree: Tree, policy: L7Policy) -> str:
    return " ".join(f"{'!' if rule.invert else ''}{rule.id}" for rule in tree.active_rules_of(policy))


def _target(policy: L7Policy) -> str:
    code = policy.redirect_http_code or 302
    if policy.action == "REDIRECT_TO_URL":
        return f"code {code} location {literal(policy.redirect_url or '/')}"
    return f"code {code} prefix {literal(policy.redirect_prefix or '/')}"


def _definition(rule: L7Rule, path: str) -> list[str]:
    """Return the acl lines of a rule; lines of one name are alternatives."""
    return [f"acl {rule.id} {test}" for test in _tests(rule, path)]


def _tests(rule: L7Rule, path: str) -> list[str]:
    if rule.type == "SSL_CONN_HAS_CERT":
        return [_FETCHES[rule.type]]
    if rule.type == "SSL_VERIFY_RESULT":
        return [f"{_FETCHES[rule.type]} -m int {int(rule.value)}"]
    value = value_of(rule)
    # Host names are compared without case. The dashes keep a value from being parsed as a flag.
    flags = "-i " if rule.type == "HOST_NAME" else ""
    wanted = f"{flags}-m {_MATCHES[rule.compare_type]} -- {quote(value)}"
    fetches = (each.replace("{}", argument(rule.key or "")) for each in _fetches(rule, value, path))
    return [f"{quote(fetch)} {wanted}" for fetch in fetches]


def _fetches(rule: L7Rule, value: str, path: str) -> list[str]:
    """Return the sample fetches that a rule's value is compared with; one of them must match."""
    if rule.type == "HEADER":
        return _header_fetches(rule.compare_type, (rule.key or "").lower())
    if rule.type == "HOST_NAME":
        return [_WHOLE_HOST if ":" in _NO_PORT.sub("", value) else _HOST_WITHOUT_PORT]
    if rule.type == "FILE_TYPE":
        # An expression may match the type or, as in Octavia, the end of the path.
        return [path + _FILE_TYPE, path] if rule.compare_type == "REGEX" else [path + _FILE_TYPE]
    if rule.type == "PATH":
        return [path]
    return [_FETCHES[rule.type]]


def _header_fetches(compare_type: str, name: str) -> list[str]:
    """Return the sample fetches of a header: its whole value, and its elements where it is or may be a list.

    The beginning and the end of elements count only in headers that are known to be lists, because a comma in another
    one may be part of a sentence. The whole value contains whatever an element contains.
    """
    if compare_type == "CONTAINS" or name in _SINGLE_HEADERS:
        return [_WHOLE_HEADER]
    if compare_type in ("STARTS_WITH", "ENDS_WITH") and name not in _LIST_HEADERS:
        return [_WHOLE_HEADER]
    return [_WHOLE_HEADER, _HEADER_ELEMENT]


def value_of(rule: L7Rule) -> str:
    """Return the value that a rule compares, without Octavia's notation."""
    value = rule.value
    if rule.compare_type == "REGEX":
        return value
    # Octavia's notation of a value with spaces.
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if rule.type == "HOST_NAME" and rule.compare_type in ("EQUAL_TO", "ENDS_WITH"):
        # The dot of the root is not part of a Host header.
        return value.rstrip(".") or value
    return value.removeprefix(".") if rule.type == "FILE_TYPE" else value
