"""Every kind of API call, for Hydria on SQLite and on PostgreSQL and for the real Octavia, in one run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from figures import Aim, Figure, figure
from rest import Rest
from sides import Side, hydria, octavia
from stand import PORT
from tests.support.postgres import serving
from wrk import wrk

PART = "beside"
# Connections at once: enough to keep all processes of a server busy; fewer for long answers.
_BUSY, _FEW = 8, 2
_MEMORY = 100

_SQLITE = "SQLite with synchronous = full; each call validates its token."
_POSTGRESQL = "PostgreSQL of Debian, durable; each call validates its token."
_OCTAVIA = (
    " Octavia 19.0.0: gunicorn, 2 workers of 4 threads, MariaDB of Debian, noop drivers, no token is checked, nothing"
    " listens to what it would have workers do."
)


class _Size(Struct, frozen=True, kw_only=True):
    """The amount of work: rounds, seconds for a read, load balancers to list and to change, calls in a round."""

    rounds: int = 3
    seconds: float = 3.0
    listed: int = 1000
    calls: int = 32
    batches: int = 4


# The ids of complete load balancers and of their pools.
Trees = list[dict[str, str]]
Row = Callable[[Side, Trees, _Size, int], float]


def measure(environment: Path | None, *, quick: bool) -> Iterator[Figure]:
    """Measure all servers in turn; `environment` is Octavia's, None leaves it out."""
    size = _Size(rounds=2, seconds=1.0, listed=120, calls=4, batches=2) if quick else _Size()
    with ExitStack() as stack:
        server = stack.enter_context(serving(durable=True))
        ours = [
            (stack.enter_context(hydria("SQLite", PORT)), _SQLITE),
            (stack.enter_context(hydria("PostgreSQL", PORT + 3, server.empty())), _POSTGRESQL),
        ]
        other = stack.enter_context(octavia(environment)) if environment else None
        sides = [*(side for side, _ in ours), *([other] if other else [])]
        grown = {side.name: _grow(side, size) for side in sides}
        for name, (row, least) in _ROWS.items():
            rates: dict[str, list[float]] = {side.name: [] for side in sides}
            for number in range(size.rounds):
                for side in sides if number % 2 else sides[::-1]:
                    side.settle()
                    rates[side.name].append(row(side, grown[side.name], size, number))
            for side, note in ours:
                floor = rates[other.name] if other else ()
                aims = [Aim(least=least, ratio=True)] if other else []
                text = note + (_OCTAVIA if other else "")
                label = f"{name.format(size.listed)}, {side.name}"
                yield figure(PART, label, "per second", rates[side.name], floor=floor, aims=aims, note=text)
        for side, note in ours:
            floor = [other.memory()] if other else ()
            label = f"memory of the server, {side.name} (PSS)"
            yield figure(PART, label, "MB", [side.memory()], floor=floor, aims=[Aim(most=_MEMORY)], note=note)


def _grow(side: Side, size: _Size) -> Trees:
    """Create the load balancers: a hundred complete ones, the others without children."""
    trees: Trees = []
    side.each(lambda rest, number: trees.append(side.tree(rest, f"tree-{number}")), 100)
    side.settle()
    form = {"loadbalancer": {"name": "bare", "vip_subnet_id": side.subnet_id}}
    side.each(lambda rest, _: side.call_on(rest, "POST", "/loadbalancers", form), size.listed - 100)
    side.settle()
    return trees


def _get_one(side: Side, trees: Trees, size: _Size, _: int) -> float:
    return _read(side, f"/loadbalancers/{trees[0]['id']}", size)


def _status(side: Side, trees: Trees, size: _Size, _: int) -> float:
    return _read(side, f"/loadbalancers/{trees[0]['id']}/status", size)


def _read(side: Side, path: str, size: _Size, *, connections: int = _BUSY) -> float:
    return wrk(side.url(path), seconds=size.seconds, connections=connections, arguments=side.arguments).rate


def _list(limit: int) -> Row:
    return lambda side, _, size, __: _read(side, f"/loadbalancers?limit={limit}", size, connections=_FEW)


def _create(side: Side, _: Trees, size: _Size, __: int) -> float:
    form = {"loadbalancer": {"name": "made", "vip_subnet_id": side.subnet_id}}
    return side.each(lambda rest, _: side.call_on(rest, "POST", "/loadbalancers", form), size.calls)


def _member(side: Side, trees: Trees, size: _Size, number: int) -> float:
    def act(rest: Rest, at: int) -> None:
        form = {"address": f"10.1.0.{number + 1}", "protocol_port": 80, "subnet_id": side.subnet_id}
        side.call_on(rest, "POST", f"/pools/{trees[at]['pool']}/members", {"member": form})

    return side.each(act, size.calls)


def _batch(side: Side, trees: Trees, size: _Size, number: int) -> float:
    def act(rest: Rest, at: int) -> None:
        members = [
            {"address": f"10.2.{number}.{each + 1}", "protocol_port": 80, "subnet_id": side.subnet_id}
            for each in range(160)
        ]
        side.call_on(rest, "PUT", f"/pools/{trees[40 + at]['pool']}/members", {"members": members})

    return side.each(act, size.batches)


def _cascade(side: Side, _: Trees, size: _Size, __: int) -> float:
    going: list[dict[str, str]] = []
    side.each(lambda rest, number: going.append(side.tree(rest, f"going-{number}")), size.calls)
    side.settle()
    path = "/loadbalancers/{id}?cascade=true"
    return side.each(lambda rest, number: side.call_on(rest, "DELETE", path.format(**going[number])), size.calls)


# The calls, and the ratio to Octavia's throughput that each should reach.
_ROWS: dict[str, tuple[Row, float]] = {
    "GET one": (_get_one, 20),
    "GET a list of 100": (_list(100), 10),
    "GET a list of {}": (_list(1000), 10),
    "GET a status tree": (_status, 10),
    "POST a load balancer": (_create, 10),
    "POST a member": (_member, 10),
    "PUT a batch of 160 members": (_batch, 10),
    "DELETE a load balancer with everything below it": (_cascade, 10),
}
