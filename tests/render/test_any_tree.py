"""Any tree that the API accepts renders to a text that HAProxy accepts, and no user's text becomes a directive."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hydria.contract import Instance
from hydria.errors import Refusal
from hydria.model import l7_checks, listener_checks, monitor_checks, pool_checks
from hydria.model.fields import LONGEST_CHECK, POOL_PROTOCOLS
from hydria.model.pool import SessionPersistence
from hydria.render.haproxy import Rendering, render
from tests.support import certificates
from tests.support.any_values import ALPN, CIDRS, CIPHER_STRINGS, CODES, EXPRESSIONS, TEXT, VERSIONS
from tests.support.trees import (
    SURROUNDINGS,
    instance,
    key,
    listener,
    load_balancer,
    member,
    monitor,
    policy,
    pool,
    rule,
)

_HARMLESS = "zz"

_ALGORITHMS = st.sampled_from(["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"])
_LISTENERS = st.sampled_from(["HTTP", "HTTPS", "PROMETHEUS", "TCP", "TERMINATED_HTTPS"])
_MONITORS = st.sampled_from(["HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO"])
_RULES = st.sampled_from(["COOKIE", "FILE_TYPE", "HEADER", "HOST_NAME", "PATH"])
_COMPARISONS = st.sampled_from(["CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX", "STARTS_WITH"])
_ACTIONS = st.sampled_from(["REJECT", "REDIRECT_TO_POOL", "REDIRECT_TO_URL", "REDIRECT_PREFIX"])
_PERSISTENCE: st.SearchStrategy[Any] = st.sampled_from([None, "SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"])
_LEAF = certificates.leaf("www.example.org").bundle
_SECONDS = st.sampled_from([0, 1, LONGEST_CHECK])

# A value with a port is compared with the whole Host header, another one with its host: both words are our own.
_HOSTS = {"req.fhdr(host)", "req.fhdr(host),host_only,rtrim(.)"}


class Trees:
    """A tree with hostile texts in all places for users' texts, and its twin with harmless ones."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.children: list[Any] = []
        self.twins: list[Any] = []

    def make(self, check: Any, kind: Any, *place: Any, texts: dict[str, str] | None = None, **values: Any) -> Any:
        """Add a resource that the API's checks accept, and its twin."""
        made = kind(*place, **values, **(texts or {}))
        try:
            check(made)
        except Refusal:
            assume(False)
        self.children.append(made)
        self.twins.append(kind(*place, **values, **{name: _twin(name) for name in texts or {}}))
        return made

    def listener(self, number: int) -> None:
        draw = self._draw
        protocol = draw(_LISTENERS)
        reads = protocol in ("HTTP", "TERMINATED_HTTPS")
        secure = {"default_tls_container_ref": "leaf", "hsts_max_age": draw(st.sampled_from([None, 0, 31536000]))}
        secure |= self._tls()
        self.make(
            listener_checks.check,
            listener,
            number,
            protocol=protocol,
            protocol_port=8000 + number,
            default_pool_id=key("2", number) if protocol != "PROMETHEUS" else None,
            connection_limit=draw(st.sampled_from([-1, 1, 2000000000])),
            timeout_client_data=draw(st.sampled_from([0, 1, 2073600000])),
            timeout_tcp_inspect=draw(st.sampled_from([0, 100])),
            allowed_cidrs=draw(CIDRS),
            insert_headers={"X-Forwarded-For": "true"} if reads else None,
            **(secure if protocol == "TERMINATED_HTTPS" else {}),
            texts={"name": draw(TEXT)},
        )
        if protocol != "PROMETHEUS":
            self.pool(number, draw(st.sampled_from(POOL_PROTOCOLS[protocol])), protocol)
        if reads and draw(st.booleans()):
            self.policy(number)

    def _tls(self) -> dict[str, Any]:
        draw = self._draw
        return {"tls_versions": draw(VERSIONS), "tls_ciphers": draw(CIPHER_STRINGS), "alpn_protocols": draw(ALPN)}

    def pool(self, number: int, protocol: str, in_front: str) -> None:
        draw = self._draw
        kind: Any = draw(_PERSISTENCE)
        cookie = draw(TEXT) if kind == "APP_COOKIE" else None
        values = {
            "protocol": protocol,
            "lb_algorithm": draw(_ALGORITHMS),
            "tls_enabled": draw(st.booleans()),
            "description": draw(TEXT),
            **self._tls(),
        }
        persistence = SessionPersistence(type=kind, cookie_name=cookie) if kind else None
        made = pool(number, **values, session_persistence=persistence)
        try:
            pool_checks.check(made)
            listener_checks.check_pool(in_front, made)
        except Refusal:
            assume(False)
        self.children.append(made)
        harmless = SessionPersistence(type=kind, cookie_name=_HARMLESS if cookie else None) if kind else None
        self.twins.append(pool(number, **values, session_persistence=harmless))
        for each in (1, 2):
            place = {"pool_id": key("2", number), "weight": draw(st.sampled_from([0, 1, 256])), "backup": each == 2}
            place["monitor_port"] = draw(st.sampled_from([None, 8080]))
            same = member(10 * number + each, **place, address=f"10.0.0.{each}")
            self.children.append(same)
            self.twins.append(same)
        if draw(st.booleans()):
            self.monitor(number, protocol)

    def monitor(self, number: int, protocol: str) -> None:
        draw = self._draw
        kind = draw(_MONITORS)
        http: dict[str, Any] = {"http_method": draw(st.sampled_from(["GET", "HEAD"])), "http_version": "1.1"}
        http["expected_codes"] = draw(CODES)
        http["domain_name"] = draw(st.sampled_from([None, "www.example.org.", "192.0.2.1"]))
        self.make(
            lambda made: monitor_checks.check(made, protocol),
            monitor,
            number,
            pool_id=key("2", number),
            type=kind,
            delay=draw(_SECONDS),
            timeout=draw(_SECONDS),
            **(http if kind in ("HTTP", "HTTPS") else {}),
            texts={"url_path": "/" + draw(TEXT)} if kind in ("HTTP", "HTTPS") else {},
        )

    def policy(self, number: int) -> None:
        draw = self._draw
        action = draw(_ACTIONS)
        target = {"REDIRECT_TO_URL": "redirect_url", "REDIRECT_PREFIX": "redirect_prefix"}.get(action)
        self.make(
            l7_checks.check_target,
            policy,
            number,
            listener_id=key("1", number),
            action=action,
            **({"redirect_pool_id": key("2", number)} if action == "REDIRECT_TO_POOL" else {}),
            texts={target: f"http://{draw(TEXT)}"} if target else {},
        )
        kind, comparison = draw(_RULES), draw(_COMPARISONS)
        keyed = {"key": draw(TEXT)} if kind in ("COOKIE", "HEADER") else {}
        texts = {**keyed, "value": draw(TEXT)}
        if comparison == "REGEX":
            texts["value"] = draw(EXPRESSIONS)
        self.make(
            l7_checks.check_rule,
            rule,
            number,
            l7policy_id=key("5", number),
            type=kind,
            compare_type=comparison,
            invert=draw(st.booleans()),
            texts=texts,
        )


