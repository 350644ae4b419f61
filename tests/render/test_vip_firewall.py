"""The rules of security groups: golden files that the real nft parses."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydria.contract import FirewallRule
from hydria.homecloud.network.security_groups import _PROTOCOLS
from hydria.render.vip_firewall import Pair, render_vip_firewall

GOLDEN = Path(__file__).parent / "golden"

CASES = {
    "firewall_no_rule": (),
    "firewall_several": (
        FirewallRule(
            ethertype="IPv4", protocol="tcp", port_min=80, port_max=81, sources=("192.0.2.0/25", "192.0.2.0/24")
        ),
        FirewallRule(ethertype="IPv4", protocol="tcp", port_min=80, port_max=81, sources=("192.0.2.0/24",)),
        FirewallRule(ethertype="IPv6", protocol="udp", port_min=53, port_max=53),
        FirewallRule(ethertype="IPv4", protocol="icmp", port_min=8, port_max=0),
        FirewallRule(ethertype="IPv6", protocol="icmp", port_min=128),
        FirewallRule(ethertype="IPv6", protocol="icmp"),
        FirewallRule(ethertype="IPv4", protocol="112", sources=("0.0.0.0/0",)),
        # A rule with a remote group: one with addresses of both IP versions, and one without any.
        FirewallRule(ethertype="IPv4", sources=("10.0.0.5", "10.0.0.4", "2001:db8::5")),
        FirewallRule(ethertype="IPv6", sources=("10.0.0.5",)),
        FirewallRule(ethertype="IPv4", sources=()),
    ),
}


def complaint(text: str) -> str:
    """Have the real nft parse rules; return its complaints."""
    command = ("unshare", "--net", "nft", "--check", "--file", "-")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    return done.stderr if done.returncode else ""


PAIR = Pair(base=("10.0.0.21", "2001:db8::21"), siblings=("10.0.0.22", "10.0.0.23", "2001:db8::22"))


@pytest.mark.parametrize("name", CASES)
def test_renders_as_the_golden_file_which_nft_accepts(name: str) -> None:
    _compare(name, render_vip_firewall(CASES[name], "eth0", (443, 80)))


@pytest.mark.parametrize(
    ("name", "rules"), [("firewall_pair_alone", None), ("firewall_pair", CASES["firewall_no_rule"])]
)
def test_a_pair_has_rules_about_its_siblings_which_nft_accepts(
    name: str, rules: tuple[FirewallRule, ...] | None
) -> None:
    _compare(name, render_vip_firewall(rules, "eth0", (443, 80), PAIR))


def _compare(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.nft"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()
    assert complaint(text) == ""


def test_without_groups_the_table_is_deleted() -> None:
    assert complaint(render_vip_firewall(None, "eth0", ())) == ""
    assert "{" not in render_vip_firewall(None, "eth0", ())


def test_a_wrong_address_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        render_vip_firewall((FirewallRule(ethertype="IPv4", sources=("1.2.3.4 } accept; drop",)),), "eth0", ())
    with pytest.raises(ValueError, match="invalid literal"):
        render_vip_firewall((FirewallRule(ethertype="IPv4", protocol="6 accept"),), "eth0", ())


PORTS = st.integers(1, 65535)
RULES = st.builds(
    lambda ethertype, protocol, ports, icmp, sources: FirewallRule(
        ethertype=ethertype,
        protocol=protocol,
        port_min=icmp[0] if "icmp" in str(protocol) else min(ports),
        port_max=icmp[1] if "icmp" in str(protocol) else max(ports),
        sources=sources,
    ),
    st.sampled_from(["IPv4", "IPv6"]),
    st.sampled_from([None, "0", "6", "255", *_PROTOCOLS]),
    st.tuples(PORTS, PORTS),
    st.sampled_from([(None, None), (8, None), (3, 255), (0, 0)]),
    st.none() | st.lists(st.ip_addresses().map(str) | st.sampled_from(["0.0.0.0/0", "::/0"]), max_size=4).map(tuple),
)


@settings(max_examples=40)
@given(st.lists(RULES, max_size=12).map(tuple))
def test_nft_accepts_every_rule_that_the_api_accepts(rules: tuple[FirewallRule, ...]) -> None:
    assert complaint(render_vip_firewall(rules, "eth0", ())) == ""
