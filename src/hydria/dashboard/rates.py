"""Rates from counters: how much each listener and member does each second, by what amphorae reported last. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from hydria.model.numbers import Count
from hydria.store.numbers import Measured

FIELDS = Count.__struct_fields__
# Response times, which say nothing where no request came since.
_TIMES = frozenset({"response_ms", "response_ms_max", "response_p50", "response_p95", "response_p99"})
# These are current values, not counters.
_GAUGES = frozenset({"open", *_TIMES})

# An agent looks every 15 s and reports what changed: a change after a longer silence happened lately (seconds).
_LOOK = 16.0
# Two reports that are closer together give no good rate (seconds).
_CLOSE = 2.0
# After this silence there was no traffic (seconds).
_SILENT = 40.0

# In the order of FIELDS, rounded.
Rate = tuple[float, ...]
IDLE: Rate = (0.0,) * len(FIELDS)
Rates = Mapping[str, Rate]


class Meter:
    """Turns what amphorae report into rates, by load balancer."""

    def __init__(self) -> None:
        self._last: dict[str, Measured] = {}
        self._rates: dict[str, dict[str, Rate]] = {}
        # The amphorae of each load balancer.
        self._amphorae: dict[str, set[str]] = defaultdict(set)

    def take(self, measured: Iterable[Measured]) -> None:
        """Take reports in; those that are known already change nothing."""
        for each in measured:
            before = self._last.get(each.amphora_id)
            if before is not None and each.at - before.at < _CLOSE:
                continue
            self._amphorae[each.load_balancer_id].add(each.amphora_id)
            self._last[each.amphora_id] = each
            if before is not None:
                self._rates[each.amphora_id] = _rates(before, each)

    def keep(self, amphora_ids: frozenset[str]) -> None:
        """Forget the amphorae that are not among these."""
        for gone in self._last.keys() - amphora_ids:
            measured = self._last.pop(gone)
            self._rates.pop(gone, None)
            left = self._amphorae[measured.load_balancer_id]
            left.discard(gone)
            if not left:
                del self._amphorae[measured.load_balancer_id]

    def load_balancers(self) -> list[str]:
        """Return the load balancers that reported."""
        return list(self._amphorae)

    def rates(self, load_balancer_id: str, now: float) -> dict[str, Rate]:
        """Return the rates of the listeners and members of a load balancer, summed over its amphorae."""
        found: dict[str, Rate] = {}
        for amphora_id in self._amphorae.get(load_balancer_id, ()):
            measured = self._last[amphora_id]
            rates = self._rates.get(amphora_id, {})
            if now - measured.at > _SILENT:
                rates = {key: _silent(rate) for key, rate in rates.items()}
            for key, rate in rates.items():
                found[key] = add(found[key], rate) if key in found else rate
        return found

    def total(self, load_balancer_id: str, now: float) -> Rate:
        """Return the sum over the listeners of a load balancer."""
        listeners: set[str] = set()
        for amphora_id in self._amphorae.get(load_balancer_id, ()):
            listeners.update(self._last[amphora_id].numbers.listeners)
        rates = self.rates(load_balancer_id, now)
        total = IDLE
        for key in listeners:
            total = add(total, rates.get(key, IDLE))
        return total


def add(one: Rate, other: Rate) -> Rate:
    """Return the sums; of times the larger one."""
    return tuple(
        max(a, b) if name in _TIMES else _rounded(a + b) for name, a, b in zip(FIELDS, one, other, strict=True)
    )


def mean(rates: Iterable[Rate], number: int) -> Rate:
    """Return the means of `number` rates; those that are missing were idle, but have no response times."""
    total, timed = [0.0] * len(FIELDS), [0] * len(FIELDS)
    for rate in rates:
        for index, value in enumerate(rate):
            total[index] += value
            timed[index] += value > 0
    return tuple(
        _rounded(value / (max(1, times) if name in _TIMES else number))
        for name, value, times in zip(FIELDS, total, timed, strict=True)
    )


def trimmed(rate: Rate) -> Rate:
    """Return a rate without zeros at its end; whole numbers need less space than fractions."""
    end = len(rate)
    while end and rate[end - 1] == 0:
        end -= 1
    return tuple(int(value) if value.is_integer() else value for value in rate[:end])


def _rates(before: Measured, after: Measured) -> dict[str, Rate]:
    seconds = min(after.at - before.at, _LOOK)
    old = {**before.numbers.listeners, **before.numbers.members}
    new = {**after.numbers.listeners, **after.numbers.members}
    return {key: _rate(old.get(key, Count()), count, seconds) for key, count in new.items()}


def _rate(before: Count, after: Count, seconds: float) -> Rate:
    found = []
    for name in FIELDS:
        value = getattr(after, name)
        # The mean time of requests long ago says nothing.
        if name in _TIMES and after.requests <= before.requests:
            value = 0
        found.append(float(value) if name in _GAUGES else _rounded(max(0, value - getattr(before, name)) / seconds))
    return tuple(found)


def _silent(rate: Rate) -> Rate:
    return tuple(value if name == "open" else 0.0 for name, value in zip(FIELDS, rate, strict=True))


def _rounded(value: float) -> float:
    """Return three significant digits, which is more than a sample can tell."""
    return float(f"{value:.3g}")
