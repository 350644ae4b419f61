"""An operator's policy file: rules in YAML that replace Octavia's defaults. Mistakes are refused with their line."""

import difflib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog
import yaml
from oslo_policy import policy

from hydria.errors import SettingsError

# It would log mistakes with a traceback; they are reported here with their place.
logging.getLogger("oslo_policy._parser").disabled = True

log = structlog.get_logger(__name__)


def overrides(file: Path, *, known: Mapping[str, str]) -> dict[str, str]:
    """Return the rules of a file, by name; `known` are the default rules.

    Logs a warning for a rule that no operation asks for. Raises SettingsError with a line for each mistake: a file that
    is no YAML mapping, a check that cannot be parsed, a reference to a missing rule or to itself. oslo.policy would
    refuse every request for these, or fail at one.
    """
    lines, rules, mistakes = {}, {}, []
    for name, check, line in _pairs(file):
        if not isinstance(name, str) or not isinstance(check, str):
            mistakes.append(f'api.policy_file: {file}:{line}: must be like "rule name": "check"')
        elif not _readable(check):
            mistakes.append(f'api.policy_file: {file}:{line}: "{name}": the check "{check}" cannot be read')
        else:
            rules[name], lines[name] = check, line
    if not mistakes:
        everything = {**known, **rules}
        for name, line in lines.items():
            if why := _defect(name, everything):
                mistakes.append(f'api.policy_file: {file}:{line}: "{name}": {why}')
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    asked = {*known, *(name for check in everything.values() for name in _references(check))}
    for name in sorted(rules.keys() - asked):
        close = difflib.get_close_matches(name, known, n=1)
        log.warning("policy_rule_unused", rule=name, place=f"{file}:{lines[name]}", nearest=close)
    return rules


def _pairs(file: Path) -> Iterator[tuple[object, object, int]]:
    """Yield each key with its value and its line. Raises SettingsError."""
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"api.policy_file: {file} cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}" if mark else f"{file}"
        raise SettingsError(f"api.policy_file: {place}: is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"api.policy_file: {file}: is not YAML: {error}") from None
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(f'api.policy_file: {file}:1: must be lines like "rule name": "check"')
    for key, value in root.value:
        yield _text(key), _text(value), key.start_mark.line + 1


def _text(node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str" else None


def _tokens(check: str) -> list[str]:
    """Return the words of a check as oslo.policy parses it: what it cannot parse becomes "!" (deny all)."""
    parsed = str(policy.RuleDefault("check", check).check)
    return parsed.replace("(", " ").replace(")", " ").split()


def _readable(check: str) -> bool:
    return _tokens(check).count("!") == check.replace("(", " ").replace(")", " ").split().count("!")


def _references(check: str) -> list[str]:
    return [token.removeprefix("rule:") for token in _tokens(check) if token.startswith("rule:")]


def _defect(name: str, rules: Mapping[str, str], path: tuple[str, ...] = ()) -> str | None:
    """Return what is wrong with the rules that a rule refers to, or None."""
    if name not in rules:
        return f'there is no rule "{name}"'
    if name in path:
        return "it refers to itself: " + " > ".join((*path, name))
    found = (_defect(reference, rules, (*path, name)) for reference in _references(rules[name]))
    return next((why for why in found if why), None)
