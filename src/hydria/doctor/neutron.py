"""Checks of a Neutron: extensions, MTU, quotas, and whether it can bind ports to Hydria's hosts. They only read."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hydria.adapters.openstack.session import Service
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.errors import Forbidden, HostError, NotFound
from hydria.model.neutron import AMPHORA_OWNER

# Returns the bodies of Hydria's hosts, as its server shows them. Raises HostError.
Listing = Callable[[], list[dict[str, Any]]]

_ML2 = "core_plugin = ml2 in neutron.conf; restart neutron-server"
_DRIVERS = "extension_drivers = port_security,qos in the section [ml2] of ML2's file; restart neutron-server"
_PLUGINS = "to service_plugins in neutron.conf, and restart neutron-server"
# By alias: what Hydria does with the extension, and how to have it. Without one of these it cannot work.
_NEEDED = {
    "binding": ("ports are bound to hosts", _ML2),
    "allowed-address-pairs": ("amphorae take the VIPs", _ML2),
    "security-group": ("listeners' ports are opened", _ML2),
}
# Without one of these something does not work.
_USEFUL = {
    "port-security": ("networks that have it switched off are not seen", _DRIVERS),
    "rbac-policies": ("networks shared by RBAC are refused", _ML2),
    "qos": ("VIPs have no QoS policies", f"add qos {_PLUGINS}; {_DRIVERS}"),
    "network-ip-availability": (
        "a VIP by vip_network_id may be put on a full subnet",
        f"add network_ip_availability {_PLUGINS}",
    ),
    "net-mtu": ("amphorae use an MTU of 1500", _ML2),
    "agent": ("hosts cannot be compared with Neutron's agents", _ML2),
}
# The least MTU of IPv6.
_IPV6_MTU = 1280
# Agents that bind ports, by how their types begin: those of OVN and of ML2/OVS.
_BINDING = ("OVN Controller", "Open vSwitch")
# A load balancer of two amphorae takes one group, about four rules and two ports in the project of Hydria's user.
_PER_LOAD_BALANCER = {"security_group": 1, "security_group_rule": 4, "port": 2}
_OPTIONS = {"security_group": "--secgroups", "security_group_rule": "--secgroup-rules", "port": "--ports"}
_FEW = 100
_AGENTS = "openstack network agent list"


async def examine_neutron(service: Service, listed: Listing) -> list[Finding]:
    """Return the findings, the most basic first. Raises Unavailable."""
    extensions = {str(each["alias"]) for each in (await service.get("/v2.0/extensions"))["extensions"]}
    found = [*_extensions(extensions)]
    networks = (await service.get("/v2.0/networks", fields=["id", "name", "mtu"]))["networks"]
    found.append(_mtu(networks))
    if "quota_details" in extensions:
        found.append(await _quota(service))
    if "agent" in extensions:
        found += await _hosts(service, listed)
    return found


def _extensions(has: set[str]) -> Iterator[Finding]:
    for alias in sorted(_NEEDED.keys() - has):
        use, mend = _NEEDED[alias]
        yield bad("extensions", f"Neutron lacks {alias}, by which {use}", mend)
    for alias in sorted(_USEFUL.keys() - has):
        effect, mend = _USEFUL[alias]
        yield odd("extensions", f"Neutron lacks {alias}: {effect}", mend)
    missing = (_NEEDED.keys() | _USEFUL.keys()) - has
    if not missing:
        yield fine("extensions", ", ".join((*_NEEDED, *_USEFUL)))


def _mtu(networks: list[dict[str, Any]]) -> Finding:
    """Check the MTUs of the networks that there are. The MTU of the hosts' links is not seen from here."""
    known = [each for each in networks if each.get("mtu")]
    if not known:
        return fine("MTU", "there are no networks yet")
    small = [each for each in known if each["mtu"] < _IPV6_MTU]
    if small:
        shown = ", ".join(f"{each['name'] or each['id']} has {each['mtu']}" for each in small[:3])
        mend = "raise it (openstack network set --mtu 1442 NETWORK), or global_physnet_mtu in neutron.conf"
        return odd("MTU", f"{shown}: IPv6 needs {_IPV6_MTU}", mend)
    sizes = sorted({int(each["mtu"]) for each in known})
    return fine("MTU", f"{', '.join(map(str, sizes))} ({len(known)} networks)")


async def _quota(service: Service) -> Finding:
    """Check for how many more load balancers the quotas of the project of Hydria's user suffice."""
    project = await service.project_id()
    try:
        quota = (await service.get(f"/v2.0/quotas/{project}/details.json"))["quota"]
    except (Forbidden, NotFound) as refusal:
        return odd("quotas", f"not seen: {refusal.message}", "give Hydria's user the role admin")
    limited = {name: each for name, each in quota.items() if name in _PER_LOAD_BALANCER and each["limit"] >= 0}
    left = {
        name: max(0, each["limit"] - each["used"] - int(each["reserved"])) // _PER_LOAD_BALANCER[name]
        for name, each in limited.items()
    }
    if not left:
        return fine("quotas", "ports and security groups of Hydria's project are not limited")
    least = min(left, key=lambda name: left[name])
    each = quota[least]
    seen = f"{least}: {each['used']} of {each['limit']}, enough for {left[least]} more load balancers"
    if left[least] >= _FEW:
        return fine("quotas", seen)
    mend = f"openstack quota set {' '.join(f'{_OPTIONS[name]} -1' for name in sorted(limited))} {project}"
    return bad("quotas", seen, mend) if left[least] == 0 else odd("quotas", seen, mend)


