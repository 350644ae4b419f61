"""The exchange with the agents: they poll for orders and report. The server never calls a host.

This is the only module of the server that knows how an agent authenticates.
"""

import asyncio
import hmac
from collections.abc import Callable
from functools import partial

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hydria.contract import Holding, Orders, Reports
from hydria.controller.desired_state import DesiredState
from hydria.controller.messages import decode_holding, decode_reports
from hydria.controller.orphans import Orphans, listed
from hydria.controller.placement import HOST_SILENCE
from hydria.controller.reports import Reporter
from hydria.controller.wakeup import Wakeup
from hydria.errors import Invalid, Refusal
from hydria.protocols import Clock
from hydria.store import Database, Transaction

log = structlog.get_logger(__name__)

_encoder = msgspec.json.Encoder()

# How often `seen_at` of a host with an open poll is renewed (seconds).
_SEEN_PERIOD = HOST_SILENCE / 3

# The shortest time between two requests for all reports of a host (seconds).
_DOUBT_PERIOD = 5.0

# Hints that may mean new orders.
_TOPICS = frozenset({"instances", "topology"})


class Exchange:
    """The routes below `/agent/v1`: polls and reports of agents, and the commands for hosts and orphans."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        desired_state: DesiredState,
        reporter: Reporter,
        orphans: Orphans,
        *,
        secret: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._desired_state = desired_state
        self._reporter = reporter
        self._orphans = orphans
        if not secret:
            raise ValueError("an empty secret would authenticate everyone")
        self._secret = secret
        self._waiting: set[Wakeup] = set()
        self._polled: set[str] = set()
        # When hosts were last asked for all their reports, by the loop's time.
        self._asked_again: dict[str, float] = {}
        self._closing = False
        self.poll_seconds = 25.0
        database.subscribe(self._wake)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/agent/v1/hosts", self._hosts, methods=["GET"]),
            Route("/agent/v1/orphans", self._list_orphans, methods=["GET"]),
            Route("/agent/v1/orphans/{id}/{verb}", self._mend_orphan, methods=["POST"]),
            Route("/agent/v1/poll", self._poll, methods=["POST"]),
            Route("/agent/v1/report", self._report, methods=["POST"]),
        ]

    def close(self) -> None:
        """Answer all open polls, because the server stops."""
        self._closing = True
        self._wake(_TOPICS)

    def _wake(self, topics: frozenset[str]) -> None:
        if topics & _TOPICS:
            for wakeup in tuple(self._waiting):
                wakeup.set()

    async def _hosts(self, request: Request) -> Response:
        """Return the hosts that have polled since this server started."""
        refusal = self._refusal(request)
        return refusal or Response(_encoder.encode({"hosts": sorted(self._polled)}), media_type="application/json")

    async def _poll(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            holding = decode_holding(await request.body())
        except Invalid as error:
            return Response(error.message, 400)
        self._polled.add(holding.host)
        wakeup = Wakeup()
        self._waiting.add(wakeup)
        try:
            orders = await self._wait(holding, wakeup)
        finally:
            self._waiting.discard(wakeup)
        return Response(_encoder.encode(orders), media_type="application/json")

    async def _wait(self, holding: Holding, wakeup: Wakeup) -> Orders:
        """Return orders as soon as there are any, and empty ones when the poll's time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.poll_seconds
        seen = -_SEEN_PERIOD
        while not self._closing:
            wakeup.clear()
            if loop.time() - seen >= _SEEN_PERIOD:
                seen = loop.time()
                now = self._clock.now()
                await self._database.run(
                    partial(self._desired_state.heard_from, holding=holding, now=now), writing=True
                )
                if await self._wants_all_reports(holding.host):
                    return Orders(report=True)
            orders = await self._database.run(partial(self._desired_state.orders, holding=holding), writing=False)
            if orders != Orders():
                return orders
            left = until - loop.time()
            if left <= 0:
                break
            await wakeup.wait(min(left, _SEEN_PERIOD))
        return Orders()

    async def _wants_all_reports(self, host: str) -> bool:
        """Return whether to ask a host for all its reports. It is not asked at once again, as it may have none yet."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_again.get(host, -_DOUBT_PERIOD) < _DOUBT_PERIOD:
            return False
        if not await self._database.run(partial(self._desired_state.has_silence, host=host), writing=False):
            return False
        self._asked_again[host] = now
        return True

    async def _report(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            reports, refused = decode_reports(await request.body())
        except Invalid as error:
            return Response(error.message, 400)
        await self._database.run(partial(self._take, reports=reports), writing=True)
        if reports.topology_reason is not None:
            log.warning("topology_failing", host=reports.host, reason=reports.topology_reason)
        if refused:
            for reason in refused:
                log.warning("report_refused", host=reports.host, reason=reason)
            return Response(" ".join((*refused, "All other reports were taken.")), 400)
        return Response(status_code=204)

    def _take(self, transaction: Transaction, reports: Reports) -> None:
        now = self._clock.now()
        for report in reports.reports:
            self._reporter.take(transaction, reports.host, report, now)
        self._reporter.withdrawn(transaction, reports.host, reports.withdrawn, now)
        self._desired_state.wired(transaction, reports, now)
        self._orphans.take(transaction, reports, now)

    async def _list_orphans(self, request: Request) -> Response:
        """Return the orphans."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        found = await self._database.run(listed, writing=False)
        return Response(_encoder.encode({"orphans": found}), media_type="application/json")

    async def _mend_orphan(self, request: Request) -> Response:
        """Adopt or remove an orphan, and return what could not be restored."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        key, now = request.path_params["id"], self._clock.now()
        verbs: dict[str, Callable[[Transaction], list[str]]] = {
            "adopt": partial(self._orphans.adopt, key=key, now=now),
            "remove": partial(self._orphans.remove, key=key),
        }
        work = verbs.get(request.path_params["verb"])
        if work is None:
            return Response("An orphan is adopted or removed.", 404)
        try:
            missing = await self._database.run(work, writing=True)
        except Refusal as refused:
            return Response(refused.message, refused.status)
        return Response(_encoder.encode({"missing": missing}), media_type="application/json")

    def _refusal(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        if hmac.compare_digest(given.encode(), f"Bearer {self._secret}".encode()):
            return None
        return Response("An agent needs the server's secret (agent.secret in its state directory).", 401)
