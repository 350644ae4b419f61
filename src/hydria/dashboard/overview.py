"""What the overview shows of each load balancer, read by three statements."""

from collections import Counter, defaultdict
from typing import Any

from msgspec import Struct
from sqlalchemy import func, select

from hydria.model import Listener, LoadBalancer, Member
from hydria.store import Transaction, columns
from hydria.store.resources import Health
from hydria.store.statuses import operating_status_sql, provisioning_status_sql
from hydria.store.tables import rows_of

_UP = ("ONLINE", "NO_MONITOR")
_DOWN = ("ERROR",)


class Row(Struct, frozen=True, kw_only=True, array_like=True):
    """One load balancer; on the wire its fields are in this order. `changes` is the generation."""

    id: str
    name: str
    project_id: str
    vip_address: str
    provisioning_status: str
    operating_status: str
    admin_state_up: bool
    changes: int
    created_at: str
    listeners: int
    members: int
    members_up: int
    members_down: int


Overview = dict[str, Row]


def read_overview(transaction: Transaction) -> Overview:
    """Return all load balancers by id, in the order of their creation."""
    listeners = _listeners(transaction)
    members = _members(transaction)
    none: Counter[str] = Counter()
    c = columns(LoadBalancer)
    joined = rows_of(LoadBalancer).table.outerjoin(rows_of(Health).table, columns(Health).id == c.id)
    statement = select(
        c.id,
        c.name,
        c.project_id,
        c.vip_address,
        provisioning_status_sql(LoadBalancer),
        operating_status_sql(),
        c.admin_state_up,
        c.generation,
        c.created_at,
    )
    found: Overview = {}
    for row in transaction.execute(statement.select_from(joined).order_by(c.created_at, c.id)):
        key, name, project_id, vip, provisioning, operating, up, generation, created_at = tuple(row)
        states = members.get(key, none)
        found[key] = Row(
            id=key,
            name=name,
            project_id=project_id,
            vip_address=vip,
            provisioning_status=provisioning,
            operating_status=operating,
            admin_state_up=bool(up),
            changes=generation,
            created_at=created_at,
            listeners=listeners.get(key, 0),
            members=states.total(),
            members_up=sum(states[state] for state in _UP),
            members_down=sum(states[state] for state in _DOWN),
        )
    return found


def _listeners(transaction: Transaction) -> dict[str, int]:
    c = columns(Listener)
    counted = select(c.load_balancer_id, func.count()).where(c.deleted_in.is_(None)).group_by(c.load_balancer_id)
    pairs: Any = transaction.execute(counted).all()
    return dict(pairs)


def _members(transaction: Transaction) -> dict[str, Counter[str]]:
    """Return the numbers of members by operating status, by load balancer."""
    c, health = columns(Member), columns(Health)
    joined = rows_of(Member).table.outerjoin(rows_of(Health).table, health.id == c.id)
    status = operating_status_sql()
    counted = select(c.load_balancer_id, status, func.count()).select_from(joined).where(c.deleted_in.is_(None))
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in transaction.execute(counted.group_by(c.load_balancer_id, status)):
        key, state, number = tuple(row)
        found[key][state] += number
    return found
