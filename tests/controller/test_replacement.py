"""The steps by which amphorae are replaced: `plan` alone, with hosts that do what they are told."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from hydria.controller.replacement import PRIORITIES, Situation, next_priority, plan
from hydria.model import LoadBalancer
from hydria.store.resources import Amphora
from tests.support.trees import LB

ROOT = LoadBalancer(
    id=LB,
    project_id="p",
    created_at="2026-01-01T00:00:00",
    vip_address="10.0.0.5",
    vip_port_id="vip",
    vip_subnet_id="subnet",
    vip_network_id="network",
)
DRAIN = 100


class Hosts(Struct, kw_only=True):
    """A load balancer on hosts; `step` is what the controller and all live hosts do in a moment."""

    paired: bool
    root: LoadBalancer = ROOT
    amphorae: list[Amphora] = []
    gone: set[str] = set()
    # The silent hosts that are only cut off from the servers: neighbours still find the VIPs there.
    cut: set[str] = set()
    emptied: set[str] = set()
    connections: dict[str, int] = {}
    now: int = 1_000
    names: Iterator[int] = itertools.count()

    def fit(self) -> list[str]:
        taken = {each.host for each in self.amphorae if not each.replacing and not each.leaving}
        return [host for host in ("h1", "h2", "h3") if host not in self.gone | self.emptied | taken]

    def step(self, *, serve: bool = True) -> None:
        staying = tuple(each for each in self.amphorae if not each.leaving)
        planned = plan(
            Situation(
                load_balancer=self.root,
                amphorae=staying,
                paired=self.paired,
                now=self.now,
                drain_seconds=DRAIN,
                gone=self.gone,
                emptied=self.emptied,
                open_connections=self.connections,
            )
        )
        leaving = [each for each in self.amphorae if each.leaving]
        self.amphorae = [*leaving, *planned.amphorae]
        for host in self.fit()[: planned.missing]:
            number = next(self.names)
            priority = next_priority(each.priority for each in self.amphorae) if self.paired else None
            fresh = Amphora(
                id=f"a{number}",
                load_balancer_id=LB,
                host=host,
                created_at=f"{number:04}",
                base_port_id=f"p{number}",
                duty=planned.duty,
                priority=priority,
            )
            self.amphorae.append(fresh)
        if planned.reordered:
            self.root = structs.replace(self.root, generation=self.root.generation + 1)
        if serve:
            self.serve()

    def serve(self) -> None:
        """Have live hosts serve the newest generation, remove what leaves, and elect the active one of a pair."""
        self.amphorae = [each for each in self.amphorae if not each.leaving or each.host in self.gone]
        live = [each for each in self.amphorae if each.host not in self.gone and not self.refuses(each)]
        active = [each for each in live if each.duty == "active"]
        holding = next((each.id for each in active if each.carries_vip), None)
        elected = holding or (max(active, key=lambda each: each.priority or 0).id if active else None)
        for each in live:
            carries = each.duty == "active" and (not self.paired or each.id == elected)
            served = structs.replace(each, served=self.root.generation, carries_vip=carries)
            self.amphorae = [served if other.id == each.id else other for other in self.amphorae]

    def refuses(self, amphora: Amphora) -> bool:
        """Say whether a host does not take the VIPs, because another amphora has them that does not hand them over."""
        others = [each for each in self.amphorae if each.id != amphora.id and each.host not in self.gone - self.cut]
        held = any(each.carries_vip and each.replacing not in ("handing_over", "draining") for each in others)
        return held and not self.paired and amphora.duty == "active" and not amphora.carries_vip

    def settle(self, most: int = 20) -> None:
        """Go on until nothing changes any more."""
        for _ in range(most):
            before = (self.root, list(self.amphorae))
            self.step()
            if before == (self.root, self.amphorae):
                return
        raise AssertionError(f"it does not settle: {self.amphorae}")

    def mark(self, **changes: object) -> None:
        self.amphorae = [structs.replace(each, **changes) for each in self.amphorae]

    @property
    def active(self) -> list[str]:
        return [each.host for each in self.amphorae if each.carries_vip and each.host not in self.gone]

    def current(self) -> list[Amphora]:
        return [each for each in self.amphorae if not each.replacing and not each.leaving]


def settled(*, paired: bool) -> Hosts:
    hosts = Hosts(paired=paired)
    hosts.settle()
    assert len(hosts.current()) == (2 if paired else 1)
    assert len(hosts.active) == 1
    return hosts


def test_a_single_one_is_replaced_make_before_break() -> None:
    hosts = settled(paired=False)
    (before,) = hosts.amphorae
    hosts.mark(replacing="waiting")
    hosts.connections = {before.id: 3}
    seen = []
    for _ in range(6):
        hosts.step()
        old = next(each for each in hosts.amphorae if each.id == before.id)
        (new,) = hosts.current()
        seen.append((old.replacing, old.duty, new.duty))
        assert hosts.active
    assert list(dict.fromkeys(seen)) == [
        ("waiting", "active", "standby"),
        ("handing_over", "active", "active"),
        ("draining", "draining", "active"),
    ]
    hosts.connections = {}
    hosts.settle()
    assert [each.id for each in hosts.amphorae] == [new.id]


def test_connections_are_cut_when_their_time_is_over() -> None:
    hosts = settled(paired=False)
    (before,) = hosts.amphorae
    hosts.mark(replacing="waiting")
    hosts.connections = {before.id: 3}
    hosts.settle()
    assert before.id in [each.id for each in hosts.amphorae]
    hosts.now += DRAIN
    hosts.settle()
    assert before.id not in [each.id for each in hosts.amphorae]


def test_both_of_a_pair_are_replaced() -> None:
    hosts = settled(paired=True)
    before = {each.id for each in hosts.amphorae}
    hosts.mark(replacing="waiting")
    hosts.settle()
    assert before.isdisjoint(each.id for each in hosts.amphorae)
    assert len({each.host for each in hosts.current()}) == 2
    assert len(hosts.active) == 1


@pytest.mark.parametrize("paired", [False, True])
def test_a_silent_host_is_replaced_and_comes_back_too_late(paired: bool) -> None:
    hosts = settled(paired=paired)
    hosts.gone = set(hosts.active)
    (lost,) = hosts.gone
    hosts.settle()
    assert len(hosts.current()) == (2 if paired else 1)
    assert lost not in {each.host for each in hosts.current()}
    assert len(hosts.active) == 1
    hosts.gone = set()
    hosts.settle()
    assert lost not in {each.host for each in hosts.amphorae}
    assert len(hosts.active) == 1


def test_a_host_that_is_silent_twice_while_its_amphora_goes_on_hands_over_at_last() -> None:
    hosts = settled(paired=False)
    (before,) = hosts.amphorae
    hosts.gone = hosts.cut = {before.host}
    hosts.step()
    (new,) = hosts.current()
    assert (new.served, new.duty) == (0, "active")
    # It polls again, and is silent again before the new amphora has begun to serve.
    hosts.gone = hosts.cut = set()
    hosts.step(serve=False)
    hosts.gone = hosts.cut = {before.host}
    hosts.step()
    hosts.gone = hosts.cut = set()
    hosts.settle()
    assert [each.id for each in hosts.amphorae] == [new.id]
    assert hosts.active == [new.host]


def test_a_host_that_comes_back_before_there_is_another_keeps_what_it_has() -> None:
    hosts = settled(paired=True)
    before = [each.id for each in hosts.amphorae]
    hosts.emptied = {"h3"}
    hosts.gone = {"h1"}
    hosts.settle()
    assert len(hosts.current()) == 1
    hosts.gone = set()
    hosts.settle()
    assert sorted(each.id for each in hosts.current()) == sorted(before)


def test_a_drained_host_gives_everything_away() -> None:
    hosts = settled(paired=True)
    hosts.emptied = set(hosts.active)
    hosts.settle()
    assert hosts.emptied.isdisjoint(each.host for each in hosts.amphorae)
    assert len(hosts.current()) == 2


def test_an_amphora_with_the_vips_port_itself_goes_first() -> None:
    hosts = settled(paired=False)
    hosts.mark(replacing="waiting", base_port_id=None)
    planned = plan(
        Situation(
            load_balancer=hosts.root, amphorae=tuple(hosts.amphorae), paired=False, now=hosts.now, drain_seconds=DRAIN
        )
    )
    assert [(each.leaving, planned.missing) for each in planned.amphorae] == [(True, 0)]


def test_priorities_are_different_and_a_new_one_is_lower() -> None:
    assert next_priority([]) == 100
    assert next_priority([100]) == 90
    assert next_priority([100, 90]) == 80
    assert next_priority([10]) == 100
    assert next_priority(PRIORITIES[:-1]) == PRIORITIES[-1]


FAULTS = st.lists(
    st.sampled_from(
        [
            *("h1 away", "h2 away", "h3 away", "h1 cut", "h2 cut", "back", "busy"),
            *("drain h1", "drain h2", "enable", "failover", "edit"),
        ]
    ),
    max_size=12,
)


@given(paired=st.booleans(), faults=FAULTS, pauses=st.lists(st.integers(0, 5), min_size=12, max_size=12))
def test_whatever_happens_it_settles_with_one_active_amphora(
    paired: bool, faults: list[str], pauses: list[int]
) -> None:
    hosts = settled(paired=paired)
    for fault, pause in zip(faults, pauses, strict=False):
        verb, _, host = fault.partition(" ")
        if fault == "back":
            hosts.gone, hosts.cut = set(), set()
        elif fault == "busy":
            hosts.step(serve=False)
        elif fault == "enable":
            hosts.emptied = set()
        elif verb == "drain":
            hosts.emptied = {host}
        elif fault == "failover":
            hosts.amphorae = [
                each if each.replacing or each.leaving else structs.replace(each, replacing="waiting")
                for each in hosts.amphorae
            ]
        elif fault == "edit":
            hosts.root = structs.replace(hosts.root, generation=hosts.root.generation + 1)
        else:
            hosts.gone = {verb}
            hosts.cut = hosts.gone if host == "cut" else set()
        for _ in range(pause):
            hosts.step()
            hosts.now += 1
    hosts.gone, hosts.cut, hosts.emptied = set(), set(), set()
    for _ in range(3):
        hosts.settle(40)
        hosts.now += DRAIN + 60
    assert len(hosts.current()) == len(hosts.amphorae) == (2 if paired else 1)
    assert len({each.host for each in hosts.amphorae}) == len(hosts.amphorae)
    assert len(hosts.active) == 1
    assert all(each.duty == "active" for each in hosts.amphorae)
