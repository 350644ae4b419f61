"""The exchange with the agents: they poll for orders and report. The server never calls a host.

Two applications have these routes: the one that serves the API, for the agent of the server's own machine, and the one
that serves hosts that have joined, over TLS.
"""

import asyncio
from datetime import datetime
from functools import partial

import msgspec
import structlog
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hydria.backoff import Backoff
from hydria.contract import POLL_SECONDS, Holding, Orders, Reports
from hydria.controller.agent_access import SHARED, AgentAccess
from hydria.controller.commands import answered
from hydria.controller.desired_state import DesiredState
from hydria.controller.joining import servers
from hydria.controller.messages import decode_holding, decode_reports
from hydria.controller.open_polls import OpenPolls
from hydria.controller.orphans import Orphans
from hydria.controller.placement import HOST_SILENCE
from hydria.controller.reports import Reporter
from hydria.controller.wakeup import Wakeup
from hydria.errors import Unauthenticated
from hydria.protocols import Clock
from hydria.store import Database, Transaction
from hydria.store.resources import KnownHost

log = structlog.get_logger(__name__)

_encoder = msgspec.json.Encoder()

# The pauses between requests for all reports of a host, as long as something of it cannot be observed (seconds).
_FIRST_DOUBT, _LAST_DOUBT = 5.0, 300.0


class Exchange:
    """The routes below `/agent/v1` of agents: polls and reports."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        access: AgentAccess,
        desired_state: DesiredState,
        reporter: Reporter,
        orphans: Orphans,
    ) -> None:
        self._database = database
        self._clock = clock
        self._access = access
        self._desired_state = desired_state
        self._reporter = reporter
        self._orphans = orphans
        self._open = OpenPolls(database)
        self._polled: set[str] = set()
        # When hosts may be asked again for all their reports, by the loop's time, and the pauses.
        self._doubts: dict[str, tuple[float, Backoff]] = {}
        self._closing = False
        self.poll_seconds = 25.0
        # How often `seen_at` of a host with an open poll is renewed (seconds).
        self.seen_seconds = HOST_SILENCE / 3

    def routes(self) -> list[Route]:
        """Return the routes for the server's own machine."""
        return [Route("/agent/v1/hosts", self._hosts, methods=["GET"]), *self.routes_of_agents()]

    def routes_of_agents(self) -> list[Route]:
        """Return the routes for agents, of which hosts that have joined need no other."""
        return [
            Route("/agent/v1/poll", self._poll, methods=["POST"]),
            Route("/agent/v1/report", self._report, methods=["POST"]),
        ]

    def close(self) -> None:
        """Answer all open polls, because the server stops."""
        self._closing = True
        self._open.wake()

    @answered
    async def _hosts(self, request: Request) -> Response:
        """Return the hosts that have polled since this server started."""
        self._access.require_shared(request)
        return Response(_encoder.encode({"hosts": sorted(self._polled)}), media_type="application/json")

    @answered
    async def _poll(self, request: Request) -> Response:
        identity = await self._access.identify(request)
        holding = decode_holding(await request.body())
        await self._access.check(identity, holding.host)
        self._polled.add(holding.host)
        with self._open.waiting(holding.host) as wakeup:
            orders = await self._wait(holding, wakeup, joined=identity != SHARED)
        headers = {POLL_SECONDS: str(int(self.poll_seconds))}
        return Response(_encoder.encode(orders), media_type="application/json", headers=headers)

    async def _wait(self, holding: Holding, wakeup: Wakeup, *, joined: bool) -> Orders:
        """Return orders as soon as there are any, and empty ones when the poll's time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.poll_seconds
        seen = -self.seen_seconds
        while not self._closing:
            wakeup.clear()
            if loop.time() - seen >= self.seen_seconds:
                seen = loop.time()
                now = self._clock.now()
                await self._database.run(partial(self._hear, holding=holding, now=now, joined=joined), writing=True)
                if await self._wants_all_reports(holding.host):
                    return Orders(report=True)
            orders = await self._database.run(
                partial(self._orders, holding=holding, now=self._clock.now(), joined=joined), writing=False
            )
            if orders != Orders():
                return orders
            left = until - loop.time()
            if left <= 0:
                break
            await wakeup.wait(min(left, self.seen_seconds))
        return Orders()

    def _orders(self, transaction: Transaction, holding: Holding, now: datetime, *, joined: bool) -> Orders:
        orders = self._desired_state.orders(transaction, holding)
        if joined:
            known = servers(transaction, now)
            if known and known != holding.servers:
                return structs.replace(orders, servers=known)
        return orders

    def _hear(self, transaction: Transaction, holding: Holding, now: datetime, *, joined: bool) -> None:
        if joined and transaction.get(KnownHost, holding.host) is None:
            # It was forgotten during its poll.
            raise Unauthenticated("This host was forgotten. Let it join anew: hydria host invite")
        self._desired_state.heard_from(transaction, holding, now)

    async def _wants_all_reports(self, host: str) -> bool:
        """Return whether to ask a host for all its reports. It is not asked at once again, as it may have none yet."""
        now = asyncio.get_running_loop().time()
        ask_at, backoff = self._doubts.get(host) or (now, Backoff(_FIRST_DOUBT, _LAST_DOUBT))
        if now < ask_at:
            return False
        if not await self._database.run(partial(self._desired_state.in_doubt, host=host), writing=False):
            self._doubts.pop(host, None)
            return False
        self._doubts[host] = now + backoff.next(), backoff
        return True

    @answered
    async def _report(self, request: Request) -> Response:
        identity = await self._access.identify(request)
        reports, refused = decode_reports(await request.body())
        await self._access.check(identity, reports.host)
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
