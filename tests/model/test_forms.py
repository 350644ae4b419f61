"""How a body becomes a resource and changes one."""

from typing import Any

from hydria.model import LoadBalancer, Member, Pool, Tree
from hydria.model.base import build, change, given
from hydria.model.load_balancer import LoadBalancerBody, LoadBalancerUpdate
from hydria.model.member import MemberCreate, MemberUpdate

REST: dict[str, Any] = {
    "id": "m",
    "project_id": "p",
    "load_balancer_id": "lb",
    "pool_id": "pool",
    "created_at": "2026-01-01T00:00:00",
}


def test_only_given_attributes_are_returned() -> None:
    assert given(MemberUpdate()) == {}
    assert given(MemberUpdate(weight=3, monitor_port=None)) == {"weight": 3, "monitor_port": None}


def test_build_fills_in_the_defaults() -> None:
    member = build(Member, MemberCreate(address="10.0.0.1", protocol_port=80, tags=["a"], weight=None), **REST)
    assert (member.weight, member.backup, member.name, member.admin_state_up) == (1, False, "", True)
    assert (member.tags, member.updated_at) == (("a",), None)
    assert (member.created_in, member.changed_in, member.deleted_in) == (1, 1, None)


def test_attributes_of_the_server_win() -> None:
    form = LoadBalancerBody(vip_address="10.0.0.9", project_id="theirs", name="lb")
    made = build(
        LoadBalancer,
        form,
        id="lb",
        project_id="ours",
        created_at="2026-01-01T00:00:00",
        vip_address="10.0.0.2",
        vip_port_id="port",
        vip_subnet_id="subnet",
        vip_network_id="network",
    )
    assert (made.project_id, made.vip_address, made.name) == ("ours", "10.0.0.2", "lb")


def test_change_sets_only_given_attributes() -> None:
    before = build(Member, MemberCreate(address="10.0.0.1", protocol_port=80, weight=5, tags=["a"]), **REST)
    after = change(
        before, MemberUpdate(name="x", weight=None, tags=["b", "c"]), now="2026-01-02T00:00:00", generation=4
    )
    assert (after.name, after.weight, after.tags) == ("x", 1, ("b", "c"))
    assert (after.changed_in, after.updated_at) == (4, "2026-01-02T00:00:00")
    assert (after.created_in, after.created_at, after.address) == (1, before.created_at, "10.0.0.1")
    assert (before.name, before.weight) == ("", 5)


def test_a_null_switch_is_off() -> None:
    form = MemberCreate(address="10.0.0.1", protocol_port=80, admin_state_up=None)
    member = build(Member, form, **REST)
    assert member.admin_state_up is False
    on = change(member, MemberUpdate(admin_state_up=True), now="", generation=2)
    assert on.admin_state_up is True
    assert change(on, LoadBalancerUpdate(admin_state_up=None), now="", generation=3).admin_state_up is False


def test_a_tree_finds_related_resources() -> None:
    root = LoadBalancer(
        id="lb",
        project_id="p",
        created_at="",
        vip_address="10.0.0.2",
        vip_port_id="port",
        vip_subnet_id="subnet",
        vip_network_id="network",
    )
    pools = tuple(
        Pool(id=key, project_id="p", created_at="", load_balancer_id="lb", protocol="HTTP", lb_algorithm="SOURCE_IP")
        for key in ("a", "b")
    )
    tree = Tree(load_balancer=root, pools=pools)
    assert tree.pool("b") == pools[1]
    assert tree.pool(None) is None
    assert tree.monitor_of("a") is None
    assert tree.members_of("a") == ()
    assert tree.listeners_of("a") == ()
