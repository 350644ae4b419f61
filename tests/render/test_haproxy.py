"""Golden configurations, each parsed by the real HAProxy; quoting, and changes that must not change the text."""

import base64
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from hydria.contract import Instance
from hydria.model.load_balancer import AdditionalVip
from hydria.model.pool import SessionPersistence
from hydria.render.haproxy import Rendering, render
from hydria.render.quoting import quote
from tests.support import certificates
from tests.support.base_ports import based, paired
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

GOLDEN = Path(__file__).parent / "golden"

CA, LEAF = certificates.authority(), certificates.leaf("www.example.org")
REVOKED = certificates.revoked()
TICKETS = tuple(base64.b64encode(bytes([number]) * 80).decode() for number in range(3))
PROOFS: Any = {"challenges": {"tok-1_a": "tok-1_a.xyz", "b' }\"": "b'} deny #"}}

TUTORIAL = (listener(), pool(), member(1), member(2))

CASES: dict[str, Callable[[], Instance]] = {
    "bare": instance,
    "tutorial": lambda: instance(*TUTORIAL, monitor()),
    "pair": lambda: paired(
        listener(),
        listener(2, protocol_port=81, default_pool_id=key("2", 2)),
        pool(session_persistence=SessionPersistence(type="SOURCE_IP")),
        pool(2, session_persistence=SessionPersistence(type="APP_COOKIE", cookie_name="s")),
        member(1),
        member(2),
        member(3, pool_id=key("2", 2)),
    ),
    "pair_tls": lambda: paired(
        listener(protocol="TERMINATED_HTTPS", default_tls_container_ref="leaf"),
        listener(
            2,
            protocol="TERMINATED_HTTPS",
            protocol_port=81,
            default_tls_container_ref="leaf",
            client_authentication="MANDATORY",
            client_ca_tls_container_ref="ca",
        ),
        pool(),
        member(1),
        secrets={"leaf": LEAF.bundle, "ca": CA.pem},
        ticket_keys=TICKETS,
    ),
    "draining": lambda: based(*TUTORIAL, duty="draining"),
    "no_monitor": lambda: instance(*TUTORIAL),
    "source_ip": lambda: instance(listener(), pool(lb_algorithm="SOURCE_IP"), member(1)),
    "https_pass_through": lambda: instance(
        listener(protocol="HTTPS", protocol_port=443),
        pool(protocol="HTTPS", lb_algorithm="LEAST_CONNECTIONS"),
        member(1, protocol_port=443, backup=True),
        monitor(type="TLS-HELLO"),
    ),
    "tcp": lambda: instance(
        listener(protocol="TCP", protocol_port=5432, connection_limit=100, timeout_tcp_inspect=1500),
        pool(protocol="TCP"),
        member(1, weight=0, monitor_address="10.0.0.99", monitor_port=8080),
        monitor(type="TCP", max_retries_down=7),
    ),
    "several": lambda: instance(
        listener(1),
        listener(2, protocol_port=8080, timeout_client_data=14400000, timeout_member_data=14400000),
        listener(3, protocol_port=8081, default_pool_id=None),
        listener(4, protocol_port=8082, admin_state_up=False),
        listener(5, protocol_port=8083, default_pool_id=key("2", 2)),
        pool(1),
        pool(2, admin_state_up=False),
        member(1, admin_state_up=False),
        member(2, address="2001:db8::5", weight=256, monitor_address="2001:db8::6"),
        monitor(http_version="1.1", domain_name="www.example.org", expected_codes="200, 202", url_path="/a?b='c'&d=$e"),
    ),
    "https_monitor": lambda: instance(*TUTORIAL, monitor(type="HTTPS", expected_codes="200-299", http_method="HEAD")),
    "prometheus": lambda: instance(
        *TUTORIAL, listener(2, protocol="PROMETHEUS", protocol_port=8088, default_pool_id=None)
    ),
    "l7": lambda: instance(
        listener(insert_headers={"X-Forwarded-For": "true", "X-Forwarded-Port": "true", "X-Forwarded-Proto": "True"}),
        pool(1),
        pool(2),
        pool(3, admin_state_up=False),
        member(1),
        member(2, pool_id=key("2", 2)),
        policy(1, action="REDIRECT_TO_POOL", redirect_pool_id=key("2", 2)),
        rule(1, type="HOST_NAME", compare_type="EQUAL_TO", value="www.example.org"),
        rule(2, type="COOKIE", compare_type="CONTAINS", key="a,b'c", value="x", invert=True),
        policy(2, action="REDIRECT_TO_URL", redirect_url="http://example.org/%[src]?a=%2F", redirect_http_code=301),
        rule(3, l7policy_id=key("5", 2), type="FILE_TYPE", compare_type="EQUAL_TO", value=".jpg"),
        policy(3, action="REDIRECT_PREFIX", redirect_prefix="https://example.org"),
        rule(4, l7policy_id=key("5", 3), type="HEADER", key="X-A", compare_type="EQUAL_TO", value='"} -f /etc/passwd"'),
        policy(4, action="REJECT"),
        rule(5, l7policy_id=key("5", 4), compare_type="REGEX", value=r"^/(a|b)\d+ '$"),
        rule(6, l7policy_id=key("5", 4), admin_state_up=False),
        policy(5, action="REDIRECT_TO_POOL", redirect_pool_id=key("2", 3)),
        rule(7, l7policy_id=key("5", 5)),
        policy(6, admin_state_up=False),
        rule(8, l7policy_id=key("5", 6)),
        policy(7),
    ),
    "l7_tls": lambda: instance(
        listener(),
        pool(1),
        policy(1),
        rule(1, type="SSL_CONN_HAS_CERT", compare_type="EQUAL_TO", value="True", invert=True),
        rule(2, type="SSL_VERIFY_RESULT", compare_type="EQUAL_TO", value="10"),
        rule(3, type="SSL_DN_FIELD", compare_type="STARTS_WITH", key="CN", value="a b"),
    ),
    "allowed_cidrs": lambda: instance(
        listener(protocol="TCP", allowed_cidrs=("10.0.0.0/8", "2001:db8::/32")), pool(protocol="TCP")
    ),
    "persistence": lambda: instance(
        listener(),
        listener(2, protocol="TCP", protocol_port=81, default_pool_id=key("2", 2)),
        listener(3, protocol_port=82, default_pool_id=key("2", 3)),
        pool(1, session_persistence=SessionPersistence(type="HTTP_COOKIE")),
        pool(2, protocol="PROXYV2", session_persistence=SessionPersistence(type="SOURCE_IP")),
        pool(3, session_persistence=SessionPersistence(type="APP_COOKIE", cookie_name="a'$x")),
        member(1),
        member(2, pool_id=key("2", 2)),
        member(3, pool_id=key("2", 3)),
    ),
    "proxy": lambda: instance(listener(), pool(protocol="PROXY"), member(1), monitor()),
    "http_behind_tcp": lambda: instance(listener(protocol="TCP"), pool(), member(1), monitor()),
    "dual_stack": lambda: instance(
        listener(),
        root=load_balancer(additional_vips=(AdditionalVip(subnet_id=key("d", 3), ip_address="2001:db8::10"),)),
    ),
    "tls": lambda: instance(
        listener(
            1,
            protocol="TERMINATED_HTTPS",
            protocol_port=443,
            default_tls_container_ref="a",
            sni_container_refs=("b",),
            client_ca_tls_container_ref="ca",
            client_crl_container_ref="crl",
            client_authentication="OPTIONAL",
            tls_ciphers="TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
            tls_versions=("TLSv1.1", "TLSv1.3"),
            alpn_protocols=("h2", "http/1.1"),
            hsts_max_age=300,
            hsts_preload=True,
            insert_headers={"X-SSL-Client-CN": "true", "X-SSL-Client-SHA1": "true", "X-Forwarded-Proto": "true"},
        ),
        pool(
            tls_enabled=True,
            tls_container_ref="a",
            ca_tls_container_ref="ca",
            crl_container_ref="crl",
            tls_ciphers="ECDHE-RSA-AES128-GCM-SHA256",
            tls_versions=("TLSv1.2", "TLSv1.3"),
            alpn_protocols=("h2",),
        ),
        member(1),
        monitor(type="HTTPS"),
    ),
    "tls_unverified": lambda: instance(
        listener(), pool(protocol="HTTP", tls_enabled=True), member(1), monitor(type="TLS-HELLO")
    ),
    "acme": lambda: instance(*TUTORIAL, policy(action="REJECT"), rule(1), **PROOFS),
    "acme_without_port_80": lambda: instance(listener(protocol_port=443), pool(), **PROOFS),
    "acme_port_80_taken": lambda: instance(listener(protocol="TCP"), pool(), **PROOFS),
    "disabled": lambda: instance(*TUTORIAL, root=load_balancer(admin_state_up=False)),
}


