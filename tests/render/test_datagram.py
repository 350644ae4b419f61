"""Datagram rules: golden files that the real nft parses, and the shares of members."""

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydria.contract import Instance
from hydria.model.load_balancer import AdditionalVip
from hydria.model.pool import SessionPersistence
from hydria.model.status import ServerState
from hydria.render.datagram import Ruleset, ruleset, transaction
from hydria.render.datagram.sharing import PLACES, fewest, places, runs, turn
from tests.support.base_ports import paired
from tests.support.trees import instance, key, listener, load_balancer, member, pool

GOLDEN = Path(__file__).parent / "golden"

UDP = (listener(protocol="UDP", protocol_port=53), pool(protocol="UDP"))
MEMBERS = (member(1, protocol_port=5353), member(2, weight=2))
DUAL = load_balancer(additional_vips=(AdditionalVip(subnet_id=key("d", 3), ip_address="2001:db8::10"),))
KEPT = SessionPersistence(type="SOURCE_IP", persistence_timeout=60, persistence_granularity="255.255.255.0")

CASES: dict[str, Callable[[], Instance]] = {
    "udp": lambda: instance(*UDP, *MEMBERS),
    "udp_no_member": lambda: instance(*UDP, member(1, admin_state_up=False)),
    "udp_everything": lambda: instance(
        listener(protocol="UDP", protocol_port=53, allowed_cidrs=("10.0.0.5/8", "2001:db8::/32"), connection_limit=7),
        listener(2, protocol="SCTP", protocol_port=53, default_pool_id=key("2", 2)),
        listener(3, protocol="UDP", protocol_port=54, admin_state_up=False),
        listener(4, protocol="TCP", protocol_port=53, default_pool_id=None),
        pool(protocol="UDP", session_persistence=KEPT),
        pool(2, protocol="SCTP", lb_algorithm="LEAST_CONNECTIONS"),
        *MEMBERS,
        member(3, weight=0),
        member(4, backup=True),
        member(5, address="2001:db8::5"),
        member(6, pool_id=key("2", 2)),
        root=DUAL,
    ),
    "udp_two_interfaces": lambda: instance(*UDP, *MEMBERS, interfaces=instance().interfaces * 2),
    "udp_pair": lambda: paired(*UDP, *MEMBERS),
    "udp_pair_persistent": lambda: paired(UDP[0], pool(protocol="UDP", session_persistence=KEPT), *MEMBERS),
    "udp_source_ip": lambda: instance(UDP[0], pool(protocol="UDP", lb_algorithm="SOURCE_IP"), member(1)),
}


def rules(wanted: Instance, *down: int) -> Ruleset:
    states: dict[str, ServerState] = {key("3", number): "down" for number in down}
    return ruleset(wanted.tree, states, interfaces=len(wanted.interfaces), alike=bool(wanted.siblings))


def check(text: str) -> str:
    done = subprocess.run(["nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    return done.stderr or ("" if done.returncode == 0 else "it failed")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.skipif(os.environ.get("HYDRIA_FENCED") != "1", reason="nft asks the kernel: run by ./dev test")
def test_renders_as_the_golden_file_which_nft_accepts(name: str) -> None:
    text = transaction(rules(CASES[name]()), ())
    file = GOLDEN / f"{name}.nft"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()
    assert check(text) == ""


def test_without_datagram_listeners_the_table_is_deleted() -> None:
    assert rules(instance(listener(), pool(), member(1))) == Ruleset()
    assert transaction(Ruleset(), ()) == "table inet hydria_flows\ndelete table inet hydria_flows\n"


@pytest.mark.parametrize("off", [{"root": load_balancer(admin_state_up=False)}, {}])
def test_a_listener_that_is_switched_off_keeps_only_its_counters(off: dict[str, Any]) -> None:
    tree = (listener(protocol="UDP", protocol_port=53, admin_state_up=bool(off)), *UDP[1:], *MEMBERS)
    left = rules(instance(*tree, **off))
    assert left.marks == {}
    assert {kind for kind, name in left.named if key("1", 1) in name} == {"counter"}


def test_unwanted_objects_are_deleted_by_their_names() -> None:
    before, after = rules(instance(*UDP, *MEMBERS)), rules(instance(*UDP, MEMBERS[0]))
    gone = before.named - after.named
    assert len(gone) == 1
    ((kind, name),) = gone
    assert f"\ndelete {kind} inet hydria_flows {name}\n" in transaction(after, before.named)


def test_a_members_mark_never_changes() -> None:
    one, both = rules(instance(*UDP, MEMBERS[0])), rules(instance(*UDP, *reversed(MEMBERS)))
    assert set(one.marks) < set(both.marks)
    assert set(rules(instance(*UDP, *MEMBERS), 2).marks) == set(one.marks)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 1, "b": 1}, "ab"),
        ({"a": 5, "b": 1, "c": 1}, "aabacaa"),
        ({"a": 256, "b": 128}, "aba"),
        ({"a": 1}, "a"),
    ],
)
def test_turns_are_interleaved_evenly(weights: dict[str, int], expected: str) -> None:
    assert "".join(turn(weights)) == expected


