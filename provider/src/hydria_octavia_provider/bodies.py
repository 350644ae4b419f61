"""Octavia's data models as bodies of Hydria's API.

An attribute that a model has and this module does not know is refused, unless it has no value: a newer Octavia must
not lose a user's wish without a word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from octavia_lib.api.drivers import data_models, exceptions

Body = dict[str, Any]
# A data model, or the same as a dictionary.
Model = Any

_COMMON = frozenset({"name", "admin_state_up"})
_DESCRIBED = _COMMON | {"description"}
_TLS = frozenset({"tls_ciphers", "tls_versions", "alpn_protocols"})


@dataclass(frozen=True)
class Kind:
    """One kind of resource: its attributes and those of new ones, which a change does not have.

    `key` is the model's name of the id, `root` and `path` are those of Hydria's API. `elsewhere` are attributes that
    are no part of the resource's own body: in the path, implied by the parent, or handled apart. `plain` are values
    that mean the same as none.
    """

    root: str
    path: str
    key: str
    attributes: frozenset[str]
    fixed: frozenset[str]
    elsewhere: frozenset[str] = frozenset()
    plain: Mapping[str, Any] = field(default_factory=dict)


LOAD_BALANCER = Kind(
    root="loadbalancer",
    path="loadbalancers",
    key="loadbalancer_id",
    attributes=_DESCRIBED | {"vip_qos_policy_id", "vip_sg_ids"},
    fixed=frozenset({"project_id", "vip_address", "vip_port_id", "vip_subnet_id"}),
    # The network is that of the port.
    elsewhere=frozenset({"vip_network_id", "additional_vips", "flavor", "availability_zone", "listeners", "pools"}),
)
LISTENER = Kind(
    root="listener",
    path="listeners",
    key="listener_id",
    attributes=_DESCRIBED
    | _TLS
    | {
        "allowed_cidrs", "client_authentication", "client_ca_tls_container_ref", "client_crl_container_ref",
        "connection_limit", "default_pool_id", "default_tls_container_ref", "hsts_include_subdomains", "hsts_max_age",
        "hsts_preload", "insert_headers", "sni_container_refs", "timeout_client_data", "timeout_member_connect",
        "timeout_member_data", "timeout_tcp_inspect",
    },
    fixed=frozenset({"protocol", "protocol_port"}),
    # Hydria reads certificates by their references.
    elsewhere=frozenset({
        "project_id", "loadbalancer_id", "default_pool", "l7policies", "default_tls_container_data",
        "sni_container_data", "client_ca_tls_container_data", "client_crl_container_data",
    }),
)  # fmt: skip
POOL = Kind(
    root="pool",
    path="pools",
    key="pool_id",
    attributes=_DESCRIBED
    | _TLS
    | {
        "ca_tls_container_ref", "crl_container_ref", "lb_algorithm", "session_persistence", "tls_container_ref",
        "tls_enabled",
    },
    fixed=frozenset({"protocol"}),
    elsewhere=frozenset({
        "project_id", "loadbalancer_id", "listener_id", "healthmonitor", "members", "tls_container_data",
        "ca_tls_container_data", "crl_container_data",
    }),
)  # fmt: skip
MEMBER = Kind(
    root="member",
    path="members",
    key="member_id",
    attributes=_COMMON | {"backup", "monitor_address", "monitor_port", "weight"},
    fixed=frozenset({"address", "protocol_port", "subnet_id"}),
    elsewhere=frozenset({"project_id", "pool_id"}),
    plain={"vnic_type": "normal"},
)
HEALTH_MONITOR = Kind(
    root="healthmonitor",
    path="healthmonitors",
    key="healthmonitor_id",
    attributes=_COMMON
    | {
        "delay", "domain_name", "expected_codes", "http_method", "http_version", "max_retries", "max_retries_down",
        "timeout", "url_path",
    },
    fixed=frozenset({"type"}),
    elsewhere=frozenset({"project_id", "pool_id"}),
)  # fmt: skip
L7_POLICY = Kind(
    root="l7policy",
    path="l7policies",
    key="l7policy_id",
    attributes=_DESCRIBED
    | {"action", "position", "redirect_http_code", "redirect_pool_id", "redirect_prefix", "redirect_url"},
    fixed=frozenset(),
    elsewhere=frozenset({"project_id", "listener_id", "rules"}),
)
L7_RULE = Kind(
    root="rule",
    path="rules",
    key="l7rule_id",
    attributes=frozenset({"admin_state_up", "compare_type", "invert", "key", "type", "value"}),
    fixed=frozenset(),
    elsewhere=frozenset({"project_id", "l7policy_id"}),
)


def given(model: Model) -> Body:
    """Return the attributes of a model that are set."""
    values = model if isinstance(model, dict) else vars(model)
    return {name: value for name, value in values.items() if not isinstance(value, data_models.UnsetType)}


def new(kind: Kind, model: Model) -> Body:
    """Return the own attributes of a new resource, with its id; what is empty has Hydria's default."""
    body = _known(kind, model, kind.attributes | kind.fixed)
    kept = {name: value for name, value in body.items() if not _is_empty(value)}
    return {"id": given(model)[kind.key], **kept}


