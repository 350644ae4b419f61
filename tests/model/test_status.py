"""Statuses: the function and its SQL agree, and operating statuses roll up as in Octavia."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import Connection, create_engine, insert, select

from hydria.model import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool, Resource, Tree
from hydria.model.status import (
    AmphoraHealth,
    OperatingStatus,
    Progress,
    ServerState,
    operating_statuses,
    provisioning_status,
    unmeasured_statuses,
)
from hydria.store import columns, metadata
from hydria.store.resources import Health
from hydria.store.statuses import provisioning_status_sql
from hydria.store.tables import rows_of

COMMON: dict[str, Any] = {"project_id": "p", "created_at": "2026-01-01T00:00:00"}
BELOW: dict[str, Any] = {**COMMON, "load_balancer_id": "lb"}
ROOT = LoadBalancer(
    id="lb", vip_address="10.0.0.2", vip_port_id="port", vip_subnet_id="s", vip_network_id="n", **COMMON
)
POOL = Pool(id="pool", protocol="HTTP", lb_algorithm="ROUND_ROBIN", **BELOW)
LISTENER = Listener(id="listener", protocol="HTTP", protocol_port=80, default_pool_id="pool", **BELOW)
MONITOR = HealthMonitor(id="monitor", pool_id="pool", type="TCP", delay=1, timeout=1, max_retries=1, **BELOW)

numbers = st.integers(min_value=0, max_value=5)
generations = st.integers(min_value=1, max_value=5)
maybe = st.none() | generations


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection


def from_sql(
    connection: Connection, load_balancer: LoadBalancer, resource: Resource, trouble: str | None = None
) -> str:
    kind = type(resource)
    source: Any = rows_of(kind).table
    if kind is not LoadBalancer:
        link = columns(LoadBalancer).id == columns(kind).load_balancer_id
        source = source.join(rows_of(LoadBalancer).table, link)
        source = source.outerjoin(rows_of(Health).table, columns(Health).id == columns(kind).id)
    health = Health(id=resource.id, load_balancer_id=load_balancer.id, operating_status="ONLINE", trouble=trouble)
    connection.execute(insert(rows_of(Health).table), rows_of(Health).dump(health))
    for row in {load_balancer.id: load_balancer, resource.id: resource}.values():
        connection.execute(insert(rows_of(type(row)).table), rows_of(type(row)).dump(row))
    found = connection.execute(select(provisioning_status_sql(kind)).select_from(source)).scalar_one()
    connection.rollback()
    return str(found)


@given(
    root=st.builds(
        structs.replace,
        st.just(ROOT),
        generation=generations,
        observed=numbers,
        failed=numbers,
        reason=st.none() | st.just("why"),
        deleted_in=maybe,
    ),
    child=st.builds(structs.replace, st.just(POOL), created_in=generations, changed_in=generations, deleted_in=maybe),
    trouble=st.none() | st.just("trouble"),
)
def test_the_function_and_its_sql_agree(
    connection: Connection, root: LoadBalancer, child: Pool, trouble: str | None
) -> None:
    progress = Progress.of(root)
    for resource in (root, child):
        found = from_sql(connection, root, resource, trouble)
        assert found == provisioning_status(resource, progress, trouble)


SECOND = structs.replace(POOL, id="second")
POLICY = L7Policy(
    position=1, id="policy", listener_id="listener", action="REDIRECT_TO_POOL", redirect_pool_id="second", **BELOW
)
RULE = L7Rule(id="rule", l7policy_id="policy", type="PATH", compare_type="EQUAL_TO", value="/", **BELOW)


def below(of: dict[str, Any], key: str) -> list[Any]:
    """Return the resources that a resource has or uses, whose changes Octavia also shows at it."""
    if key in ("pool", "second"):
        return [each for each in of.values() if getattr(each, "pool_id", None) == key]
    if key == "policy":
        return [of["rule"]]
    if key != "listener":
        return []
    policy, rule = of["policy"], of["rule"]
    sends = policy.deleted_in is None and policy.admin_state_up and rule.deleted_in is None
    used = ["pool", *(["second"] if sends else [])]
    return [policy, rule, *(of[pool] for pool in used), *(each for pool in used for each in below(of, pool))]


@given(data=st.data())
def test_a_parent_is_pending_while_its_children_are(connection: Connection, data: st.DataObject) -> None:
    root = structs.replace(ROOT, generation=5, observed=data.draw(numbers), failed=data.draw(numbers))
    root = structs.replace(root, reason=data.draw(st.none() | st.just("why")))
    kids = (LISTENER, POOL, SECOND, member(1), member(2, pool_id="second"), MONITOR, POLICY, RULE)
    of: dict[str, Any] = {}
    for each in kids:
        changed, gone, on = data.draw(st.tuples(generations, maybe, st.booleans()))
        of[each.id] = structs.replace(each, changed_in=changed, deleted_in=gone, admin_state_up=on)
    for row in (root, *of.values()):
        connection.execute(insert(rows_of(type(row)).table), rows_of(type(row)).dump(row))
    for each in of.values():
        kind = type(each)
        source = rows_of(kind).table.join(rows_of(LoadBalancer).table, columns(LoadBalancer).id == "lb")
        source = source.outerjoin(rows_of(Health).table, columns(Health).id == columns(kind).id)
        status = select(provisioning_status_sql(kind)).select_from(source).where(columns(kind).id == each.id)
        pending = any(max(one.changed_in, one.deleted_in or 0) > root.observed for one in below(of, each.id))
        expected = provisioning_status(each, Progress.of(root), pending_below=pending)
        assert connection.execute(status).scalar_one() == expected, each
    connection.rollback()


@pytest.mark.parametrize(
    ("progress", "child", "of_root", "of_child"),
    [
        # Nothing is served yet, everything is served, a change is pending.
        ({"generation": 1, "observed": 0}, {}, "PENDING_CREATE", "PENDING_CREATE"),
        ({"generation": 3, "observed": 0}, {}, "PENDING_CREATE", "PENDING_CREATE"),
        ({"generation": 3, "observed": 3}, {"changed_in": 3}, "ACTIVE", "ACTIVE"),
        ({"generation": 3, "observed": 2}, {"changed_in": 3}, "PENDING_UPDATE", "PENDING_UPDATE"),
        ({"generation": 3, "observed": 2}, {"changed_in": 2}, "PENDING_UPDATE", "ACTIVE"),
        ({"generation": 3, "observed": 2}, {"created_in": 3, "changed_in": 3}, "PENDING_UPDATE", "PENDING_CREATE"),
        # A change before the first generation is served: it is still being created.
        ({"generation": 4, "observed": 2}, {"created_in": 3, "changed_in": 4}, "PENDING_UPDATE", "PENDING_CREATE"),
        # It is being deleted.
        ({"generation": 3, "observed": 2}, {"deleted_in": 3}, "PENDING_UPDATE", "PENDING_DELETE"),
        ({"generation": 3, "observed": 2, "deleted_in": 3}, {}, "PENDING_DELETE", "PENDING_DELETE"),
        ({"generation": 3, "observed": 0, "deleted_in": 3}, {}, "PENDING_DELETE", "PENDING_DELETE"),
        # It fails until there is a newer change; served resources stay ACTIVE.
        ({"generation": 3, "observed": 2, "failed": 3, "reason": "r"}, {"changed_in": 3}, "ERROR", "ERROR"),
        ({"generation": 3, "observed": 2, "failed": 3, "reason": "r"}, {"changed_in": 2}, "ERROR", "ACTIVE"),
        ({"generation": 4, "observed": 2, "failed": 3, "reason": "r"}, {"changed_in": 3}, *["PENDING_UPDATE"] * 2),
        ({"generation": 3, "observed": 2, "failed": 3, "reason": "r", "deleted_in": 3}, {}, "ERROR", "ERROR"),
    ],
)
def test_provisioning_status(progress: dict[str, Any], child: dict[str, Any], of_root: str, of_child: str) -> None:
    root = structs.replace(ROOT, **progress)
    assert provisioning_status(root, Progress.of(root)) == of_root
    assert provisioning_status(structs.replace(POOL, **child), Progress.of(root)) == of_child


def member(number: int, **attributes: Any) -> Member:
    values = {"pool_id": "pool", **BELOW, **attributes}
    return Member(id=f"m{number}", address=f"10.0.0.{number}", protocol_port=80, **values)


TWO = (member(1), member(2))


def seen(servers: dict[str, ServerState], **attributes: Any) -> AmphoraHealth:
    """Return the health of an amphora that serves everything."""
    return AmphoraHealth(amphora_id="a", load_balancer_id="lb", servers=servers, **{"generation": 9, **attributes})


SILENT = seen({}, reachable=False)


@pytest.mark.parametrize(
    ("members", "servers", "of_members", "above"),
    [
        ((), {}, [], "ONLINE"),
        (TWO, {"m1": "up", "m2": "up"}, ["ONLINE", "ONLINE"], "ONLINE"),
        (TWO, {"m1": "up", "m2": "down"}, ["ONLINE", "ERROR"], "DEGRADED"),
        (TWO, {"m1": "up", "m2": "crowded"}, ["ONLINE", "DEGRADED"], "DEGRADED"),
        (TWO, {"m1": "crowded", "m2": "crowded"}, ["DEGRADED", "DEGRADED"], "DEGRADED"),
        (TWO, {"m1": "down", "m2": "down"}, ["ERROR", "ERROR"], "ERROR"),
        (TWO, {"m1": "unchecked", "m2": "unchecked"}, ["NO_MONITOR", "NO_MONITOR"], "ONLINE"),
        (TWO, {}, ["OFFLINE", "OFFLINE"], "ONLINE"),
        ((member(1, weight=0), member(2)), {"m1": "up", "m2": "up"}, ["DRAINING", "ONLINE"], "ONLINE"),
        # HAProxy's backend is down when no server accepts new work.
        ((member(1, weight=0), member(2)), {"m1": "up", "m2": "down"}, ["DRAINING", "ERROR"], "ERROR"),
        ((member(1, weight=0), member(2)), {"m1": "down", "m2": "up"}, ["ERROR", "ONLINE"], "DEGRADED"),
        ((member(1, admin_state_up=False), member(2)), {"m1": "up", "m2": "up"}, ["OFFLINE", "ONLINE"], "ONLINE"),
        ((member(1, admin_state_up=False), member(2)), {"m1": "up", "m2": "down"}, ["OFFLINE", "ERROR"], "ERROR"),
        ((member(1, admin_state_up=False),), {}, ["OFFLINE"], "ERROR"),
    ],
)
def test_operating_statuses(
    members: tuple[Member, ...], servers: dict[str, ServerState], of_members: list[OperatingStatus], above: str
) -> None:
    tree = Tree(load_balancer=ROOT, listeners=(LISTENER,), pools=(POOL,), members=members, health_monitors=(MONITOR,))
    found = operating_statuses(tree, [seen(servers)])
    assert [found[each.id] for each in members] == of_members
    assert [found[key] for key in ("pool", "lb")] == [above] * 2
    assert [found[key] for key in ("listener", "monitor")] == ["ONLINE"] * 2


def test_resources_that_are_switched_off_are_offline() -> None:
    def found(**off: Any) -> dict[str, OperatingStatus]:
        parts = {name: structs.replace(part, admin_state_up=name not in off) for name, part in everything.items()}
        tree = Tree(
            load_balancer=parts["lb"],
            listeners=(parts["listener"],),
            pools=(parts["pool"],),
            members=(member(1),),
            health_monitors=(parts["monitor"],),
        )
        return operating_statuses(tree, [seen({"m1": "up"})])

    everything: dict[str, Any] = {"lb": ROOT, "listener": LISTENER, "pool": POOL, "monitor": MONITOR}
    assert found(lb=True)["lb"] == "OFFLINE"
    assert found(monitor=True)["monitor"] == "OFFLINE"
    off = found(pool=True)
    assert (off["lb"], off["listener"], off["pool"], off["m1"]) == ("ONLINE", "ONLINE", "OFFLINE", "OFFLINE")
    off = found(listener=True)
    assert (off["lb"], off["listener"], off["pool"]) == ("ONLINE", "OFFLINE", "OFFLINE")


def test_a_pool_that_no_listener_uses_is_offline() -> None:
    tree = Tree(load_balancer=ROOT, pools=(POOL,), members=TWO)
    found = operating_statuses(tree, [seen({"m1": "down"})])
    # Nothing checks its members, so their states are unknown.
    assert (found["m2"], found["pool"], found["lb"]) == ("NO_MONITOR", "OFFLINE", "ONLINE")
    checked = structs.replace(tree, health_monitors=(MONITOR,))
    assert operating_statuses(checked, [seen({})])["m2"] == "OFFLINE"


def test_the_load_balancer_has_the_status_of_its_worst_pool() -> None:
    other = structs.replace(POOL, id="other")
    second = structs.replace(LISTENER, id="second", protocol_port=81, default_pool_id="other")
    tree = Tree(load_balancer=ROOT, listeners=(LISTENER, second), pools=(POOL, other), members=(member(1),))
    found = operating_statuses(tree, [seen({"m1": "down"})])
    assert [found[key] for key in ("pool", "other", "lb")] == ["ERROR", "ONLINE", "ERROR"]


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("up", "up"), "ONLINE"),
        (("up", "down"), "DEGRADED"),
        (("down", "down"), "ERROR"),
        (("unknown", "down"), "ERROR"),
        (("unknown", "up"), "ONLINE"),
        (("unknown", "unknown"), "OFFLINE"),
        (("crowded", "up"), "DEGRADED"),
    ],
)
def test_a_member_that_amphorae_see_differently(states: tuple[ServerState, ...], status: str) -> None:
    tree = Tree(load_balancer=ROOT, listeners=(LISTENER,), pools=(POOL,), members=TWO, health_monitors=(MONITOR,))
    for order in (states, states[::-1]):
        found = operating_statuses(tree, [seen({"m1": state, "m2": "up"}) for state in order])
        assert found["m1"] == status
        assert found["lb"] == ("ONLINE" if status in ("ONLINE", "OFFLINE") else "DEGRADED")


def test_amphorae_that_cannot_be_asked() -> None:
    tree = Tree(load_balancer=ROOT, listeners=(LISTENER,), pools=(POOL,), members=TWO, health_monitors=(MONITOR,))
    well = seen({"m1": "up", "m2": "up"})
    one = operating_statuses(tree, [well, SILENT])
    assert [one[key] for key in ("lb", "listener", "pool", "m1")] == ["DEGRADED", "ONLINE", "ONLINE", "ONLINE"]
    none = operating_statuses(tree, [SILENT, SILENT])
    assert [none[key] for key in ("lb", "listener", "pool", "m1")] == ["ERROR", "ERROR", "OFFLINE", "OFFLINE"]


def test_unserved_resources_are_in_error() -> None:
    tree = Tree(load_balancer=ROOT, listeners=(LISTENER,), pools=(POOL,), members=TWO)
    up: dict[str, ServerState] = {"m1": "up", "m2": "up"}
    found = operating_statuses(tree, [seen(up), seen(up, unserved=("listener", "gone"))])
    assert [found[key] for key in ("lb", "listener", "pool")] == ["DEGRADED", "ERROR", "ONLINE"]
    assert "gone" not in found


def test_newer_resources_have_their_initial_status() -> None:
    young = structs.replace(LISTENER, id="young", created_in=10)
    tree = Tree(load_balancer=ROOT, listeners=(LISTENER, young), pools=(POOL,), members=(member(1, created_in=10),))
    found = operating_statuses(tree, [seen({})])
    assert [found[key] for key in ("listener", "young", "m1")] == ["ONLINE", "OFFLINE", "NO_MONITOR"]


def test_statuses_without_a_data_plane() -> None:
    tree = Tree(load_balancer=ROOT, listeners=(LISTENER,), pools=(POOL,), members=TWO)
    assert unmeasured_statuses(tree) == {"m1": "NO_MONITOR", "m2": "NO_MONITOR"}
    checked = structs.replace(tree, health_monitors=(MONITOR,))
    assert unmeasured_statuses(checked) == {"monitor": "ONLINE"}
