"""A router's address translation as nftables text: one transaction that replaces the table. Pure."""

from ipaddress import IPv4Network, collapse_addresses, ip_address, ip_network

from hydria.contract import Router

TABLE = "hydria"


def render_router(router: Router, gateway_link: str) -> str:
    """Return the text for `nft -f` in the router's namespace; `gateway_link` is the name of its external link.

    Floating IPs are translated in both directions, other sources in `snat_cidrs` to the gateway's own address. An
    inside client that uses a floating IP is translated too, because the answer would otherwise bypass the router.
    Raises ValueError for a text that is no address.
    """
    own = _own(router)
    before = ["type nat hook prerouting priority dstnat; policy accept;"]
    after = ["type nat hook postrouting priority srcnat; policy accept;"]
    # A connection ends when its floating IP is gone or belongs to another address now.
    stale = "ct status dnat"
    if own is not None:
        outward, turning = f'oifname "{gateway_link}"', f'iifname != "{gateway_link}" ct status dnat'
        floating = sorted((_ipv4(pair.floating_ip), _ipv4(pair.fixed_ip)) for pair in router.floating_ips)
        if floating:
            living = ", ".join(f"{outer} . {fixed}" for outer, fixed in floating)
            stale += f" ct original ip daddr . ct reply ip saddr != {{ {living} }}"
            before.append(f"dnat to ip daddr map {{ {_pairs(floating)} }}")
            # An address with two floating IPs leaves under one of them.
            sources = _pairs(sorted({fixed: outer for outer, fixed in floating}.items()))
            after += [f"{way} snat to ip saddr map {{ {sources} }}" for way in (outward, turning)]
            after.append(f"{turning} snat to {own}")
        networks = [network for cidr in router.snat_cidrs if isinstance(network := ip_network(cidr), IPv4Network)]
        if networks:
            cidrs = ", ".join(str(network) for network in collapse_addresses(networks))
            after.append(f"{outward} ip saddr {{ {cidrs} }} snat to {own}")
    return "\n".join(
        [
            # The first line makes the deletion succeed when there is no table.
            f"table ip {TABLE}",
            f"delete table ip {TABLE}",
            f"table ip {TABLE} {{",
            *_chain("before", before),
            *_chain("between", _refuse(stale)),
            *_chain("after", after),
            "}",
            "",
        ]
    )


def _own(router: Router) -> str | None:
    addresses = router.gateway.addresses if router.gateway is not None else ()
    return next((_ipv4(address.ip) for address in addresses if ip_address(address.ip).version == 4), None)


def _refuse(which: str) -> list[str]:
    begin = "type filter hook forward priority filter; policy accept;"
    return [begin, f"{which} meta l4proto tcp reject with tcp reset", f"{which} drop"]


def _chain(name: str, lines: list[str]) -> list[str]:
    return [f"    chain {name} {{", *(f"        {line}" for line in lines), "    }"]


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return ", ".join(f"{key} : {value}" for key, value in pairs)


def _ipv4(text: str) -> str:
    """Return the address in its canonical form, so that the text cannot contain anything else."""
    address = ip_address(text)
    if address.version != 4:
        raise ValueError(f"{text} is not an IPv4 address")
    return str(address)