def parse(rendering: Rendering, directory: Path) -> str:
    """Have the real HAProxy parse a configuration with its files; return its complaints."""
    text = rendering.text.replace(SURROUNDINGS.directory, str(directory))
    for path in rendering.files:
        file = Path(path.replace(SURROUNDINGS.directory, str(directory)))
        file.parent.mkdir(exist_ok=True)
        content = {".ca": CA.pem, ".crl": REVOKED, ".pem": LEAF.bundle}.get(file.suffix, rendering.files[path])
        file.write_text(content.replace(SURROUNDINGS.directory, str(directory)))
    command = ("haproxy", "-c", "-q", "-f", "/dev/stdin")
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=30, check=False)
    return done.stderr.decode() if done.returncode else ""


@pytest.mark.parametrize("name", CASES)
def test_renders_as_the_golden_file_which_haproxy_accepts(name: str, tmp_path: Path) -> None:
    rendering = render(CASES[name](), SURROUNDINGS)
    file = GOLDEN / f"{name}.cfg"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(rendering.text)
    assert rendering.text == file.read_text()
    assert parse(rendering, tmp_path) == ""


def test_a_rename_changes_nothing() -> None:
    plain = render(instance(*TUTORIAL, monitor()), SURROUNDINGS)
    named = [structs.replace(each, name="x", tags=("y",)) for each in (*TUTORIAL, monitor())]
    assert render(instance(*named, root=load_balancer(name="z", description="d")), SURROUNDINGS) == plain


