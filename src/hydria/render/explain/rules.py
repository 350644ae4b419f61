"""Why an L7 rule matches a request or not, by the conditions that HAProxy gets (`render.haproxy.l7`). Pure."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from hydria import trials
from hydria.model import L7Policy, L7Rule, Tree
from hydria.model.sentences import Sentence, Words, say
from hydria.render.explain.request import Request, samples
from hydria.render.haproxy.l7 import fetches_of, value_of

# The sentences of a comparison that holds, and of one that does not.
_CODES = {
    "EQUAL_TO": ("equals", "equals_not"),
    "STARTS_WITH": ("starts_with", "starts_not"),
    "ENDS_WITH": ("ends_with", "ends_not"),
    "CONTAINS": ("contains", "contains_not"),
    "REGEX": ("matches", "matches_not"),
}
# What a rule looks at; `name` is the rule's key.
_SUBJECTS = {
    "HOST_NAME": "host_name",
    "PATH": "path",
    "FILE_TYPE": "file_type",
    "HEADER": "header",
    "COOKIE": "cookie",
    "SSL_DN_FIELD": "certificate_field",
}


class RuleResult(Struct, frozen=True, kw_only=True):
    """A rule with whether it matches (inversion counted), the values that it compared, and why."""

    rule: L7Rule
    matched: bool
    seen: tuple[str, ...]
    words: Words


class PolicyResult(Struct, frozen=True, kw_only=True):
    """A policy with whether it matches, and its active rules."""

    policy: L7Policy
    matched: bool
    sentence: Sentence
    rules: tuple[RuleResult, ...]


def judge_policy(tree: Tree, policy: L7Policy, request: Request, *, normalise: bool) -> PolicyResult:
    """Return whether a request matches a policy, and why."""
    active = tree.active_rules_of(policy)
    rules = tuple(judge_rule(rule, request, normalise=normalise) for rule in active)
    matched = tree.matches(policy) and all(each.matched for each in rules)
    if not policy.admin_state_up:
        sentence = say("policy_off")
    elif not active:
        sentence = say("policy_empty")
    elif matched:
        sentence = say("rule_matches" if len(rules) == 1 else "rules_match")
    else:
        failing = sum(not each.matched for each in rules)
        sentence = say("rule_fails" if failing == 1 else "rules_fail", failing=failing, all=len(rules))
    return PolicyResult(policy=policy, matched=matched, sentence=sentence, rules=rules)


def judge_rule(rule: L7Rule, request: Request, *, normalise: bool) -> RuleResult:
    """Return whether a request matches a rule, and why."""
    if rule.type == "SSL_CONN_HAS_CERT":
        seen = samples(request, "ssl_c_used", "")
        return _result(rule, bool(seen), seen, say("certificate_shown" if seen else "certificate_missing"))
    if rule.type == "SSL_VERIFY_RESULT":
        return _verified(rule, samples(request, "ssl_c_verify", ""))
    value = value_of(rule)
    found: list[str] = []
    for fetch in fetches_of(rule, normalise=normalise):
        found += samples(request, fetch, rule.key or "")
    seen = list(dict.fromkeys(found))
    compare = _comparison(rule, value)
    matching = [each for each in seen if compare(each)]
    subject = say(_SUBJECTS[rule.type], **({"name": rule.key} if rule.key else {}))
    if not seen:
        return _result(rule, False, seen, say("absent", subject=subject))
    code = _CODES[rule.compare_type][0 if matching else 1]
    shown = matching[0] if matching else seen[0]
    return _result(rule, bool(matching), seen, say(code, subject=subject, shown=shown, value=value))


def _verified(rule: L7Rule, seen: Sequence[str]) -> RuleResult:
    wanted = int(rule.value)
    if not seen:
        return _result(rule, False, seen, say("no_tls"))
    matched = seen[0] == str(wanted)
    sentence = say("verified" if matched else "verified_not", result=seen[0], wanted=wanted)
    return _result(rule, matched, seen, sentence)


def _result(rule: L7Rule, matched: bool, seen: Sequence[str], sentence: Sentence) -> RuleResult:
    words = (sentence, say("inverted")) if rule.invert else (sentence,)
    return RuleResult(rule=rule, matched=matched != rule.invert, seen=tuple(seen), words=words)


def _comparison(rule: L7Rule, value: str) -> Callable[[str], bool]:
    caseless = rule.type == "HOST_NAME"
    if rule.compare_type == "REGEX":
        return lambda text: trials.expression_matches(value, text, caseless=caseless)
    wanted = _lowered(value) if caseless else value

    def compare(text: str) -> bool:
        given = _lowered(text) if caseless else text
        if rule.compare_type == "EQUAL_TO":
            return given == wanted
        if rule.compare_type == "STARTS_WITH":
            return given.startswith(wanted)
        return given.endswith(wanted) if rule.compare_type == "ENDS_WITH" else wanted in given

    return compare


def _lowered(text: str) -> str:
    """Return a text with small ASCII letters, as HAProxy compares without case."""
    return "".join(each.lower() if each.isascii() else each for each in text)
