"""The last lines of an access log, and response times by member, from what is in HAProxy's ring."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hydria.adapters.linux.last_lines import LastLines, percentile
from hydria.model.numbers import Count, Numbers

AT = "<134>2026-11-26T23:13:{:02d}.{:06d}+00:00 traffic listener=l client=c client_port=1 backend=p:l"
TAIL = ' in=85 out=73 wait=0 connect=1 response={} total=3 end=---- request="GET /a?secret=1 HTTP/1.1"'


def line(number: int, response: int, status: int = 200, member: str = "m") -> str:
    return AT.format(number // 100, number % 100) + f" member={member} status={status}" + TAIL.format(response)


class Ring:
    """The runtime socket of a HAProxy that only knows its ring."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.reads = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        self.reads += 1
        writer.write(("\n".join(self.lines) + "\n").encode())
        writer.close()


@asynccontextmanager
async def ring(directory: Path) -> AsyncIterator[tuple[Ring, LastLines]]:
    made = Ring()
    server = await asyncio.start_unix_server(made.answer, directory / "haproxy.sock")
    yield made, LastLines(directory / "haproxy.sock")
    server.close()


def numbers(requests: int, errors: int = 0) -> Numbers:
    count = Count(requests=requests, errors=errors)
    return Numbers(listeners={"l": count}, members={"m": count})


async def test_response_times_are_those_of_new_successful_lines(tmp_path: Path) -> None:
    async with ring(tmp_path) as (made, last):
        made.lines = [line(number, number) for number in range(1, 101)] + [line(200, 9999, status=500)]
        found = (await last.read(numbers(100), {})).members["m"]
        assert (found.response_p50, found.response_p95, found.response_p99) == (51, 96, 100)
        made.lines.append(line(300, 2000))
        found = (await last.read(numbers(101), {})).members["m"]
        assert (found.response_p50, found.response_p99) == (51, 100)
        # Lines that are there again count once.
        again = (await last.read(numbers(102), {})).members["m"]
        assert again == Count(**{**{name: getattr(found, name) for name in Count.__struct_fields__}, "requests": 102})


async def test_failures_and_some_successes_are_kept_without_queries(tmp_path: Path) -> None:
    async with ring(tmp_path) as (made, last):
        made.lines = [line(number, 1, status=500 if number % 10 == 0 else 200) for number in range(300)]
        kept = (await last.read(numbers(300, errors=30), {})).log
        assert sum(" status=500 " in each for each in kept) == 20
        assert sum(" status=200 " in each for each in kept) == 10
        assert list(kept) == sorted(kept)
        assert not any("secret" in each for each in kept)


async def test_a_ring_without_traffic_is_not_read(tmp_path: Path) -> None:
    async with ring(tmp_path) as (made, last):
        for _ in range(3):
            await last.read(numbers(0), {})
        assert made.reads == 0
        for _ in range(3):
            await last.read(numbers(7), {})
        assert made.reads == 1


def test_percentiles_of_few_times() -> None:
    assert [percentile([5], share) for share in (50, 95, 99)] == [5, 5, 5]
    assert percentile([0, 0], 50) == 1
