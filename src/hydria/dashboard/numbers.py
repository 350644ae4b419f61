"""`/dashboard/v1/loadbalancers/{id}/samples`: rates of a load balancer's listeners and members, for a day."""

from collections import defaultdict
from typing import Any

from hydria.api.access import permitted
from hydria.api.resource_types import LOAD_BALANCER
from hydria.dashboard.rates import FIELDS
from hydria.dashboard.sampler import TIERS
from hydria.errors import Invalid
from hydria.http.operation import Call, Operation
from hydria.store import columns
from hydria.store.numbers import Sample, short_id
from hydria.store.resources import ids_of

_LONGEST = TIERS[-1][1]


def operations() -> tuple[Operation, ...]:
    """Return the operation."""
    rule = LOAD_BALANCER.rule("get_stats")
    return (Operation(method="GET", path="/loadbalancers/{id}/samples", work=_samples, rule=rule, single=True),)


def _samples(call: Call) -> Any:
    key = permitted(call, LOAD_BALANCER, call.path["id"]).resource.id
    back = _seconds(call.query.last("seconds"))
    step, _ = next(tier for tier in TIERS if back <= tier[1])
    now = int(call.time.timestamp())
    c = columns(Sample)
    newer = (c.load_balancer_id == key, c.seconds == step, c.at > now - back)
    found = call.transaction.find(Sample, *newer, order_by=(c.at,))
    times = _times(found, step)
    return {"samples": {"step": step, "times": times, "series": _series(found, times, ids_of(call.transaction, key))}}


def _seconds(text: str | None) -> int:
    try:
        seconds = int(text or 3600)
    except ValueError:
        seconds = 0
    if not 60 <= seconds <= _LONGEST:
        raise Invalid(f"seconds is {text!r}. It must be a whole number from 60 to {_LONGEST}.")
    return seconds


def _times(found: list[Sample], step: int) -> list[int]:
    return list(range(found[0].at, found[-1].at + 1, step)) if found else []


def _series(found: list[Sample], times: list[int], ids: frozenset[str]) -> dict[str, dict[str, list[float | None]]]:
    """Return the values by id and field, one for each time: 0 without traffic, None where there is no sample."""
    whole = {short_id(key): key for key in ids}
    place = {at: index for index, at in enumerate(times)}
    sampled = {place[sample.at] for sample in found if sample.at in place}

    def empty() -> dict[str, list[float | None]]:
        return {name: [0.0 if index in sampled else None for index in range(len(times))] for name in FIELDS}

    series: dict[str, dict[str, list[float | None]]] = defaultdict(empty)
    for sample in found:
        for key, rate in sample.rates.items():
            if key in whole and sample.at in place:
                for name, value in zip(FIELDS, rate, strict=False):
                    series[whole[key]][name][place[sample.at]] = value
    return series
