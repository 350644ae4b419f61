"""Rates from the counters that amphorae report."""

import uuid

import pytest

from hydria.dashboard.rates import FIELDS, IDLE, Meter, Rate, mean, trimmed
from hydria.dashboard.sampler import MOST, samples
from hydria.model.numbers import Count, Numbers
from hydria.store.numbers import Measured


def measured(at: float, requests: int, *, amphora: str = "a", **more: int) -> Measured:
    counts = {"listener": Count(requests=requests, **more)}
    return Measured(amphora_id=amphora, load_balancer_id="lb", at=at, numbers=Numbers(listeners=counts))


def requests(meter: Meter, now: float) -> float:
    return meter.rates("lb", now)["listener"][0]


def test_a_rate_is_the_growth_between_two_reports() -> None:
    meter = Meter()
    meter.take([measured(100, 1000)])
    assert meter.rates("lb", 100) == {}
    meter.take([measured(110, 1500)])
    assert requests(meter, 111) == 50


def test_after_a_long_silence_the_requests_came_lately() -> None:
    meter = Meter()
    meter.take([measured(100, 0)])
    meter.take([measured(4000, 160)])
    assert requests(meter, 4001) == 10


def test_without_reports_there_is_no_traffic_but_open_connections_stay() -> None:
    meter = Meter()
    meter.take([measured(100, 0)])
    meter.take([measured(110, 100, open=7)])
    rate = meter.rates("lb", 200)["listener"]
    assert rate[0] == 0
    assert rate[FIELDS.index("open")] == 7


def test_counters_that_begin_anew_give_no_negative_rate() -> None:
    meter = Meter()
    meter.take([measured(100, 1000)])
    meter.take([measured(110, 10)])
    assert requests(meter, 111) == 0


def test_reports_that_are_close_together_count_as_one() -> None:
    meter = Meter()
    meter.take([measured(100, 0)])
    meter.take([measured(100.1, 100)])
    assert meter.rates("lb", 101) == {}
    meter.take([measured(110, 200)])
    assert requests(meter, 111) == 20


def test_the_amphorae_of_a_pair_add_up() -> None:
    meter = Meter()
    for amphora in "ab":
        meter.take([measured(100, 0, amphora=amphora)])
        meter.take([measured(110, 100, amphora=amphora)])
    assert requests(meter, 111) == 20
    assert meter.total("lb", 111)[0] == 20
    meter.keep(frozenset({"a"}))
    assert requests(meter, 111) == 10
    meter.keep(frozenset())
    assert meter.load_balancers() == []


def test_a_response_time_is_not_summed() -> None:
    meter = Meter()
    for amphora, time in (("a", 20), ("b", 30)):
        meter.take([measured(100, 0, amphora=amphora)])
        meter.take([measured(110, 100, amphora=amphora, response_ms=time)])
    assert meter.rates("lb", 111)["listener"][FIELDS.index("response_ms")] == 30


def test_a_mean_counts_idle_times_except_for_response_times() -> None:
    busy = rate(requests=30, response_ms=12)
    found = mean([busy, IDLE], 3)
    assert found[0] == 10
    assert found[FIELDS.index("response_ms")] == 12
    assert trimmed(IDLE) == ()


def test_a_sample_has_the_busiest_and_is_bounded() -> None:
    seen = {"lb": {str(uuid.uuid4()): rate(requests=number) for number in range(100)}}
    (sample,) = samples([seen], 60, 120)
    assert len(sample.rates) == MOST[60]
    assert max(each[0] for each in sample.rates.values()) == 99


def test_an_idle_load_balancer_has_an_empty_sample() -> None:
    (sample,) = samples([{"lb": {"one": IDLE}}], 60, 120)
    assert sample.rates == {}


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_gathered_is_no_sample(number: int) -> None:
    assert samples([{}] * number, 60, 120) == []


def rate(**values: float) -> Rate:
    return tuple(values.get(name, 0.0) for name in FIELDS)
