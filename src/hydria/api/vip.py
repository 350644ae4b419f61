"""The subnets, addresses and port of the VIPs of a new load balancer, by Octavia's rules."""

import ipaddress
from collections.abc import Sequence

from msgspec import Struct, structs

from hydria.errors import Invalid
from hydria.model.create import LoadBalancerCreate
from hydria.model.faults import invalid_combination
from hydria.model.network import Port, Subnet
from hydria.protocols import Networking


class Additional(Struct, frozen=True, kw_only=True):
    """The subnet of an additional VIP, and its address if the form or the port has one."""

    subnet: Subnet
    address: str | None = None


class Place(Struct, frozen=True, kw_only=True):
    """The subnet of a VIP, its address if the form or the port has one, and the port if it exists."""

    subnet: Subnet
    address: str | None = None
    port: Port | None = None
    additional: tuple[Additional, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """The addresses of all VIPs, or the subnets of those that are still to be allocated."""
        more = (vip.address or vip.subnet.cidr for vip in self.additional)
        return (self.address or self.subnet.cidr, *more)


def find_place(networking: Networking, form: LoadBalancerCreate, project_id: str | None) -> Place:
    """Return the place of a form's VIPs, in networks that `project_id` may see. Raises Invalid."""
    place = _find_first(networking, form, project_id)
    return structs.replace(place, additional=_find_additional(networking, form, place, project_id))


def _find_first(networking: Networking, form: LoadBalancerCreate, project_id: str | None) -> Place:
    address = form.vip_address or None
    if form.vip_port_id:
        return _on_port(networking, form, form.vip_port_id, project_id)
    if form.vip_network_id:
        return _on_network(networking, form, form.vip_network_id, project_id)
    if form.vip_subnet_id:
        return Place(subnet=_subnet(networking, form.vip_subnet_id, project_id), address=address)
    raise Invalid("Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")


def _find_additional(
    networking: Networking, form: LoadBalancerCreate, place: Place, project_id: str | None
) -> tuple[Additional, ...]:
    """Return the subnets of the additional VIPs, which must be different and in the VIP's network. Raises Invalid."""
    asked = form.additional_vips or []
    keys = [place.subnet.id, *(vip.subnet_id for vip in asked)]
    if len(set(keys)) != len(keys):
        raise invalid_combination("Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet.")
    found = []
    for vip in asked:
        subnet = networking.subnet(vip.subnet_id, project_id)
        if subnet is None:
            raise invalid_combination(f"Subnet {vip.subnet_id} not found")
        if subnet.network_id != place.subnet.network_id:
            raise invalid_combination("All VIP subnets must belong to the same network.")
        address = vip.ip_address
        if place.port is not None:
            address = _address_on(place.port, subnet.id, address)
            _refuse_gateway(subnet, address)
        found.append(Additional(subnet=subnet, address=address))
    return tuple(found)


def _address_on(port: Port, subnet_id: str, wanted: str | None) -> str:
    for _, ip in port.on(subnet_id, wanted):
        return ip
    raise invalid_combination("No VIP address found on the specified VIP port within the specified subnet.")


def _subnet(networking: Networking, key: str, project_id: str | None) -> Subnet:
    subnet = networking.subnet(key, project_id)
    if subnet is None:
        raise Invalid(f"Subnet {key} not found.")
    return subnet


def _on_port(networking: Networking, form: LoadBalancerCreate, key: str, project_id: str | None) -> Place:
    port = networking.port(key, project_id)
    if port is None:
        raise Invalid(f"Port {key} not found.")
    user = port.device_id or port.plugged
    # Octavia makes the port for the load balancer's id, before its provider driver names both here.
    if user and not (form.id and user == f"lb-{form.id}"):
        raise Invalid(f"Validation failure: Port {key} is already used by device {user}")
    if form.vip_subnet_id:
        # An address that the port does not have there is ignored, as in Octavia.
        fixed = port.on(form.vip_subnet_id, form.vip_address or None) or port.on(form.vip_subnet_id)
        refusal = "No VIP address found on the specified VIP port within the specified subnet."
    elif form.vip_address:
        fixed = port.on(None, form.vip_address)
        refusal = "Specified VIP address not found on the specified VIP port."
    else:
        fixed = port.fixed_ips if len(port.fixed_ips) == 1 else ()
        refusal = "VIP port's subnet could not be determined. Please specify either a VIP subnet or address."
    if not fixed:
        raise Invalid(f"Validation failure: {refusal}")
    subnet_id, address = fixed[0]
    subnet = _subnet(networking, subnet_id, project_id)
    _refuse_gateway(subnet, address)
    return Place(subnet=subnet, address=address, port=port)


def _refuse_gateway(subnet: Subnet, address: str) -> None:
    """Refuse a port with the gateway's address: clients of the subnet would lose their route. Raises Invalid."""
    if subnet.gateway_ip is not None and address == subnet.gateway_ip:
        raise invalid_combination(
            f"The address {address} is that of the gateway of the subnet {subnet.id}. Choose another one."
        )


def _on_network(networking: Networking, form: LoadBalancerCreate, key: str, project_id: str | None) -> Place:
    subnets = networking.network_subnets(key, project_id)
    if subnets is None:
        raise Invalid(f"Network {key} not found.")
    if form.vip_subnet_id:
        subnet = _subnet(networking, form.vip_subnet_id, project_id)
        if subnet.network_id != key:
            raise Invalid(f"Subnet {form.vip_subnet_id} not found.")
        return Place(subnet=subnet, address=form.vip_address or None)
    if not subnets:
        raise Invalid("Validation failure: Supplied network does not contain a subnet.")
    if form.vip_address:
        address = ipaddress.ip_address(form.vip_address)
        subnets = tuple(subnet for subnet in subnets if address in ipaddress.ip_network(subnet.cidr))
        if not subnets:
            detail = "Supplied network does not contain a subnet for VIP address specified."
            raise Invalid(f"Validation failure: {detail}")
    return Place(subnet=_roomiest(networking, form, subnets), address=form.vip_address or None)


def _roomiest(networking: Networking, form: LoadBalancerCreate, subnets: Sequence[Subnet]) -> Subnet:
    """Return the subnet of a VIP for which the form names only the network.

    Subnets with a free address come first, then IPv4, as in Octavia, then those with most free addresses. The subnet of
    an additional VIP is taken only if there is no other.
    """
    others = {vip.subnet_id for vip in form.additional_vips or ()}
    subnets = [subnet for subnet in subnets if subnet.id not in others] or subnets
    if len(subnets) == 1 or form.vip_address:
        return subnets[0]

    def rank(subnet: Subnet) -> tuple[bool, int, int, str]:
        free = networking.free_addresses(subnet)
        return free <= 0, subnet.ip_version, -free, subnet.id

    return min(subnets, key=rank)