def _twin(name: str) -> str:
    return {"url_path": f"/{_HARMLESS}", "redirect_url": f"http://{_HARMLESS}"}.get(name, _HARMLESS)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Instance, Instance]:
    """Return an instance and its harmless twin."""
    trees = Trees(draw)
    for number in range(1, draw(st.integers(1, 3)) + 1):
        trees.listener(number)
    root = load_balancer(name=draw(TEXT), description=draw(TEXT))
    secrets = {"leaf": _LEAF}
    return instance(*trees.children, root=root, secrets=secrets), instance(*trees.twins, secrets=secrets)


def _parse(rendering: Rendering, directory: Path) -> str:
    for path, content in rendering.files.items():
        file = Path(path.replace(SURROUNDINGS.directory, str(directory)))
        file.parent.mkdir(exist_ok=True)
        file.write_text(content.replace(SURROUNDINGS.directory, str(directory)))
    text = rendering.text.replace(SURROUNDINGS.directory, str(directory))
    done = subprocess.run(
        ("haproxy", "-c", "-q", "-f", "/dev/stdin"), input=text.encode(), capture_output=True, timeout=30, check=False
    )
    return done.stderr.decode() if done.returncode else ""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(pair=_pairs())
def test_any_tree_is_accepted_and_no_text_becomes_a_directive(pair: tuple[Instance, Instance], directory: Path) -> None:
    rendering, twin = (render(each, SURROUNDINGS) for each in pair)
    assert _parse(rendering, directory) == "", rendering.text
    lines, others = rendering.text.split("\n"), twin.text.split("\n")
    assert len(lines) == len(others)
    for line, other in zip(lines, others, strict=True):
        words, harmless = shlex.split(line), shlex.split(other)
        assert len(words) == len(harmless), (line, other)
        for word, instead in zip(words, harmless, strict=True):
            assert word == instead or _HARMLESS in instead or {word, instead} == _HOSTS, (line, other)
