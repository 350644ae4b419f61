"""The routes by which a host joins; it has no secret yet."""

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hydria.controller.agent_authority import known_certificate
from hydria.controller.commands import answered
from hydria.controller.host_admin import HostAdmin
from hydria.controller.messages import decode_joining
from hydria.errors import NotFound
from hydria.protocols import Clock
from hydria.store import Database


class JoinRoutes:
    """The routes for hosts with an invitation."""

    def __init__(self, database: Database, clock: Clock, hosts: HostAdmin) -> None:
        self._database = database
        self._clock = clock
        self._hosts = hosts

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/agent/v1/authority", self._authority, methods=["GET"]),
            Route("/agent/v1/join", self._join, methods=["POST"]),
        ]

    @answered
    async def _authority(self, _: Request) -> Response:
        """Return the certificate of the authority, which a host compares with the fingerprint of its invitation."""
        found = await self._database.run(known_certificate, writing=False)
        if found is None:
            raise NotFound("No host has been invited yet: hydria host invite")
        return Response(found, media_type="application/x-pem-file")

    @answered
    async def _join(self, request: Request) -> Response:
        joining = decode_joining(await request.body())
        work = partial(self._hosts.join, joining=joining, now=self._clock.now())
        joined = await self._database.run(work, writing=True)
        return Response(msgspec.json.encode(joined), media_type="application/json")
