"""Which amphorae an agent observes next."""

from dataclasses import dataclass

import pytest

from hydria.agent.looks import MOST, Activity, Looks


@dataclass
class One:
    """An amphora's worker."""

    looked_at: float
    activity: Activity = "busy"


def a_minute(looks: Looks, ones: list[One], *, crowded: bool = False) -> list[int]:
    """Return how many are observed in each second of a minute."""
    counts = []
    for second in range(1000, 1060):
        due = looks.due(ones, second, 15, 1, crowded=crowded)
        for each in due:
            each.looked_at = second
        counts.append(len(due))
    return counts


def test_few_are_observed_every_period() -> None:
    ones = [One(1000 + number, activity) for number, activity in enumerate(MOST)]
    counts = a_minute(Looks(), ones)
    assert [second for second, count in enumerate(counts) if count == 1] == [
        *(15, 16, 17),
        *(30, 31, 32),
        *(45, 46, 47),
    ]
    assert sum(counts) == 9


def test_each_is_observed_in_time_when_ticks_are_long() -> None:
    looks, one = Looks(), One(1002.5)
    times = []
    for tick in range(1000, 1100, 5):
        for each in looks.due([one], tick, 15, 5, crowded=False):
            each.looked_at = tick + 2.5
            times.append(each.looked_at)
    assert times == [1017.5, 1032.5, 1047.5, 1062.5, 1077.5, 1092.5]


@pytest.mark.parametrize("activity", MOST)
def test_of_very_many_some_are_observed_each_second(activity: Activity) -> None:
    ones = [One(0, activity) for _ in range(1000)]
    assert set(a_minute(Looks(), ones)) == {MOST[activity]}


def test_while_many_are_changed_one_of_each_activity_is_observed_each_second() -> None:
    ones = [One(0, activity) for activity in MOST for _ in range(1000)]
    assert set(a_minute(Looks(), ones, crowded=True)) == {3}


def test_those_that_waited_longest_are_first() -> None:
    ones = [One(number, "quiet") for number in range(100)]
    first = Looks().due(ones, 1000, 15, 1, crowded=False)
    assert [one.looked_at for one in first] == list(range(10))


def test_one_that_becomes_busy_waits_for_none_that_is_quiet() -> None:
    ones = [One(number, "quiet") for number in range(1000)]
    ones[-1].activity = "busy"
    assert ones[-1] in Looks().due(ones, 2000, 15, 1, crowded=False)


def test_a_short_time_allows_a_part_of_them() -> None:
    looks, ones = Looks(), [One(0, "quiet") for _ in range(1000)]
    assert sum(len(looks.due(ones, 1000, 15, 0.01, crowded=False)) for _ in range(100)) == pytest.approx(10, abs=1)
