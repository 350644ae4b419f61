"""A router's rules: a golden text, which the real nft parses."""

import os
import subprocess

import pytest

from hydria.contract import Address, FloatingIp, Interface, Router
from hydria.render.nftables import render_router

_GATEWAY = Interface(
    port_id="c9f0", network_id="e1", mac="fa:16:3e:00:00:01", addresses=(Address(ip="203.0.113.10", prefix=24),)
)
_FULL = Router(
    id="r",
    gateway=_GATEWAY,
    snat_cidrs=("192.0.2.0/25", "10.0.0.0/24", "2001:db8::/64"),
    floating_ips=(
        FloatingIp(floating_ip="203.0.113.51", fixed_ip="10.0.0.10"),
        FloatingIp(floating_ip="203.0.113.50", fixed_ip="10.0.0.12"),
    ),
)
_GOLDEN = """\
table ip hydria
delete table ip hydria
table ip hydria {
    chain before {
        type nat hook prerouting priority dstnat; policy accept;
        dnat to ip daddr map { 203.0.113.50 : 10.0.0.12, 203.0.113.51 : 10.0.0.10 }
    }
    chain between {
        type filter hook forward priority filter; policy accept;
        ct status dnat ct original ip daddr . ct reply ip saddr != LIVING meta l4proto tcp reject with tcp reset
        ct status dnat ct original ip daddr . ct reply ip saddr != LIVING drop
    }
    chain after {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "g0" snat to ip saddr map { 10.0.0.10 : 203.0.113.51, 10.0.0.12 : 203.0.113.50 }
        iifname != "g0" ct status dnat snat to ip saddr map { 10.0.0.10 : 203.0.113.51, 10.0.0.12 : 203.0.113.50 }
        iifname != "g0" ct status dnat snat to 203.0.113.10
        oifname "g0" ip saddr { 10.0.0.0/24, 192.0.2.0/25 } snat to 203.0.113.10
    }
}
""".replace("LIVING", "{ 203.0.113.50 . 10.0.0.12, 203.0.113.51 . 10.0.0.10 }")


def test_a_full_router_is_the_golden_text() -> None:
    assert render_router(_FULL, "g0") == _GOLDEN


@pytest.mark.parametrize(
    "router",
    [
        _FULL,
        Router(id="r"),
        Router(id="r", gateway=_GATEWAY),
        Router(id="r", gateway=_GATEWAY, snat_cidrs=("10.0.0.0/24",)),
        Router(id="r", gateway=_GATEWAY, floating_ips=_FULL.floating_ips[:1]),
        Router(id="r", snat_cidrs=("10.0.0.0/24",), floating_ips=_FULL.floating_ips),
    ],
)
@pytest.mark.skipif(os.environ.get("HYDRIA_FENCED") != "1", reason="nft asks the kernel: run by ./dev test")
def test_nft_accepts_every_text(router: Router) -> None:
    text = render_router(router, "g0")
    done = subprocess.run(["nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_gateway_nothing_is_translated() -> None:
    text = render_router(Router(id="r", snat_cidrs=("10.0.0.0/24",), floating_ips=_FULL.floating_ips), "g0")
    assert "snat" not in text.replace("srcnat", "")
    assert "dnat to" not in text


@pytest.mark.parametrize("bad", ["10.0.0.1 }; flush ruleset", "", "2001:db8::1", "10.0.0.0/24"])
def test_a_wrong_address_is_never_rendered(bad: str) -> None:
    pair = FloatingIp(floating_ip="203.0.113.50", fixed_ip=bad)
    with pytest.raises(ValueError, match="address"):
        render_router(Router(id="r", gateway=_GATEWAY, floating_ips=(pair,)), "g0")
