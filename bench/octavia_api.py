"""The API on SQLite, in turn with a bare Starlette application that sends as many bytes."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from figures import Figure, figure
from stand import LB, PORT, Stand, until
from wrk import Run, wrk

PART = "api"
_BARE_PORT = PORT + 1
# Enough connections to keep a server of one process busy.
_BUSY = 8

_POST = """\
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = {body}
"""


class _Question(Struct, frozen=True, kw_only=True):
    name: str
    path: str
    bare: str
    arguments: tuple[str, ...]


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Send requests to a server without an agent: the work of hosts is not measured here."""
    rounds, seconds = (1, 1.0) if quick else (5, 3.0)
    stand.make_host()
    made = [stand.whole_load_balancer(f"listed-{number}") for number in range(100)]
    one = f"{LB}/loadbalancers/{made[0]['id']}"
    whole = f"{LB}/loadbalancers?limit=100"
    sizes = {path: len(json.dumps(stand.rest.call("GET", path), separators=(",", ":"))) for path in (one, whole)}
    token = ("-H", f"x-auth-token: {stand.rest.token}")
    post = stand.directory / "post.lua"
    form = {"loadbalancer": {"name": "posted", "vip_subnet_id": stand.subnet_id}}
    post.write_text(_POST.format(body=json.dumps(json.dumps(form))))
    posted = (*token, "-s", str(post))
    questions = [
        _Question(name="GET one", path=one, bare=f"/{sizes[one]}", arguments=token),
        _Question(name="GET a list of 100", path=whole, bare=f"/{sizes[whole]}", arguments=token),
        _Question(name="POST a load balancer", path=f"{LB}/loadbalancers", bare=f"/{sizes[one]}", arguments=posted),
    ]
    with _bare():
        for question in questions:
            # A host counts as silent after a while.
            stand.make_host()
            yield from _ask(question, rounds, seconds)


def _ask(question: _Question, rounds: int, seconds: float) -> Iterator[Figure]:
    ours: dict[int, list[Run]] = {1: [], _BUSY: []}
    theirs: dict[int, list[Run]] = {1: [], _BUSY: []}
    for _ in range(rounds):
        for connections in (_BUSY, 1):
            for port, path, runs in ((PORT, question.path, ours), (_BARE_PORT, question.bare, theirs)):
                url = f"http://127.0.0.1:{port}{path}"
                run = wrk(url, seconds=seconds, connections=connections, arguments=question.arguments)
                runs[connections].append(run)
    note = "Floor: an endpoint of Starlette on uvicorn that sends as many bytes, without a database."
    rates = [[run.rate for run in each[_BUSY]] for each in (ours, theirs)]
    yield figure(PART, question.name, "per second", rates[0], floor=rates[1], note=f"{_BUSY} connections. {note}")
    for share in ("p50", "p99"):
        times = [[float(getattr(run, share)) for run in each[1]] for each in (ours, theirs)]
        yield figure(PART, f"  {share}, one client", "ms", times[0], floor=times[1])


@contextlib.contextmanager
def _bare() -> Iterator[None]:
    program = Path(__file__).with_name("bare.py")
    process = subprocess.Popen([sys.executable, str(program), str(_BARE_PORT)])
    try:
        until(_listens, 10)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _listens() -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", _BARE_PORT)) == 0
