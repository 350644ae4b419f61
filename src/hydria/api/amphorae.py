"""/octavia/amphorae: what serves load balancers, for admins: read, replace.

An amphora is a network namespace: its compute instance is its host, and its zone the host's, or the host's name.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Integer, Label, Select, Text, cast, func, literal, null, select, update
from sqlalchemy import case as sql_case

from hydria.api.access import Changes
from hydria.api.etags import digest, digested
from hydria.api.listing import each_chosen, page
from hydria.api.resource_types import LOAD_BALANCER, ApiNames
from hydria.api.views import read
from hydria.contract import Counters
from hydria.errors import Conflict, NotFound
from hydria.http.lists import Catalogue
from hydria.http.operation import Call, Operation
from hydria.model import LoadBalancer
from hydria.model.status import AmphoraHealth
from hydria.store import Transaction, columns
from hydria.store.functions import first_string
from hydria.store.resources import FIRST_PRIORITY, Amphora, Replacing, Traffic, host_zone_sql
from hydria.store.tables import rows_of

AMPHORA = ApiNames(root="amphora", plural="amphorae", policy="amphora", title="Amphora")

_PATH = "/amphorae"
_ONE = _PATH + "/{id}"


# The steps of a replacement that an operator or a drained host began.
_REPLACED: tuple[Replacing, ...] = ("waiting", "handing_over", "draining")


_UUID_LENGTH = 36


class Amphorae:
    """The operations on amphorae, with paths below `/octavia`."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def operations(self) -> tuple[Operation, ...]:
        rule = AMPHORA.rule
        return (
            Operation(method="GET", path=_PATH, on="collection", shows=AMPHORA, work=_list, rule=rule("get_all")),
            Operation(method="GET", path=_ONE, on="item", shows=AMPHORA, work=_show, rule=rule("get_one")),
            Operation(
                method="DELETE",
                path=_ONE,
                on="item",
                shows=AMPHORA,
                work=self._delete,
                tag=_tag,
                status=204,
                rule=rule("delete"),
            ),
            Operation(method="GET", path=_ONE + "/stats", work=_stats, rule=rule("get_stats")),
            Operation(
                method="PUT", path=_ONE + "/config", work=_configure, tag=_tag, status=202, rule=rule("put_config")
            ),
            Operation(
                method="PUT",
                path=_ONE + "/failover",
                work=self._fail_over,
                tag=_tag,
                status=202,
                rule=rule("put_failover"),
            ),
        )

    def _delete(self, call: Call) -> None:
        """Remove a broken amphora; its load balancer gets another one."""
        call.authorise(call.caller.project_id)
        amphora = _existing(call)
        if amphora.leaving or amphora.replacing in _REPLACED or amphora.reason is None:
            raise Conflict(f"amphora {amphora.id} is immutable and cannot be updated.")
        self._replace(call, amphora)

    def _fail_over(self, call: Call) -> None:
        amphora = _existing(call)
        load_balancer = call.transaction.get(LoadBalancer, amphora.load_balancer_id)
        call.authorise(None if load_balancer is None else load_balancer.project_id)
        self._replace(call, amphora)

    def _replace(self, call: Call, amphora: Amphora) -> None:
        loaded = read(call.transaction, LOAD_BALANCER, amphora.load_balancer_id)
        if loaded is None:
            raise RuntimeError(f"amphora {amphora.id} has no load balancer")
        self._changes.bump_generation(call.transaction, loaded, below=True)
        replace_amphorae(call.transaction, columns(Amphora).id == amphora.id)


def remove_amphorae(transaction: Transaction, which: ColumnElement[bool]) -> None:
    """Mark amphorae for removal from their hosts, because their load balancer is deleted."""
    # Clear the old failure: it was about serving, not about removal.
    transaction.execute(update(rows_of(Amphora).table).where(which).values(leaving=True, reason=None))
    transaction.hint("instances")


def replace_amphorae(transaction: Transaction, which: ColumnElement[bool]) -> None:
    """Have amphorae replaced; they go on serving until the new ones do. Those that are leaving or replaced stay so."""
    c = columns(Amphora)
    which &= c.leaving.is_(False) & c.replacing.in_(["", "lost"])
    transaction.execute(update(rows_of(Amphora).table).where(which).values(replacing="waiting"))
    transaction.hint("instances")


def _existing(call: Call) -> Amphora:
    amphora = call.transaction.get(Amphora, call.path["id"])
    if amphora is None:
        raise _missing(call)
    return amphora


def _missing(call: Call) -> NotFound:
    return NotFound(f"Amphora {call.path['id']} not found.")


