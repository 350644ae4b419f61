"""The routes of `hydria orphan` and `hydria host`, for the server's own machine: they need the shared secret."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hydria.controller.agent_access import AgentAccess
from hydria.controller.host_admin import HostAdmin
from hydria.controller.orphans import Orphans, listed
from hydria.errors import Invalid, NotFound, Refusal
from hydria.http.dry_run import RolledBack
from hydria.http.operation import Reply
from hydria.protocols import Clock
from hydria.store import Database, Transaction, columns
from hydria.store.resources import KnownHost

_encoder = msgspec.json.Encoder()

S = TypeVar("S")


class _Invitation(Struct, frozen=True, kw_only=True):
    url: str | None = None
    zone: str = ""


def answered(
    work: Callable[[S, Request], Awaitable[Response]],
) -> Callable[[S, Request], Coroutine[Any, Any, Response]]:
    """Answer a Refusal of a route with its status and its sentence."""

    @wraps(work)
    async def call(self: S, request: Request) -> Response:
        try:
            return await work(self, request)
        except Refusal as refused:
            return Response(refused.message, refused.status)

    return call


class Commands:
    """The routes of the commands."""

    def __init__(
        self, database: Database, clock: Clock, access: AgentAccess, orphans: Orphans, hosts: HostAdmin
    ) -> None:
        self._database = database
        self._clock = clock
        self._access = access
        self._orphans = orphans
        self._hosts = hosts

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/agent/v1/orphans", self._list_orphans, methods=["GET"]),
            Route("/agent/v1/orphans/{id}/{verb}", self._mend_orphan, methods=["POST"]),
            Route("/agent/v1/admin/hosts", self._list_hosts, methods=["GET"]),
            Route("/agent/v1/admin/hosts/{key}", self._show_host, methods=["GET"]),
            Route("/agent/v1/admin/hosts/{key}/{verb}", self._change_host, methods=["POST"]),
            Route("/agent/v1/admin/invitations", self._invite, methods=["POST"]),
        ]

    @answered
    async def _list_orphans(self, request: Request) -> Response:
        self._access.require_shared(request)
        return _json({"orphans": await self._database.run(listed, writing=False)})

    @answered
    async def _mend_orphan(self, request: Request) -> Response:
        """Adopt or remove an orphan, and return what could not be restored."""
        self._access.require_shared(request)
        key, now = request.path_params["id"], self._clock.now()
        verbs: dict[str, Callable[[Transaction], list[str]]] = {
            "adopt": partial(self._orphans.adopt, key=key, now=now),
            "remove": partial(self._orphans.remove, key=key),
        }
        work = verbs.get(request.path_params["verb"])
        if work is None:
            raise NotFound("An orphan is adopted or removed.")
        return _json({"missing": await self._database.run(work, writing=True)})

    @answered
    async def _list_hosts(self, request: Request) -> Response:
        self._access.require_shared(request)

        def work(transaction: Transaction) -> list[dict[str, Any]]:
            c = columns(KnownHost)
            return self._hosts.shown(
                transaction, transaction.find(KnownHost, order_by=(c.name, c.id)), self._clock.now()
            )

        return _json({"hosts": await self._database.run(work, writing=False)})

    @answered
    async def _show_host(self, request: Request) -> Response:
        self._access.require_shared(request)
        key = request.path_params["key"]

        def work(transaction: Transaction) -> dict[str, Any]:
            return self._hosts.shown(transaction, [self._hosts.find(transaction, key)], self._clock.now())[0]

        return _json({"host": await self._database.run(work, writing=False)})

    @answered
    async def _change_host(self, request: Request) -> Response:
        self._access.require_shared(request)
        key, now = request.path_params["key"], self._clock.now()
        verbs: dict[str, Callable[[Transaction], None]] = {
            "drain": partial(self._hosts.drain, key=key),
            "enable": partial(self._hosts.enable, key=key),
            "disable": partial(self._hosts.disable, key=key),
            "forget": partial(self._hosts.forget, key=key, now=now, force=request.query_params.get("force") == "true"),
        }
        work = verbs.get(request.path_params["verb"])
        if work is None:
            raise NotFound("A host is drained, enabled, disabled or forgotten.")
        if request.query_params.get("dry_run") == "true":
            return _json({"host": await self._tried(work, key, request.path_params["verb"])})
        await self._database.run(work, writing=True)
        return Response(status_code=204)

    async def _tried(self, work: Callable[[Transaction], None], key: str, verb: str) -> Any:
        """Change a host and roll that back; return it as it would be, None where it would be gone."""

        def tried(transaction: Transaction) -> None:
            host = self._hosts.find(transaction, key)
            work(transaction)
            after = None if verb == "forget" else self._hosts.find(transaction, host.id)
            shown = None if after is None else self._hosts.shown(transaction, [after], self._clock.now())[0]
            raise RolledBack(Reply(body=shown))

        try:
            await self._database.run(tried, writing=True)
        except RolledBack as dry_run:
            return dry_run.reply.body

    @answered
    async def _invite(self, request: Request) -> Response:
        self._access.require_shared(request)
        try:
            asked = msgspec.json.decode(await request.body(), type=_Invitation)
        except msgspec.DecodeError as error:
            raise Invalid(f"This is not an invitation: {error}.") from None
        now = self._clock.now()
        work = partial(self._hosts.invite, now=now, url=asked.url, zone=asked.zone)
        return _json({"invitation": await self._database.run(work, writing=True)})


def _json(body: object) -> Response:
    return Response(_encoder.encode(body), media_type="application/json")