def test_long_turns_are_exact_too() -> None:
    weights = {"a": 255, "b": 256, "c": 1, "d": 250}
    assert Counter(turn(weights)) == weights
    assert len(runs(turn(weights))) == 4


@pytest.mark.parametrize(
    ("weights", "flows", "expected"),
    [
        ({"a": 1, "b": 1}, {}, "ab"),
        ({"a": 1, "b": 1}, {"a": 100, "b": 92}, "ab"),
        ({"a": 2, "b": 1}, {"a": 200, "b": 100}, "aba"),
        ({"a": 1, "b": 1}, {"a": 6}, "b" * 6 + "ab" * 5),
        ({"a": 1, "b": 3}, {"a": 16}, "b" * 16),
    ],
)
def test_the_member_with_the_fewest_flows_is_first(
    weights: dict[str, int], flows: dict[str, int], expected: str
) -> None:
    assert Counter(fewest(weights, flows)) == Counter(expected)
    assert fewest(weights, flows)[0] == expected[0]


def test_a_correction_is_as_long_as_there_are_flows() -> None:
    assert fewest({"a": 1, "b": 1}, {"a": 300}) == ["b"] * 300
    assert len(fewest({"a": 1, "b": 1}, {"a": 3_000_000})) == 512


def test_only_the_places_of_a_leaver_change() -> None:
    three = places({"a": 1, "b": 1, "c": 2})
    two = places({"a": 1, "b": 1})
    assert all(now == before for before, now in zip(three, two, strict=True) if before != "c")
    shares = Counter(three)
    assert sum(shares.values()) == PLACES
    assert abs(shares["c"] - PLACES / 2) < PLACES / 10
    assert abs(shares["a"] - PLACES / 4) < PLACES / 10


def test_equal_neighbours_become_ranges() -> None:
    assert runs(["a", "a", "b", "a"]) == [("0-1", "a"), ("2", "b"), ("3", "a")]


_ADDRESSES = st.ip_addresses().map(str)
_NETWORKS = st.ip_addresses().map(lambda address: f"{address}/{address.max_prefixlen // 2}")
_PORTS = st.integers(1, 65535)
_KEEPING = st.builds(
    SessionPersistence,
    type=st.just("SOURCE_IP"),
    persistence_timeout=st.none() | st.integers(-(2**40), 2**40),
    persistence_granularity=st.none() | _ADDRESSES,
)


@pytest.mark.skipif(os.environ.get("HYDRIA_FENCED") != "1", reason="nft asks the kernel: run by ./dev test")
@settings(max_examples=20)
@given(st.data())
def test_nft_accepts_whatever_the_api_accepts(data: st.DataObject) -> None:
    protocol = data.draw(st.sampled_from(["UDP", "SCTP"]))
    front = listener(
        protocol=protocol,
        protocol_port=data.draw(_PORTS),
        connection_limit=data.draw(st.integers(-1, 2**40)),
        allowed_cidrs=tuple(data.draw(st.lists(_NETWORKS, max_size=3))) or None,
    )
    back = pool(
        protocol=protocol,
        lb_algorithm=data.draw(
            st.sampled_from(["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"]),
        ),
        session_persistence=data.draw(st.none() | _KEEPING),
    )
    ends = data.draw(st.lists(st.tuples(_ADDRESSES, _PORTS), unique=True, max_size=5))
    members = [
        member(
            number,
            address=address,
            protocol_port=port,
            weight=data.draw(st.integers(0, 256)),
            backup=data.draw(st.booleans()),
            admin_state_up=data.draw(st.booleans()),
        )
        for number, (address, port) in enumerate(ends)
    ]
    wanted = rules(instance(front, back, *members, root=DUAL), *data.draw(st.lists(st.integers(0, 5))))
    assert check(transaction(wanted, ())) == ""


@pytest.mark.parametrize("bad", ["10.0.0.1 }; flush ruleset", "", "10.0.0.0/24"])
def test_a_wrong_address_is_never_rendered(bad: str) -> None:
    with pytest.raises(ValueError, match="address"):
        rules(instance(*UDP, member(1, address=bad)))
