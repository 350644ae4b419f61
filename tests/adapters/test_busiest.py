"""Which amphorae a host brings back first."""

from pathlib import Path

from hydria.adapters.linux.busiest import WRITE_PERIOD, Busiest
from hydria.contract import Counters


def traffic(number: int) -> dict[str, Counters]:
    return {"listener": Counters(bytes_in=number, bytes_out=number)}


def test_the_amphorae_with_the_most_traffic_come_first(tmp_path: Path) -> None:
    busiest = Busiest(tmp_path / "busiest.json")
    assert busiest.order() == []
    for now, each in ((1.0, 1000), (2.0, 3000)):
        busiest.note("a", traffic(each), now)
        busiest.note("b", traffic(2 * each), now)
        busiest.note("quiet", traffic(7), now)
    busiest.note("quiet", traffic(7), 3 + WRITE_PERIOD)
    # A new agent.
    assert Busiest(tmp_path / "busiest.json").order() == ["b", "a"]


def test_old_traffic_counts_less(tmp_path: Path) -> None:
    busiest = Busiest(tmp_path / "busiest.json")
    busiest.note("was busy", traffic(0), 1)
    busiest.note("is busy", traffic(0), 1)
    busiest.note("was busy", traffic(1000), 2)
    for period in range(1, 5):
        busiest.note("is busy", traffic(300 * period), period * (WRITE_PERIOD + 1))
    assert busiest.order() == ["is busy", "was busy"]


def test_traffic_while_no_agent_looked_counts(tmp_path: Path) -> None:
    busiest = Busiest(tmp_path / "busiest.json")
    for key, number in (("a", 1000), ("b", 0)):
        busiest.note(key, traffic(0), 0)
        busiest.note(key, traffic(number), 1)
    # Both had traffic before a new agent looked at them, `b` for the first time.
    restarted = Busiest(tmp_path / "busiest.json")
    restarted.note("a", traffic(1100), 1)
    restarted.note("b", traffic(5000), 2 + WRITE_PERIOD)
    assert restarted.order() == ["b", "a"]
    # After a reboot counters begin anew.
    rebooted = Busiest(tmp_path / "busiest.json")
    rebooted.note("a", traffic(10), 1)
    assert rebooted.order() == ["b", "a"]


def test_the_first_traffic_of_all_counts_although_the_agent_was_restarted_before(tmp_path: Path) -> None:
    file = tmp_path / "busiest.json"
    Busiest(file).note("a", traffic(0), 1)
    restarted = Busiest(file)
    restarted.note("a", traffic(1000), 1)
    assert restarted.order() == ["a"]


def test_the_order_that_an_earlier_version_wrote_is_used(tmp_path: Path) -> None:
    (tmp_path / "busiest.json").write_text('["first", "second"]')
    busiest = Busiest(tmp_path / "busiest.json")
    assert busiest.order() == ["first", "second"]
    busiest.note("quiet", traffic(10_000), 1)
    assert busiest.order() == ["first", "second"]


def test_what_is_not_written_or_removed_does_no_harm(tmp_path: Path) -> None:
    busiest = Busiest(tmp_path / "gone" / "busiest.json")
    busiest.note("a", traffic(0), 1)
    busiest.note("a", traffic(1), 2)
    busiest.forget("a")
    (tmp_path / "broken.json").write_text("[")
    assert Busiest(tmp_path / "broken.json").order() == []
