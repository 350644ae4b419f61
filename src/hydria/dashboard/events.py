"""`/dashboard/events`: what changes, as server-sent events. One computation serves every open dashboard."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hydria.dashboard.protection import COOKIE, HEADERS, PATH, forged, refusal
from hydria.dashboard.pulse import EVERYTHING, Audience, Pulse
from hydria.dashboard.rights import PREFIX as OWN
from hydria.protocols import Http

# How often it is checked that a stream's token is still valid (seconds).
_CHECK = 60.0


class Events:
    """Streams of events; each has the rights of its session."""

    def __init__(self, pulse: Pulse, own: Http) -> None:
        """`own` is this server's own API, which says what a token may see."""
        self._pulse = pulse
        self._own = own

    def routes(self) -> list[Route]:
        return [Route(f"{PATH}/events", self._answer, methods=["GET"])]

    async def _answer(self, request: Request) -> Response:
        reason = forged(request.method, request.headers)
        if reason is not None:
            return refusal(403, reason)
        token = request.cookies.get(COOKIE, "")
        scope = await self._scope(token)
        if scope is None:
            return refusal(401, "The session has ended. Please log in again.")
        audience = Audience(scope=scope, load_balancer_id=request.query_params.get("loadbalancer", ""))
        headers = {**HEADERS, "cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._stream(audience, token), 200, headers, "text/event-stream")

    async def _stream(self, audience: Audience, token: str) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        async with self._pulse.subscribed(audience) as subscriber:
            checked = loop.time()
            while True:
                message = await subscriber.next()
                if message is None:
                    return
                yield message
                if loop.time() - checked > _CHECK:
                    checked = loop.time()
                    if await self._scope(token) != audience.scope:
                        yield b"event: ended\ndata: {}\n\n"
                        return

    async def _scope(self, token: str) -> str | None:
        """Return the project whose load balancers a token may list, EVERYTHING for all, or None for no valid token."""
        answer = await self._own.send("GET", f"{OWN}/rights", {"x-auth-token": token}) if token else None
        if answer is None or answer.status != 200:
            return None
        found = answer.json()
        if "loadbalancer:get_all-global" in found["rights"]:
            return EVERYTHING
        return found["project"]["id"] if "loadbalancer:get_all" in found["rights"] else None