def changed(kind: Kind, model: Model) -> Body:
    """Return the attributes that a change sets; None resets one to its default."""
    return _known(kind, model, kind.attributes)


def load_balancer(model: Model) -> Body:
    """Return the body of a new load balancer with everything below it."""
    values = given(model)
    body = new(LOAD_BALANCER, model)
    if vips := values.get("additional_vips"):
        body["additional_vips"] = [_additional_vip(each) for each in vips]
    pools = values.get("pools") or []
    # Hydria's trees refer to pools by their names, which Octavia's trees have too.
    names = {given(each)["pool_id"]: given(each).get("name", "") for each in pools}
    if pools:
        body["pools"] = [pool(each) for each in pools]
    if listeners := values.get("listeners"):
        body["listeners"] = [listener(each, names) for each in listeners]
    return body


def listener(model: Model, names: Mapping[str, str] | None = None) -> Body:
    """Return the body of a new listener; in a tree, `names` are those of its pools by id."""
    body = new(LISTENER, model)
    if names is not None and (key := body.pop("default_pool_id", None)):
        body["default_pool"] = {"name": names[key]}
    policies = given(model).get("l7policies") or []
    if policies:
        body["l7policies"] = [l7_policy(each, names or {}) for each in policies]
    return body


def pool(model: Model) -> Body:
    """Return the body of a new pool with its members and its monitor."""
    values = given(model)
    body = new(POOL, model)
    if monitor := values.get("healthmonitor"):
        body["healthmonitor"] = new(HEALTH_MONITOR, monitor)
    if members := values.get("members"):
        body["members"] = [new(MEMBER, each) for each in members]
    return body


def l7_policy(model: Model, names: Mapping[str, str] | None = None) -> Body:
    """Return the body of a new policy with its rules; in a tree, `names` are those of its pools by id."""
    body = new(L7_POLICY, model)
    if names is not None and (key := body.pop("redirect_pool_id", None)):
        body["redirect_pool"] = {"name": names[key]}
    if rules := given(model).get("rules"):
        body["rules"] = [new(L7_RULE, each) for each in rules]
    return body


def _known(kind: Kind, model: Model, attributes: frozenset[str]) -> Body:
    body = {}
    for name, value in given(model).items():
        if name in attributes:
            body[name] = _plain(value)
        elif name in kind.fixed | kind.elsewhere | {kind.key} or _is_empty(value) or kind.plain.get(name) == value:
            continue
        else:
            raise unsupported(f"Hydria does not support the attribute {name} of a {kind.root}.")
    return body


def unsupported(sentence: str) -> Exception:
    """Return the refusal of an option, with a sentence for users and operators."""
    refusal: Exception = exceptions.UnsupportedOptionError(user_fault_string=sentence, operator_fault_string=sentence)
    return refusal


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: session persistence comes as a model or a dictionary, with null attributes."""
    if isinstance(value, dict):
        return {name: each for name, each in value.items() if each is not None}
    return value


def _additional_vip(model: Model) -> Body:
    values = given(model)
    return {name: values[name] for name in ("subnet_id", "ip_address") if values.get(name) is not None}
