"""Which way each change takes."""

from typing import Any

import pytest

from hydria.render.haproxy import Rendering, render
from hydria.render.haproxy.changes import Add, Adjust, Remove, steps
from support.trees import SURROUNDINGS, instance, key, listener, member, monitor, pool


def rendered(*children: Any) -> Rendering:
    return render(instance(*children), SURROUNDINGS)


def ways(before: Rendering, after: Rendering) -> list[tuple[str, str]] | None:
    planned = steps(before, after)
    if planned is None:
        return None
    names = {Add: "add", Remove: "remove", Adjust: "adjust"}
    return [(names[type(step)], (step.after if isinstance(step, Adjust) else step.server).name) for step in planned]


BASE = (listener(), pool(), member(1), member(2))


def test_equal_configurations_need_nothing() -> None:
    assert ways(rendered(*BASE), rendered(*BASE)) == []


def test_members_come_before_others_go() -> None:
    after = rendered(listener(), pool(), member(2), member(3))
    assert ways(rendered(*BASE), after) == [("add", key("3", 3)), ("remove", key("3", 1))]


def test_members_that_are_enabled_come_before_members_that_are_disabled() -> None:
    before = rendered(listener(), pool(), member(1), member(2, admin_state_up=False))
    after = rendered(listener(), pool(), member(1, admin_state_up=False), member(2))
    assert ways(before, after) == [("adjust", key("3", 2)), ("adjust", key("3", 1))]


def test_a_weight_is_adjusted() -> None:
    assert ways(rendered(*BASE), rendered(listener(), pool(), member(1, weight=5), member(2))) == [
        ("adjust", key("3", 1))
    ]


@pytest.mark.parametrize(
    "after",
    [
        rendered(*BASE, monitor()),
        rendered(listener(protocol_port=81), *BASE[1:]),
        rendered(listener(timeout_client_data=1), *BASE[1:]),
        rendered(listener(), pool(lb_algorithm="SOURCE_IP"), *BASE[2:]),
        rendered(listener(), pool(), member(1, backup=True), member(2)),
        rendered(),
    ],
)
def test_everything_else_is_a_reload(after: Rendering) -> None:
    assert ways(rendered(*BASE), after) is None
