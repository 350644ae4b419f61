"""Octavia's checks of L7 policies and rules: actions, redirections and conditions. Pure."""

import re
from typing import Any

from hydria import trials
from hydria.errors import Invalid
from hydria.model.faults import unsupported
from hydria.model.l7_policy import L7Policy
from hydria.model.l7_rule import L7Rule

_TARGETS = {
    "REDIRECT_TO_POOL": "redirect_pool_id",
    "REDIRECT_TO_URL": "redirect_url",
    "REDIRECT_PREFIX": "redirect_prefix",
}

# Characters of a header's name, of a cookie's and of a header's value, and of a quoted value.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+,.^_`|~-]+")
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9!#$%&'()*+,./:<=>?@\[\]^_`{|}~-]+")
_HEADER_VALUE = re.compile(r"[!-~]+")
_QUOTED_VALUE = re.compile(r'"[ \t!-~]*"')
# The type whose value HAProxy compares as a number.
MOST_VERIFY_RESULT = 2**31 - 1
_DN_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def check_listener(protocol: str) -> None:
    """Refuse policies of listeners that do not read requests. Raises Unsupported."""
    if protocol not in ("HTTP", "TERMINATED_HTTPS"):
        raise unsupported(f"{protocol} protocol listeners do not support L7 policies")


def settle(values: dict[str, Any], before: L7Policy | None = None) -> dict[str, Any]:
    """Return a policy's given attributes and those that follow from them: the target of a redirection sets the action.

    `redirect_pool_id` also stands for a pool that is still to be created. `before` is the policy that is updated:
    attributes that are not named and still have a meaning keep their values. Raises Invalid.
    """
    settled = dict(values)
    if "action" in values:
        _clear_for(settled)
    pool, url, prefix = (settled.get(name) for name in _TARGETS.values())
    if pool and (url or prefix):
        raise _policy("Cannot specify redirect_pool_id and redirect_url or redirect_prefix at the same time")
    # The URL wins over the prefix, as in Octavia.
    action = "REDIRECT_TO_POOL" if pool else "REDIRECT_TO_URL" if url else "REDIRECT_PREFIX" if prefix else None
    if action is not None:
        settled["action"] = action
        settled |= {name: None for target, name in _TARGETS.items() if target != action}
        settled["redirect_http_code"] = None if pool else _code(settled, before)
    return settled


def _code(values: dict[str, Any], before: L7Policy | None) -> int:
    """Return the status code of a redirection: the given one, else the one before, else 302."""
    stored = before.redirect_http_code if before is not None and "redirect_http_code" not in values else None
    return values.get("redirect_http_code") or stored or 302


def _clear_for(values: dict[str, Any]) -> None:
    """Refuse an action without its target, and drop the attributes of other actions."""
    action = values["action"]
    if action is None:
        raise Invalid(f"Invalid L7 Policy action specified: {action}")
    if action in _TARGETS and not values.get(_TARGETS[action]):
        raise _policy(f"{_must(action)} must not be None")
    if action in ("REJECT", "REDIRECT_TO_URL"):
        values["redirect_pool_id"] = None
    if action in ("REJECT", "REDIRECT_TO_POOL"):
        values["redirect_url"] = None


