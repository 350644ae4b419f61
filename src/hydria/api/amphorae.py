"""/octavia/amphorae: what serves load balancers, for admins: read, have replaced.

An amphora here is a namespace of a host: its compute instance is itself, and its zone is the host that it is on.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Integer, Label, Select, Text, cast, literal, null, select, update
from sqlalchemy import case as sql_case

from hydria.api.access import Changes
from hydria.api.etags import digested
from hydria.api.listing import each_chosen, page
from hydria.api.resource_types import LOAD_BALANCER
from hydria.api.views import read
from hydria.contract import Counters
from hydria.errors import Conflict, NotFound
from hydria.http.lists import Catalogue
from hydria.http.operation import Call, Operation
from hydria.model import LoadBalancer
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, Traffic, host_name_sql
from hydria.store.tables import rows_of

_PATH = "/amphorae"
_ONE = _PATH + "/{id}"


class Amphorae:
    """The operations on amphorae, with paths below `/octavia`."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations."""
        return (
            Operation(method="GET", path=_PATH, work=_list, rule=_rule("get_all")),
            Operation(method="GET", path=_ONE, work=_show, rule=_rule("get_one")),
            Operation(method="DELETE", path=_ONE, work=self._delete, status=204, rule=_rule("delete")),
            Operation(method="GET", path=_ONE + "/stats", work=_stats, rule=_rule("get_stats")),
            Operation(method="PUT", path=_ONE + "/config", work=_configure, status=202, rule=_rule("put_config")),
            Operation(
                method="PUT", path=_ONE + "/failover", work=self._fail_over, status=202, rule=_rule("put_failover")
            ),
        )

    def _delete(self, call: Call) -> None:
        """Have one that is broken removed; its load balancer gets another."""
        call.authorise(call.caller.project_id)
        amphora = _existing(call)
        if amphora.leaving or amphora.reason is None:
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
        send_away(call.transaction, columns(Amphora).id == amphora.id)


def send_away(transaction: Transaction, which: ColumnElement[bool]) -> None:
    """Have amphorae removed from their hosts; the controller replaces those of load balancers that stay."""
    # A failure to serve is none to leave.
    transaction.execute(update(rows_of(Amphora).table).where(which).values(leaving=True, reason=None))
    transaction.hint("instances")


def _rule(action: str) -> str:
    return f"os_load-balancer_api:amphora:{action}"


def _existing(call: Call) -> Amphora:
    amphora = call.transaction.get(Amphora, call.path["id"])
    if amphora is None:
        raise _missing(call)
    return amphora


def _missing(call: Call) -> NotFound:
    return NotFound(f"Amphora {call.path['id']} not found.")


def attributes() -> dict[str, ColumnElement[Any]]:
    """Say each attribute in SQL, in Octavia's order."""
    c, lb = columns(Amphora), columns(LoadBalancer)
    nothing = cast(null(), Text)
    status = sql_case(
        (c.leaving.is_(True), "PENDING_DELETE"),
        (c.reason.is_not(None), "ERROR"),
        (c.served == 0, "BOOTING"),
        else_="ALLOCATED",
    )
    return {
        "id": c.id,
        "loadbalancer_id": c.load_balancer_id,
        "compute_id": c.id,
        "lb_network_ip": nothing,
        # There is one address, and one port for it, where Octavia has one of the amphora and one of the pair.
        "vrrp_ip": lb.vip_address,
        "ha_ip": lb.vip_address,
        "vrrp_port_id": lb.vip_port_id,
        "ha_port_id": lb.vip_port_id,
        "cert_expiration": nothing,
        "cert_busy": literal(False, Boolean),
        "role": literal("STANDALONE", Text),
        "status": status,
        "vrrp_interface": nothing,
        "vrrp_id": literal(1, Integer),
        "vrrp_priority": cast(null(), Integer),
        "cached_zone": host_name_sql(c.host),
        "created_at": c.created_at,
        "updated_at": c.updated_at,
        "image_id": nothing,
        "compute_flavor": nothing,
    }


def _selection() -> Select[Any]:
    amphorae, load_balancers = rows_of(Amphora).table, rows_of(LoadBalancer).table
    joined = amphorae.join(load_balancers, columns(LoadBalancer).id == columns(Amphora).load_balancer_id)
    return select(*(Label(name, said) for name, said in attributes().items())).select_from(joined)


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


def _show(call: Call) -> Any:
    row = call.transaction.execute(_selection().where(columns(Amphora).id == call.path["id"])).first()
    if row is None:
        raise _missing(call)
    call.authorise(call.caller.project_id)
    return digested(call, "amphora", _body(row))


def _stats(call: Call) -> Any:
    call.authorise(call.caller.project_id)
    found = call.transaction.find(Traffic, columns(Traffic).amphora_id == call.path["id"])
    if not found:
        raise NotFound(f"Amphora stats for {call.path['id']} not found.")
    return {
        "amphora_stats": [
            {
                "id": each.amphora_id,
                "listener_id": each.listener_id,
                "loadbalancer_id": each.load_balancer_id,
                **{name: getattr(each.counters, name) for name in Counters.__struct_fields__},
            }
            for each in found
        ]
    }


def _configure(call: Call) -> None:
    """Answer as Octavia does: a light amphora has no agent of its own whose configuration could be renewed."""
    amphora = _existing(call)
    load_balancer = call.transaction.get(LoadBalancer, amphora.load_balancer_id)
    call.authorise(None if load_balancer is None else load_balancer.project_id)
