"""The numbers behind the graphs: what amphorae reported last, and samples of a day.

Longer history is the business of a Prometheus that reads `/metrics`.
"""

from msgspec import Struct

from hydria.model.numbers import Numbers
from hydria.store.tables import columns, register
from hydria.store.transaction import Transaction


class Measured(Struct, frozen=True, kw_only=True):
    """The numbers that one amphora reported last, and when (seconds since the epoch)."""

    amphora_id: str
    load_balancer_id: str
    at: float
    numbers: Numbers


class Sample(Struct, frozen=True, kw_only=True):
    """The mean rates of one load balancer in the `seconds` before `at` (seconds since the epoch).

    `rates` is by the first 12 hexadecimal digits of the ids of listeners and members, in the order of
    `hydria.model.numbers.Count`, without zeros at the end. Those without traffic are left out.
    """

    load_balancer_id: str
    seconds: int
    at: int
    rates: dict[str, tuple[float, ...]]


register(Measured, "measured", key=("amphora_id",), index=(("load_balancer_id",), ("at",)))
register(Sample, "samples", key=("load_balancer_id", "seconds", "at"), index=(("seconds", "at"),))


def forget_numbers(transaction: Transaction, load_balancer_id: str) -> None:
    """Delete all numbers of a load balancer."""
    transaction.delete(Measured, columns(Measured).load_balancer_id == load_balancer_id)
    transaction.delete(Sample, columns(Sample).load_balancer_id == load_balancer_id)


def short_id(key: str) -> str:
    """Return the part of an id by which samples name it: enough to be the only one in a load balancer."""
    return key.replace("-", "")[:12]
