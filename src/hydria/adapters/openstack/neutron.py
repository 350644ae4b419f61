"""Neutron's API, as far as load balancers need it, by Hydria's own user."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from hydria.adapters.openstack.session import Service
from hydria.errors import NotFound
from hydria.model.neutron import GroupRule, NeutronNetwork, NeutronPort, NeutronSubnet

S = TypeVar("S")

_PORTS = "/v2.0/ports"
_GROUPS = "/v2.0/security-groups"
_RULES = "/v2.0/security-group-rules"


class Neutron:
    """The calls. All raise the Refusal that Neutron answers with, or Unavailable."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def subnet(self, subnet_id: str) -> NeutronSubnet | None:
        """Return a subnet, or None."""
        return await self._one(f"/v2.0/subnets/{subnet_id}", "subnet", NeutronSubnet)

    async def network(self, network_id: str) -> NeutronNetwork | None:
        """Return a network, or None."""
        return await self._one(f"/v2.0/networks/{network_id}", "network", NeutronNetwork)

    async def subnets_of(self, network_id: str) -> tuple[NeutronSubnet, ...]:
        """Return the subnets of a network."""
        return await self._list("/v2.0/subnets", "subnets", NeutronSubnet, network_id=network_id)

    async def subnets(self, ids: Sequence[str]) -> tuple[NeutronSubnet, ...]:
        """Return those of the subnets that exist."""
        return await self._list("/v2.0/subnets", "subnets", NeutronSubnet, id=list(ids))

    async def networks(self, ids: Sequence[str]) -> tuple[NeutronNetwork, ...]:
        """Return those of the networks that exist."""
        return await self._list("/v2.0/networks", "networks", NeutronNetwork, id=list(ids))

    async def may_use(self, network_id: str, project_id: str) -> bool:
        """Say whether a project may put ports on a network: its own, a shared one, or by a rule of RBAC."""
        network = await self.network(network_id)
        if network is None:
            return False
        if network.shared or network.project_id == project_id:
            return True
        return await self._allowed("network", network_id, project_id, action="access_as_shared")

    async def offers(self, alias: str) -> bool:
        """Say whether Neutron has an extension."""
        return await self._raw(f"/v2.0/extensions/{alias}", "extension") is not None

    async def free_addresses(self, network_id: str) -> dict[str, int]:
        """Return the number of free addresses of each subnet of a network, by id; none where they are not counted."""
        found = await self._raw(f"/v2.0/network-ip-availabilities/{network_id}", "network_ip_availability")
        # A Neutron may lack this extension.
        subnets = [] if found is None else found["subnet_ip_availability"]
        return {each["subnet_id"]: int(each["total_ips"]) - int(each["used_ips"]) for each in subnets}

    async def has_qos_policy(self, policy_id: str, project_id: str | None) -> bool:
        """Say whether there is a QoS policy that a project may use."""
        found = await self._raw(f"/v2.0/qos/policies/{policy_id}", "policy")
        if found is None or project_id is None or found.get("shared") or found.get("project_id") == project_id:
            return found is not None
        return await self._allowed("qos_policy", policy_id, project_id)

    async def has_security_group(self, group_id: str, project_id: str | None) -> bool:
        """Say whether there is a security group that a project may use."""
        found = await self._raw(f"{_GROUPS}/{group_id}", "security_group")
        if found is None or project_id is None or found.get("shared") or found.get("project_id") == project_id:
            return found is not None
        return await self._allowed("security_group", group_id, project_id)

    async def _allowed(self, kind: str, key: str, project_id: str, **query: str) -> bool:
        """Say whether a rule of RBAC shares an object with a project. A Neutron without RBAC has no rules."""
        try:
            found = await self.service.get("/v2.0/rbac-policies", object_type=kind, object_id=key, **query)
        except NotFound:
            return False
        return any(each.get("target_tenant") in ("*", project_id) for each in found["rbac_policies"])

    # --- ports ---

    async def port(self, port_id: str) -> NeutronPort | None:
        """Return a port, or None."""
        return await self._one(f"{_PORTS}/{port_id}", "port", NeutronPort)

    async def ports(self, **query: Any) -> tuple[NeutronPort, ...]:
        """Return the ports that meet a query, such as `device_id`."""
        return await self._list(_PORTS, "ports", NeutronPort, **query)

    async def create_port(self, **values: Any) -> NeutronPort:
        """Create a port and return it."""
        found = await self.service.call("POST", _PORTS, {"port": values})
        return msgspec.convert(found["port"], NeutronPort)

    async def update_port(self, port_id: str, **values: Any) -> NeutronPort:
        """Change a port and return it."""
        found = await self.service.call("PUT", f"{_PORTS}/{port_id}", {"port": values})
        return msgspec.convert(found["port"], NeutronPort)

    async def delete_port(self, port_id: str) -> None:
        """Delete a port, if it exists."""
        await self._delete(f"{_PORTS}/{port_id}")

    # --- security groups ---

    async def ensure_group(self, name: str) -> tuple[str, list[dict[str, Any]]]:
        """Return the id and the ingress rules of Hydria's own security group of a name; make it when it is missing."""
        # A group of this name in a user's project is not ours.
        found = await self.service.get(_GROUPS, name=name, project_id=await self.service.project_id())
        if not found["security_groups"]:
            return await self.create_group(name)
        return _group(found["security_groups"][0])

    async def create_group(self, name: str) -> tuple[str, list[dict[str, Any]]]:
        """Create a security group of Hydria's own; return its id and ingress rules."""
        about = "The ports of a load balancer of Hydria. It is deleted with the load balancer."
        body = {"security_group": {"name": name, "description": about}}
        return _group((await self.service.call("POST", _GROUPS, body))["security_group"])

    async def add_rules(self, group_id: str, rules: Iterable[GroupRule]) -> None:
        """Add rules to a security group, all in one request."""
        bodies = [rule.body(group_id) for rule in rules]
        if bodies:
            await self.service.call("POST", _RULES, {"security_group_rules": bodies})

    async def delete_rule(self, rule_id: str) -> None:
        """Delete a rule, if it exists."""
        await self._delete(f"{_RULES}/{rule_id}")

    async def delete_group(self, group_id: str) -> None:
        """Delete a security group, if it exists."""
        await self._delete(f"{_GROUPS}/{group_id}")

    # --- inside ---

    async def _delete(self, path: str) -> None:
        try:
            await self.service.call("DELETE", path)
        except NotFound:
            return

    async def _raw(self, path: str, name: str) -> dict[str, Any] | None:
        try:
            found = await self.service.get(path)
        except NotFound:
            return None
        return dict(found[name])

    async def _one(self, path: str, name: str, kind: type[S]) -> S | None:
        found = await self._raw(path, name)
        return None if found is None else msgspec.convert(found, kind)

    async def _list(self, path: str, name: str, kind: type[S], **query: Any) -> tuple[S, ...]:
        found = await self.service.get(path, **query)
        return tuple(msgspec.convert(each, kind) for each in found[name])


def _group(group: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return the id and the ingress rules of a security group as Neutron shows it."""
    return str(group["id"]), [each for each in group["security_group_rules"] if each["direction"] == "ingress"]