def test_the_frame_is_the_text_without_its_servers() -> None:
    rendering = render(instance(*TUTORIAL), SURROUNDINGS)
    lines = [line for line in rendering.text.splitlines() if not line.strip().startswith("server ")]
    assert rendering.frame.splitlines() == lines
    assert [server.name for server in rendering.servers] == [key("3", 1), key("3", 2)]


def test_a_vip_that_the_first_interface_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.9\.9\.9"):
        render(
            structs.replace(instance(), tree=instance(root=load_balancer(vip_address="10.9.9.9")).tree), SURROUNDINGS
        )


@pytest.mark.parametrize(
    "values",
    [
        {"protocol": "TERMINATED_HTTPS"},
        {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "a", "client_authentication": "MANDATORY"},
        {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "a", "client_authentication": "OPTIONAL"},
        {"protocol": "PROMETHEUS", "client_authentication": "MANDATORY", "client_ca_tls_container_ref": "ca"},
    ],
)
def test_a_listener_without_its_protection_is_never_rendered(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has no"):
        render(instance(listener(default_pool_id=None, **values)), SURROUNDINGS)


PATHS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60)


@settings(max_examples=25)
@given(PATHS)
def test_a_path_stays_one_word(path: str) -> None:
    """HAProxy sees one argument for any path: it never complains about a second one."""
    rendering = render(instance(*TUTORIAL, monitor(url_path=f"/{path}")), SURROUNDINGS)
    assert parse(rendering, Path(SURROUNDINGS.directory)) == ""
    assert len(rendering.text.splitlines()) == len(_tutorial().text.splitlines())


def _tutorial() -> Rendering:
    return render(instance(*TUTORIAL, monitor()), SURROUNDINGS)


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "a\rb"])
def test_a_text_with_a_line_break_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no line"):
        quote(text)