def attributes() -> dict[str, ColumnElement[Any]]:
    """Return each attribute as a column of the selection, in Octavia's order."""
    c, lb, health = columns(Amphora), columns(LoadBalancer), columns(AmphoraHealth)
    nothing = cast(null(), Text)
    paired = c.priority.is_not(None)
    unreachable = select(health.amphora_id).where(health.amphora_id == c.id, health.reachable.is_(False)).exists()
    status = sql_case(
        (c.leaving.is_(True) | c.replacing.in_(_REPLACED), "PENDING_DELETE"),
        (c.reason.is_not(None) | (c.replacing == "lost") | unreachable, "ERROR"),
        (c.served == 0, "BOOTING"),
        else_="ALLOCATED",
    )
    # Until its host has said so, the one of higher priority counts as the one that has the VIPs.
    active = func.coalesce(c.carries_vip, c.priority == FIRST_PRIORITY) & c.leaving.is_(False) & (c.replacing != "lost")
    return {
        "id": c.id,
        "loadbalancer_id": c.load_balancer_id,
        # Clients expect a UUID; the id of a host whose agent is old is its name.
        "compute_id": sql_case((func.length(c.host) == _UUID_LENGTH, c.host), else_=c.id),
        "lb_network_ip": nothing,
        "vrrp_ip": func.coalesce(first_string(c.base_addresses), lb.vip_address),
        "ha_ip": lb.vip_address,
        "vrrp_port_id": func.coalesce(c.base_port_id, lb.vip_port_id),
        "ha_port_id": lb.vip_port_id,
        "cert_expiration": nothing,
        "cert_busy": literal(False, Boolean),
        "role": sql_case((~paired, "STANDALONE"), (active, "MASTER"), else_="BACKUP"),
        "status": status,
        "vrrp_interface": sql_case((paired, "eth0"), else_=nothing),
        "vrrp_id": literal(1, Integer),
        "vrrp_priority": c.priority,
        "cached_zone": host_zone_sql(c.host),
        "created_at": c.created_at,
        "updated_at": c.updated_at,
        "image_id": nothing,
        "compute_flavor": nothing,
    }


def _selection() -> Select[Any]:
    amphorae, load_balancers = rows_of(Amphora).table, rows_of(LoadBalancer).table
    joined = amphorae.join(load_balancers, columns(LoadBalancer).id == columns(Amphora).load_balancer_id)
    return select(*(Label(name, column) for name, column in attributes().items())).select_from(joined)


def _body(row: Any) -> dict[str, Any]:
    return {**row._mapping, "cert_busy": bool(row._mapping["cert_busy"])}


def _list(call: Call) -> Any:
    call.authorise(call.caller.project_id)
    known = attributes()
    known["load_balancer_id"] = known["loadbalancer_id"]
    wanted = call.query.last("project_id")
    where = [columns(LoadBalancer).project_id == wanted] if wanted else []
    rows, links = page(call, Catalogue(_selection(), known, columns(Amphora).id), *where)
    return {"amphorae": each_chosen([_body(row) for row in rows], call), "amphorae_links": links}


def _shown(call: Call) -> dict[str, Any]:
    """Return the body of the path's amphora, for the callers that may do the operation. Raises NotFound, Forbidden."""
    row = call.transaction.execute(_selection().where(columns(Amphora).id == call.path["id"])).first()
    if row is None:
        raise _missing(call)
    call.authorise(call.caller.project_id)
    return _body(row)


def _show(call: Call) -> Any:
    return digested("amphora", _shown(call), call)


def _tag(call: Call) -> str:
    return digest(_shown(call))


def _stats(call: Call) -> Any:
    call.authorise(call.caller.project_id)
    found = call.transaction.find(Traffic, columns(Traffic).amphora_id == call.path["id"])
    if not found:
        raise NotFound(f"Amphora stats for {call.path['id']} not found.")
    return {
        "amphora_stats": [
            {
                "id": traffic.amphora_id,
                "listener_id": traffic.listener_id,
                "loadbalancer_id": traffic.load_balancer_id,
                **{name: getattr(traffic.counters, name) for name in Counters.__struct_fields__},
            }
            for traffic in found
        ]
    }


def _configure(call: Call) -> None:
    """Accept the call as Octavia does. An amphora has no agent of its own, so there is nothing to configure."""
    amphora = _existing(call)
    load_balancer = call.transaction.get(LoadBalancer, amphora.load_balancer_id)
    call.authorise(None if load_balancer is None else load_balancer.project_id)
