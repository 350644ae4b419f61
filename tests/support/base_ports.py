"""Instances of amphorae with base ports."""

from typing import Any

from msgspec import structs

from hydria.contract import Address, AddressPair, Instance, Interface, Sibling, Vrrp
from hydria.model.load_balancer import AdditionalVip
from tests.support.trees import AMPHORA, NETWORK, instance, key, load_balancer

VIP = "10.0.0.10"
VIP6 = "2001:db8::10"
BOTH = load_balancer(additional_vips=(AdditionalVip(subnet_id=key("d", 3), ip_address=VIP6),))


def base_port(number: int = 1, *, secure: bool = False) -> Interface:
    """The base port of an amphora by its number: 10.0.0.20 + number, 2001:db8::20 + number."""
    mac = f"fa:16:3e:00:01:{number:02x}"
    return Interface(
        # The first twelve digits name the link.
        port_id=f"eeeeeee{number}-0000-4000-8000-000000000000",
        network_id=NETWORK,
        mac=mac,
        addresses=(
            Address(ip=f"10.0.0.{20 + number}", prefix=24),
            Address(ip=f"2001:db8::{20 + number}", prefix=64),
        ),
        port_security=secure,
        address_pairs=tuple(AddressPair(mac=mac, cidr=vip) for vip in (VIP, VIP6)),
    )


def amphora_id(number: int) -> str:
    return AMPHORA if number == 1 else key("b", number)


def sibling(number: int) -> Sibling:
    port = base_port(number)
    return Sibling(amphora_id=amphora_id(number), mac=port.mac, addresses=tuple(each.ip for each in port.addresses))


def based(*children: Any, number: int = 1, secure: bool = False, **values: Any) -> Instance:
    """Return an instance with a base port and two VIPs."""
    made = instance(*children, root=BOTH, amphora_id=amphora_id(number), interfaces=(base_port(number, secure=secure),))
    vips = (Address(ip=VIP, prefix=32), Address(ip=VIP6, prefix=128))
    return structs.replace(made, **{"vips": vips} | values)


def paired(*children: Any, number: int = 1, secure: bool = False, **values: Any) -> Instance:
    """Return the first or the second amphora of a pair."""
    election = Vrrp(router_id=7, priority=110 - 10 * number, interval=0.1)
    given: dict[str, Any] = {"vrrp": election, "siblings": (sibling(3 - number),)}
    return based(*children, number=number, secure=secure, **given | values)
