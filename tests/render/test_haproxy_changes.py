"""Which changes need nothing, the runtime socket, or a reload."""

from pathlib import Path
from typing import Any

import pytest

from hydria.render.haproxy import Rendering, render
from hydria.render.haproxy.changes import Add, Adjust, Remove, Step, steps
from tests.support.trees import SURROUNDINGS, instance, key, listener, member, monitor, pool


def rendered(*children: Any) -> Rendering:
    return render(instance(*children), SURROUNDINGS)


def ways(before: Rendering, after: Rendering) -> list[tuple[str, str]] | None:
    planned = steps(before, after)
    if planned is None:
        return None
    return [(type(step).__name__.lower(), _name(step)) for step in planned]


def _name(step: Step) -> str:
    if isinstance(step, Adjust):
        return step.after.name
    return step.server.name if isinstance(step, Add | Remove) else Path(step.path).name


BASE = (listener(), pool(), member(1), member(2))


def test_equal_configurations_need_nothing() -> None:
    assert ways(rendered(*BASE), rendered(*BASE)) == []


def test_members_are_added_before_others_are_removed() -> None:
    after = rendered(listener(), pool(), member(2), member(3))
    assert ways(rendered(*BASE), after) == [("add", key("3", 3)), ("remove", key("3", 1))]


def test_members_are_enabled_before_others_are_disabled() -> None:
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


def terminating(*others: str, default: str | None = "a", **secrets: str) -> Rendering:
    values: dict[str, Any] = {"default_tls_container_ref": default, "sni_container_refs": others}
    return render(
        instance(listener(protocol="TERMINATED_HTTPS", **values), secrets={"a": "A", "b": "B", "c": "C"} | secrets),
        SURROUNDINGS,
    )


def test_certificates_are_renewed_added_and_removed_without_a_reload() -> None:
    default = f"{key('1', 1)}.default.pem"
    assert ways(terminating(), terminating(a="A2")) == [("renew", default)]
    assert ways(terminating(), terminating(default="b")) == [("renew", default)]
    (added,) = ways(terminating(), terminating("b")) or []
    (gone,) = ways(terminating("b"), terminating()) or []
    assert (added[0], gone[0]) == ("include", "exclude")
    assert added[1] == gone[1]
    assert [way for way, _ in ways(terminating("b"), terminating("c", a="A2")) or []] == ["include", "renew", "exclude"]


def test_a_new_default_certificate_and_a_content_too_long_for_the_socket_need_a_reload() -> None:
    assert ways(terminating("b"), terminating("b", default=None)) is None
    assert ways(terminating(), terminating(a="A" * 16000)) is None
