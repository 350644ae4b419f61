"""GETs of one client during logins with wrong passwords, in turn with the same GETs without logins."""

import contextlib
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator

from figures import Aim, Figure, figure
from stand import LB, PORT, Stand
from wrk import wrk

PART = "logins"
# Wrong logins a second.
_RATE = 20


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """GET one load balancer from a server without an agent."""
    rounds, seconds = (1, 2.0) if quick else (7, 5.0)
    stand.make_host()
    path = f"{LB}/loadbalancers/{stand.whole_load_balancer('asked')['id']}"
    url, token = f"http://127.0.0.1:{PORT}{path}", ("-H", f"x-auth-token: {stand.rest.token}")
    quiet: list[float] = []
    flooded: list[float] = []
    answers: Counter[int] = Counter()
    for _ in range(rounds):
        quiet.append(float(wrk(url, seconds=seconds, connections=1, arguments=token).p99))
        with _wrong_logins(answers):
            flooded.append(float(wrk(url, seconds=seconds, connections=1, arguments=token).p99))
    counts = ", ".join(f"{count} times {status}" for status, count in sorted(answers.items()))
    note = f"Floor: the same without logins. Answers to {_RATE} logins a second, each as another user: {counts}."
    name = f"GET one, p99, during {_RATE} wrong logins/s"
    yield figure(PART, name, "ms", flooded, floor=quiet, aims=(Aim(most=2, ratio=True),), note=note)


@contextlib.contextmanager
def _wrong_logins(answers: Counter[int]) -> Iterator[None]:
    """Log in with wrong passwords as unknown users: a known user would reach its own limit first."""
    stop, names = threading.Event(), itertools.count()

    def log_in() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        while not stop.is_set():
            begun = time.monotonic()
            user = {"name": f"nobody-{next(names)}", "domain": {"id": "default"}, "password": "wrong"}
            body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
            headers = {"content-type": "application/json"}
            connection.request("POST", "/identity/v3/auth/tokens", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            answer.read()
            answers[answer.status] += 1
            stop.wait(max(0.0, 10 / _RATE - (time.monotonic() - begun)))
        connection.close()

    threads = [threading.Thread(target=log_in) for _ in range(10)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
