"""QoS policies: bandwidth limits of ports, one for each direction."""

import uuid
from typing import Any

from msgspec import UNSET, structs

from hydria.homecloud.network import changes
from hydria.homecloud.network.access import creator, for_admins
from hydria.homecloud.network.faults import fault, invalid_attribute, invalid_input
from hydria.homecloud.network.forms import (
    BandwidthRuleCreate,
    BandwidthRuleUpdate,
    QosPolicyCreate,
    QosPolicyUpdate,
)
from hydria.homecloud.network.kinds import QOS_POLICY
from hydria.homecloud.network.listing import chosen
from hydria.homecloud.network.resource import given, load, load_owned, operations
from hydria.homecloud.network.rows import BandwidthRule, Port, QosPolicy
from hydria.http.operation import Call, Operation
from hydria.store import columns

_FOR_ADMINS = {"shared": "shared"}
_DIRECTIONS = ("egress", "ingress")
_TYPE = "bandwidth_limit"
_ROOT = "bandwidth_limit_rule"


def _create(call: Call) -> QosPolicy:
    form: QosPolicyCreate = call.form
    project_id = creator(call, form, "create_policy")
    policy = changes.new(QosPolicy, call.time, project_id=project_id, **_values(call, "create_policy"))
    changes.add(call.transaction, policy)
    return policy


def _update(call: Call) -> QosPolicy:
    policy = load_owned(call, QOS_POLICY, QosPolicy, "update_policy")
    return changes.change(call.transaction, policy, call.time, **_values(call, "update_policy"))


def _values(call: Call, action: str) -> dict[str, Any]:
    form: QosPolicyUpdate = call.form
    for_admins(call, form, action, _FOR_ADMINS)
    if form.is_default is not UNSET and form.is_default:
        raise invalid_input("is_default is not supported: give each port its policy")
    return given(form, QosPolicy)


def _delete(call: Call) -> None:
    policy = load_owned(call, QOS_POLICY, QosPolicy, "delete_policy")
    users = call.transaction.find(Port, columns(Port).qos_policy_id == policy.id)
    if users:
        raise fault("QosPolicyInUse", id=policy.id, port=users[0].id)
    changes.remove(call.transaction, policy)


# --- rules ---


def _list_rules(call: Call) -> Any:
    policy = load(call, QOS_POLICY, QosPolicy, call.path["id"])
    return {f"{_ROOT}s": [chosen(call, structs.asdict(rule)) for rule in policy.rules]}


def _show_rule(call: Call) -> Any:
    return {_ROOT: structs.asdict(_rule(call, load(call, QOS_POLICY, QosPolicy, call.path["id"])))}


def _create_rule(call: Call) -> Any:
    policy = load_owned(call, QOS_POLICY, QosPolicy, "create_policy_bandwidth_limit_rule")
    form: BandwidthRuleCreate = call.form
    values = given(form, BandwidthRule)
    return _store(call, policy, policy.rules, BandwidthRule(id=str(uuid.uuid4()), **values))


def _update_rule(call: Call) -> Any:
    policy = load_owned(call, QOS_POLICY, QosPolicy, "update_policy_bandwidth_limit_rule")
    before = _rule(call, policy)
    form: BandwidthRuleUpdate = call.form
    values = given(form, BandwidthRule)
    others = tuple(rule for rule in policy.rules if rule != before)
    return _store(call, policy, others, structs.replace(before, **values))


def _delete_rule(call: Call) -> None:
    policy = load_owned(call, QOS_POLICY, QosPolicy, "delete_policy_bandwidth_limit_rule")
    gone = _rule(call, policy)
    left = tuple(rule for rule in policy.rules if rule != gone)
    changes.change(call.transaction, policy, call.time, rules=left)


def _rule(call: Call, policy: QosPolicy) -> BandwidthRule:
    for rule in policy.rules:
        if rule.id == call.path["rule_id"]:
            return rule
    raise fault("QosRuleNotFound", id=call.path["rule_id"], policy=policy.id)


def _store(call: Call, policy: QosPolicy, others: tuple[BandwidthRule, ...], rule: BandwidthRule) -> Any:
    if rule.direction not in _DIRECTIONS:
        raise invalid_attribute("direction", f"'{rule.direction}' is not in {list(_DIRECTIONS)}")
    if rule.max_kbps == 0:
        raise invalid_attribute("max_kbps", "'0' would let nothing through; remove the listeners instead")
    for other in others:
        if other.direction == rule.direction:
            raise fault("QoSRulesConflict", id=other.id, policy=policy.id)
    changes.change(call.transaction, policy, call.time, rules=(*others, rule))
    return {_ROOT: structs.asdict(rule)}


# --- kinds of rules ---


def _types(call: Call) -> Any:
    return {"rule_types": [chosen(call, {"type": _TYPE})]}


def _show_type(call: Call) -> Any:
    if call.path["type"] != _TYPE:
        raise fault("HTTPNotFound", msg=f"QoS rule type {call.path['type']} could not be found.")
    parameters = [
        {"parameter_name": "max_kbps", "parameter_type": "range", "parameter_values": {"start": 0, "end": 2**31 - 1}},
        {
            "parameter_name": "max_burst_kbps",
            "parameter_type": "range",
            "parameter_values": {"start": 0, "end": 2**31 - 1},
        },
        {"parameter_name": "direction", "parameter_type": "choices", "parameter_values": list(_DIRECTIONS)},
    ]
    return {"rule_type": {"type": _TYPE, "drivers": [{"name": "hydria", "supported_parameters": parameters}]}}


_RULES = QOS_POLICY.path + "/{id}/bandwidth_limit_rules"
_RULE = _RULES + "/{rule_id}"

OPERATIONS = (
    *operations(
        QOS_POLICY,
        create=(QosPolicyCreate, _create),
        update=(QosPolicyUpdate, _update),
        delete=_delete,
    ),
    Operation(method="GET", path=_RULES, work=_list_rules),
    Operation(method="POST", path=_RULES, work=_create_rule, form=BandwidthRuleCreate, root=_ROOT, status=201),
    Operation(method="GET", path=_RULE, work=_show_rule),
    Operation(method="PUT", path=_RULE, work=_update_rule, form=BandwidthRuleUpdate, root=_ROOT),
    Operation(method="DELETE", path=_RULE, work=_delete_rule, status=204),
    Operation(method="GET", path="/qos/rule-types", work=_types),
    Operation(method="GET", path="/qos/rule-types/{type}", work=_show_type),
)