def settle_change(before: L7Policy, values: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that an update of a policy sets; an action clears those of others. Raises Invalid."""
    if not values:
        raise _policy("Invalid update options")
    action = values.get("action")
    if action == before.action and action in _TARGETS and not any(name in values for name in _TARGETS.values()):
        # The action is unchanged, so its target stays.
        values = {**values, _TARGETS[action]: getattr(before, _TARGETS[action])}
    settled = settle(values, before)
    action = settled.get("action")
    if action is not None:
        settled |= {name: None for target, name in _TARGETS.items() if target != action}
        if action in ("REJECT", "REDIRECT_TO_POOL"):
            settled["redirect_http_code"] = None
    return settled


def check_target(policy: L7Policy) -> None:
    """Refuse a policy that has lost the target of its redirection. Raises Invalid."""
    if policy.action in _TARGETS and not getattr(policy, _TARGETS[policy.action]):
        raise _policy(f"{_must(policy.action)} must not be None")


def _must(action: str) -> str:
    return "redirect_pool_id or redirect_pool" if action == "REDIRECT_TO_POOL" else _TARGETS[action]


def _policy(message: str) -> Invalid:
    return Invalid(f"Invalid L7 Policy arguments: {message}")


def check_rule(rule: L7Rule) -> None:
    """Refuse a rule whose type, comparison, key and value do not fit together. Raises Invalid."""
    if not rule.value:
        raise _rule("L7 rule type requires a value")
    if rule.type in ("HEADER", "COOKIE"):
        if not rule.key:
            raise _rule("L7 rule type requires a key")
        if not _NAME.fullmatch(rule.key):
            raise _error("Invalid characters in key")
        _check_value(rule, "cookie value" if rule.type == "COOKIE" else "header value")
    elif rule.type in ("HOST_NAME", "PATH"):
        _check_value(rule, "comparison value")
    elif rule.type == "FILE_TYPE":
        if rule.compare_type not in ("REGEX", "EQUAL_TO"):
            raise _rule("invalid comparison type for rule type")
        _check_value(rule, "comparison value")
    elif rule.type in ("SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD"):
        _check_tls(rule)
    else:
        raise _rule("invalid rule type")


def _check_value(rule: L7Rule, what: str) -> None:
    if rule.compare_type == "REGEX":
        _check_regex(rule)
        return
    if rule.compare_type not in ("STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO"):
        raise _rule("invalid comparison type for rule type")
    if what == "cookie value":
        fits = _COOKIE_VALUE.fullmatch(rule.value)
    else:
        fits = _HEADER_VALUE.fullmatch(rule.value) or _QUOTED_VALUE.fullmatch(rule.value)
    if not fits:
        raise _error(f"Invalid characters in {what}")


def _check_regex(rule: L7Rule) -> None:
    try:
        re.compile(rule.value)
    except (re.error, OverflowError, RecursionError) as error:
        raise _error(f"Unable to parse regular expression: {error}") from None
    # Octavia checks no more than this, but HAProxy's regular expressions differ from Python's.
    fault = trials.expression_fault(rule.value, caseless=rule.type == "HOST_NAME")
    if fault is not None:
        raise _error(f"Unable to parse regular expression: {fault} (PCRE2)")


def _check_tls(rule: L7Rule) -> None:
    if rule.type == "SSL_DN_FIELD":
        _check_field(rule)
        return
    if rule.key:
        raise _rule(f'L7rule type {rule.type} does not use the "key" field.')
    if rule.type == "SSL_CONN_HAS_CERT" and rule.value.lower() != "true":
        raise _rule(f"L7rule value {rule.value} is not a boolean True string.")
    if rule.type == "SSL_VERIFY_RESULT":
        if not (rule.value.isascii() and rule.value.isdigit()):
            raise _rule(f"L7rule type {rule.type} needs a int value, which is >= 0")
        if int(rule.value) > MOST_VERIFY_RESULT:
            raise _rule(f"L7rule type {rule.type} needs a int value, which is <= {MOST_VERIFY_RESULT}")
    if rule.compare_type != "EQUAL_TO":
        raise _rule(f"L7rule type {rule.type} only supports the EQUAL_TO compare type.")


def _check_field(rule: L7Rule) -> None:
    if rule.compare_type == "REGEX":
        _check_regex(rule)
    if not rule.key:
        raise _rule(f"L7rule type {rule.type} needs to specify a key and a value.")
    if not _DN_FIELD.fullmatch(rule.key):
        raise _rule("Invalid L7rule distinguished name field.")


def _rule(message: str) -> Invalid:
    return _error(f"Invalid L7 Rule: {message}")


def _error(message: str) -> Invalid:
    return Invalid(f"Error parsing L7Rule: {message}")