async def _hosts(service: Service, listed: Listing) -> list[Finding]:
    try:
        hosts = listed()
    except HostError as error:
        return [odd("hosts", f"not checked: {error}", "run this on the server's machine while hydria server runs")]
    if not hosts:
        return [odd("hosts", "Hydria has none", "let one join: hydria host invite")]
    agents = (await service.get("/v2.0/agents"))["agents"]
    if not agents:
        mend = f"give Hydria's user the role admin; if {_AGENTS} shows none either: start ovn-controller on the hosts"
        return [bad("hosts", "Neutron shows no agents", mend)]
    fields = ["id", "binding:host_id", "binding:vif_type", "binding:vif_details"]
    ports = (await service.get("/v2.0/ports", device_owner=AMPHORA_OWNER, fields=fields))["ports"]
    return [_host(host, agents, [each for each in ports if _bound(each, host)]) for host in hosts]


def _host(host: dict[str, Any], agents: list[dict[str, Any]], ports: list[dict[str, Any]]) -> Finding:
    """Check that Neutron can bind ports to a host of Hydria. `ports` are those of its amphorae."""
    name, known = f"host {host['name']}", host.get("neutron_host")
    if known is None:
        return odd(name, "not checked: the server runs an older version of Hydria", "restart hydria server")
    if not known:
        seen = "its agent does not use Open vSwitch, so it gets no amphorae"
        return bad(name, seen, "set agent.ovsdb there (unix:/run/openvswitch/db.sock), and start the agent again")
    here = [each for each in agents if each["host"] == known]
    binding = [each for each in here if str(each["agent_type"]).startswith(_BINDING)]
    if not binding:
        return _unknown(name, known, agents, here)
    trouble = _trouble(name, known, binding, ports)
    return trouble or fine(name, f"{binding[0]['agent_type']} of {known}, alive{_datapath(binding, ports)}")


def _trouble(name: str, known: str, agents: list[dict[str, Any]], ports: list[dict[str, Any]]) -> Finding | None:
    """Return why a host's agents cannot bind or did not bind its ports, or None."""
    dead = next((each for each in agents if not each["alive"]), None)
    if dead is not None:
        seen = f"Neutron takes the {dead['agent_type']} of {known} for dead"
        return bad(name, seen, f"start {dead['binary']} there, and see its log; {_AGENTS}")
    if any(each.get("configurations", {}).get("ovs_hybrid_plug") for each in agents):
        seen = f"the agent of {known} uses the iptables firewall driver, which Hydria does not support"
        return bad(name, seen, "set firewall_driver = openvswitch there, and start the agent again")
    failed = [each for each in ports if each.get("binding:vif_type") == "binding_failed"]
    if failed:
        seen = f"Neutron could not bind {len(failed)} ports to {known}, such as {failed[0]['id']}"
        return bad(name, seen, "see Neutron's log: the host may lack the network (bridge mappings, tunnel type)")
    return None


def _unknown(name: str, known: str, agents: Iterable[dict[str, Any]], here: list[dict[str, Any]]) -> Finding:
    if here:
        kinds = ", ".join(str(each["agent_type"]) for each in here)
        return bad(name, f"{known} has no agent that binds ports ({kinds})", "start ovn-controller there")
    hosts = sorted({str(each["host"]) for each in agents if str(each["agent_type"]).startswith(_BINDING)})
    shown = f"{', '.join(hosts[:5])}{' …' if len(hosts) > 5 else ''}" or "none"
    mend = f"set agent.neutron_host there to the name that {_AGENTS} shows for it, and start the agent again"
    return bad(name, f"Neutron has no agent on {known}; it knows: {shown}", mend)


def _datapath(agents: list[dict[str, Any]], ports: list[dict[str, Any]]) -> str:
    """Describe the datapath: agents of ML2/OVS name theirs, with OVN the ports do that are bound there."""
    named = [each.get("configurations", {}).get("datapath_type") for each in agents]
    named += [each.get("binding:vif_details", {}).get("datapath_type") for each in ports]
    kinds = sorted({str(each) for each in named if each})
    return f", datapath {', '.join(kinds)}" if kinds else ", datapath known with the first amphora"


def _bound(port: dict[str, Any], host: dict[str, Any]) -> bool:
    return bool(host.get("neutron_host")) and port.get("binding:host_id") == host["neutron_host"]
