"""Neutron's refusals by name: their statuses and their texts."""

from hydria.errors import Conflict, Forbidden, Invalid, NotFound, Refusal

_FAULTS: dict[str, tuple[type[Refusal], str]] = {
    "BadRequest": (Invalid, "Bad {resource} request: {msg}."),
    "HTTPBadRequest": (Invalid, "{msg}"),
    "InvalidInput": (Invalid, "Invalid input for operation: {msg}."),
    "HTTPNotFound": (NotFound, "{msg}"),
    "PolicyNotAuthorized": (Forbidden, "{rule} is disallowed by policy"),
    "NetworkNotFound": (NotFound, "Network {id} could not be found."),
    "SubnetNotFound": (NotFound, "Subnet {id} could not be found."),
    "SubnetPoolNotFound": (NotFound, "Subnet pool {id} could not be found."),
    "PortNotFound": (NotFound, "Port {id} could not be found."),
    "RouterNotFound": (NotFound, "Router {id} could not be found"),
    "FloatingIPNotFound": (NotFound, "Floating IP {id} could not be found"),
    "SecurityGroupNotFound": (NotFound, "Security group {id} does not exist"),
    "SecurityGroupRuleNotFound": (NotFound, "Security group rule {id} does not exist"),
    "TagNotFound": (NotFound, "Tag {tag} could not be found."),
    "QosPolicyNotFound": (NotFound, "QoS policy {id} could not be found."),
    "QosRuleNotFound": (NotFound, "QoS rule {id} for policy {policy} could not be found."),
    "QosPolicyInUse": (Conflict, "QoS Policy {id} is used by port {port}."),
    "QoSRulesConflict": (
        Conflict,
        "Rule bandwidth_limit conflicts with rule {id} which already exists in QoS Policy {policy}.",
    ),
    "NetworkInUse": (
        Conflict,
        (
            "Unable to complete operation on network {id}. There are one or more ports still in use on the network, "
            "id for these ports is: {ports}."
        ),
    ),
    "FlatNetworkInUse": (
        Conflict,
        "Unable to create the flat network. Physical network {physical} is in use.",
    ),
    "VlanIdInUse": (
        Conflict,
        "Unable to create the network. The VLAN {vlan} on physical network {physical} is in use.",
    ),
    "NetworkMTUSubnetConflict": (Conflict, "MTU of {id} is not valid, subnet requires a minimum of {mtu}"),
    "InvalidSharedSetting": (
        Conflict,
        "Unable to reconfigure sharing settings for network {network}. Multiple projects are using it.",
    ),
    "ExternalNetworkInUse": (
        Conflict,
        "External network {id} cannot be updated to be made non-external, since it has existing gateway ports.",
    ),
    "DefaultExternalNetworkExists": (Conflict, "A default external network already exists: {id}."),
    "SubnetInUse": (
        Conflict,
        "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet.",
    ),
    "DNSNameServersExhausted": (
        Invalid,
        "Unable to complete operation for {id}. The number of DNS nameservers exceeds the limit {quota}.",
    ),
    "HostRoutesExhausted": (
        Invalid,
        "Unable to complete operation for {id}. The number of host routes exceeds the limit {quota}.",
    ),
    "InvalidAllocationPool": (Invalid, "The allocation pool {pool} is not valid."),
    "OutOfBoundsAllocationPool": (Invalid, "The allocation pool {pool} spans beyond the subnet cidr {cidr}."),
    "OverlappingAllocationPools": (
        Conflict,
        "Found overlapping allocation pools: {one} {other} for subnet {cidr}.",
    ),
    "GatewayConflictWithAllocationPools": (Conflict, "Gateway ip {ip} conflicts with allocation pool {pool}."),
    "GatewayIpInUse": (Conflict, "Current gateway ip {ip} already in use by port {port}. Unable to update."),
    "InvalidIpForNetwork": (
        Invalid,
        "IP address {ip} is not a valid IP for any of the subnets on the specified network.",
    ),
    "InvalidIpForSubnet": (Invalid, "IP address {ip} is not a valid IP for the specified subnet."),
    "IpAddressAlreadyAllocated": (Conflict, "IP address {ip} already allocated in subnet {subnet}"),
    "IpAddressGenerationFailure": (Conflict, "No more IP addresses available on network {id}."),
    "ExternalIpAddressExhausted": (Invalid, "Unable to find any IP address on external network {id}."),
    "MacAddressInUse": (
        Conflict,
        "Unable to complete operation for network {network}. The mac address {mac} is in use.",
    ),
    "PortInUse": (
        Conflict,
        (
            "Unable to complete operation on port {id} for network {network}. Port already has an attached device "
            "{device}."
        ),
    ),
    "ServicePortInUse": (
        Conflict,
        "Port {id} cannot be deleted directly via the port API: {reason}.",
    ),
    "UnsupportedPortDeviceOwner": (
        Conflict,
        "Operation {op} is not supported for device_owner {owner} on port {id}.",
    ),
    "DeviceIDNotOwnedByProject": (
        Conflict,
        "The following device_id {device} is not owned by your project or matches another project router.",
    ),
    "FipAssociated": (
        Conflict,
        "Unable to complete the operation on port {id} because the port still has an associated floating IP.",
    ),
    "AddressPairAndPortSecurityRequired": (
        Conflict,
        "Port Security must be enabled in order to have allowed address pairs on a port.",
    ),
    "DuplicateAddressPairInRequest": (
        Invalid,
        "Request contains duplicate address pair: mac_address {mac} ip_address {ip}.",
    ),
    "AllowedAddressPairExhausted": (Invalid, "The number of allowed address pair exceeds the maximum {quota}."),
    "PortSecurityPortHasSecurityGroup": (
        Conflict,
        (
            "Port has security group associated. Cannot disable port security or IP address until security group is "
            "removed."
        ),
    ),
    "PortSecurityAndIPRequiredForSecurityGroups": (
        Invalid,
        "Port security must be enabled and port must have an IP address in order to use security groups.",
    ),
    "RouterInUse": (Conflict, "Router {id} has ports still attached: {ports}"),
    "RouterInterfaceNotFound": (NotFound, "Router {id} does not have an interface with id {port}"),
    "RouterInterfaceNotFoundForSubnet": (NotFound, "Router {id} has no interface on subnet {subnet}"),
    "RouterInterfaceInUseByFloatingIP": (
        Conflict,
        (
            "Router interface for subnet {subnet} on router {id} cannot be deleted, as it is required by one or more "
            "floating IPs."
        ),
    ),
    "RouterExternalGatewayInUseByFloatingIp": (
        Conflict,
        (
            "Gateway cannot be updated for router {id}, since a gateway to external network {network} is required by "
            "one or more floating IPs."
        ),
    ),
    "SubnetMismatchForPort": (Invalid, "Subnet on port {port} does not match the requested subnet {subnet}."),
    "ExternalGatewayForFloatingIPNotFound": (
        NotFound,
        (
            "External network {network} is not reachable from subnet {subnet}. Therefore, cannot associate Port {port} "
            "with a Floating IP."
        ),
    ),
    "FloatingIPPortAlreadyAssociated": (
        Conflict,
        (
            "Cannot associate floating IP {ip} ({id}) with port {port} using fixed IP {fixed}, as that fixed IP "
            "already has a floating IP on external network {network}."
        ),
    ),
    "SecurityGroupInUse": (Conflict, "Security Group {id} in use."),
    "SecurityGroupCannotRemoveDefault": (Conflict, "Insufficient rights for removing default security group."),
    "SecurityGroupCannotUpdateDefault": (Conflict, "Updating default security group not allowed."),
    "SecurityGroupDefaultAlreadyExists": (Conflict, "Default security group already exists."),
    "SecurityGroupRuleExists": (Conflict, "Security group rule already exists. Rule id is {id}."),
}


def fault(kind: str, **values: object) -> Refusal:
    """Return Neutron's refusal of this name, its text filled in."""
    refusal, text = _FAULTS[kind]
    return refusal(text.format(**values), kind=kind)


def still_on_a_host(ip: str, subnet_id: str) -> Refusal:
    """Return the refusal of an address that was released and that a host may still have."""
    return Conflict(
        f"IP address {ip} already allocated in subnet {subnet_id}: it was released, but a host still has it. Try again "
        "in a few seconds, when the host has removed it. If this lasts, check that the agents of all hosts run, and "
        "look for 'topology_failing' in the log.",
        kind="IpAddressAlreadyAllocated",
    )


def bad_request(resource: str, message: str) -> Refusal:
    """Return Neutron's `Bad … request` (400)."""
    return fault("BadRequest", resource=resource, msg=message)


def invalid_input(message: str) -> Refusal:
    """Return Neutron's `Invalid input for operation` (400)."""
    return fault("InvalidInput", msg=message)


def invalid_attribute(attribute: str, reason: str) -> Refusal:
    """Return Neutron's refusal (400) of an attribute's value."""
    return fault("HTTPBadRequest", msg=f"Invalid input for {attribute}. Reason: {reason}.")
