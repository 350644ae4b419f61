"""The dispatcher: every request of every API goes through it."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from msgspec import structs
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hydria.errors import Invalid, NotAcceptable, NotAllowed, NotFound, Refusal, TooLarge, Unauthenticated
from hydria.http.accept import takes_json
from hydria.http.dry_run import RolledBack, is_dry, log_fields, roll_back
from hydria.http.metrics import HttpMetrics, Meter, now
from hydria.http.operation import (
    Authenticator,
    Authorisation,
    Call,
    Dialect,
    Mount,
    Operation,
    Preparation,
    Query,
    Reply,
)
from hydria.http.outside import Asker, Outside, run_with_answers
from hydria.http.preconditions import check_if_match
from hydria.http.text import has_nul
from hydria.model.caller import Caller
from hydria.protocols import Clock
from hydria.store import Author, Database, Transaction

log = structlog.get_logger(__name__)

_json = msgspec.json.Encoder()

# Every path takes all of them: a method that it does not have is refused in its own dialect.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Dispatcher:
    """Turns operations into routes, which authenticate, decode, prepare, transact and encode."""

    def __init__(
        self,
        database: Database,
        *,
        authenticator: Authenticator,
        authorisation: Authorisation,
        clock: Clock,
        max_body: int,
        public_url: str | None = None,
    ) -> None:
        """`max_body` is in bytes. `public_url` is this server's address for clients; None takes the request's."""
        self._database = database
        self._authenticator = authenticator
        self._authorisation = authorisation
        self._clock = clock
        self._max_body = max_body
        self._public_url = public_url
        # Answers the questions of transactions to services elsewhere; None where there are none.
        self.outside: Outside | None = None

    def routes(self, mount: Mount, measures: HttpMetrics | None = None) -> list[Route]:
        """Return the routes of a mount, one for each path; a method that a path does not have is answered, too."""
        measures = measures or HttpMetrics()
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in mount.operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        # Paths without names come first: ports/{id} must not take ports/search.
        ordered = sorted(by_path.items(), key=lambda item: item[0].count("{"))
        return [
            Route(path, _Endpoint(self, mount, operations, measures.meter(path)), methods=_METHODS)
            for prefix in mount.prefixes
            for path, operations in ((prefix + path, operations) for path, operations in ordered)
        ]

    async def answer(self, request: Request, operations: Mapping[str, Operation], mount: Mount) -> Response:
        """Answer one request for a path; `operations` is by method. Raises nothing but ClientDisconnect."""
        request_id = _new_id()
        # Every line that is logged meanwhile has the id.
        with structlog.contextvars.bound_contextvars(request_id=request_id, **log_fields(request.headers)):
            status, body, headers = await self._outcome(request, operations, mount, request_id)
        if status == 405:
            headers["Allow"] = ", ".join(operations)
        return _response(status, body, headers, request_id)

    async def _outcome(
        self, request: Request, operations: Mapping[str, Operation], mount: Mount, request_id: str
    ) -> tuple[int, Any, dict[str, str]]:
        dialect: Dialect = mount.dialect
        try:
            operation = _chosen(operations, request.method)
            reply = await self._answer(request, operation, mount, request_id)
        except Refusal as refusal:
            body, headers = dialect.fault(refusal)
            return refusal.status, body, {**headers, **refusal.headers}
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request_failed", method=request.method, path=request.scope["path"])
            return 500, dialect.failure(request_id), {}
        tag = {} if reply.tag is None else {"ETag": f'"{reply.tag}"'}
        return reply.status or operation.status, reply.body, {**tag, **reply.headers}

    async def _answer(self, request: Request, operation: Operation, mount: Mount, request_id: str) -> Reply:
        dialect: Dialect = mount.dialect
        raw = await self._body(request)
        query = Query(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
        path = request.scope["path"]
        _check_characters(path, query)
        dry = is_dry(request.headers, operation, mount.planner)
        token = "" if operation.open else request.headers.get("x-auth-token")
        known = await self._authenticator.prepare(token) if token else None

        def decoded() -> Any:
            return dialect.decode(raw, operation) if operation.form is not None else None

        def resolve(transaction: Transaction) -> Caller | None:
            if operation.open:
                return None
            caller = self._authenticator.resolve(transaction, known) if token else None
            if caller is None:
                raise Unauthenticated("The request you have made requires authentication.")
            return caller

        prepared = None
        if operation.prepare is not None:
            # The transaction resolves the caller again, so that it decides by its own reads.
            caller = None if operation.open else await self._read(resolve)
            preparation = self._preparation(request, operation, query, decoded(), caller)
            prepared = await operation.prepare(structs.replace(preparation, dry_run=dry))

        def answer(transaction: Transaction, caller: Caller | None) -> Any:
            transaction.author = _author(operation, caller, request_id, self._clock.now())
            call = Call(
                operation,
                transaction=transaction,
                path=request.path_params,
                query=query,
                headers=request.headers,
                form=decoded(),
                caller=caller,
                prepared=prepared,
                now=self._clock.now(),
                base_url=lambda: self._public_url or str(request.base_url).rstrip("/"),
                url_path=path,
                authorisation=self._authorisation,
            )
            return _work(call)

        def work(transaction: Transaction) -> Any:
            caller = resolve(transaction)
            _check_accept(request, operation, dialect)
            transaction.dry_run = dry
            try:
                return _finished(transaction, answer(transaction, caller), mount)
            except Refusal:
                # A path that leads nowhere is refused as such, whatever else is wrong.
                if operation.check_path is not None:
                    operation.check_path(transaction, request.path_params)
                raise

        return await self._run(work, operation, token or "")

    async def _run(self, work: Callable[[Transaction], Any], operation: Operation, token: str) -> Reply:
        try:
            result = await self._transact(work, operation, token)
        except RolledBack as dry_run:
            return dry_run.reply
        return result if isinstance(result, Reply) else Reply(body=result)

    async def _transact(self, work: Callable[[Transaction], Any], operation: Operation, token: str) -> Any:
        writing, single = operation.writing, operation.single
        if self.outside is None:
            return await self._database.run(work, writing=writing, single=single)
        asker = Asker(self.outside, token)
        return await run_with_answers(self._database, asker, work, writing=writing, single=single)

    def _preparation(
        self, request: Request, operation: Operation, query: Query, form: Any, caller: Caller | None
    ) -> Preparation:
        return Preparation(
            operation=operation,
            path=request.path_params,
            query=query,
            headers=request.headers,
            form=form,
            caller=caller,
            source=request.client.host if request.client is not None else "",
            now=self._clock.now(),
            read=self._read,
        )

    async def _read(self, work: Callable[[Transaction], Any]) -> Any:
        return await self._database.run(work, writing=False, single=True)

    async def _body(self, request: Request) -> bytes:
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._max_body:
                raise TooLarge(f"Request is too large: at most {self._max_body} bytes are read.")
            chunks.append(chunk)
        return b"".join(chunks)


class _Endpoint:
    """ASGI endpoint of one path. It is a class because Starlette wraps functions in exception handlers, to no use."""

    def __init__(
        self, dispatcher: Dispatcher, mount: Mount, operations: Mapping[str, Operation], answered: Meter
    ) -> None:
        self._dispatcher = dispatcher
        self._mount = mount
        self._operations = operations
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = now()
        request = Request(scope, receive)
        try:
            response = await self._dispatcher.answer(request, self._operations, self._mount)
        except ClientDisconnect:
            return
        self._answered(request.method, response.status_code, begun)
        await response(scope, receive, send)


def nothing_here(dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that answers 404 in a dialect."""

    async def endpoint(_: Request) -> Response:
        body, headers = dialect.fault(NotFound("The resource could not be found."))
        return _response(404, body, headers, _new_id())

    return endpoint


def _chosen(operations: Mapping[str, Operation], method: str) -> Operation:
    operation = operations.get(method)
    if operation is None and method == "HEAD":
        operation = operations.get("GET")
    if operation is None:
        raise NotAllowed(f"The method {method} is not allowed for this resource.")
    return operation


def _work(call: Call) -> Any:
    operation, wanted = call.operation, call.headers.get("if-match")
    if operation.tag is not None and wanted is not None:
        # In the transaction of the change, so that nothing comes between.
        check_if_match(wanted, operation.tag(call))
    return operation.work(call)


def _finished(transaction: Transaction, result: Any, mount: Mount) -> Any:
    """Return the result of a call, or end a dry run."""
    if transaction.dry_run and mount.planner is not None:
        roll_back(transaction, result, mount.planner)
    return result


def _author(operation: Operation, caller: Caller | None, request_id: str, now: datetime) -> Author | None:
    if caller is None:
        return None
    return Author(
        user_id=caller.user_id,
        project_id=caller.project_id,
        request_id=request_id,
        cause=f"{operation.method} {operation.path}",
        at=now,
    )


def _check_accept(request: Request, operation: Operation, dialect: Dialect) -> None:
    """Refuse a request whose `Accept` excludes JSON where the API answers nothing else. Raises NotAcceptable."""
    if dialect.json_only and not operation.any_media and not takes_json(request.headers.get("accept")):
        raise NotAcceptable("Only content type application/json is accepted.")


def _check_characters(path: str, query: Query) -> None:
    """Refuse NUL, which PostgreSQL can neither store nor compare. Raises Invalid."""
    if has_nul([path, *(part for pair in query.pairs for part in pair)]):
        raise Invalid("The address has a character that nothing is stored with: NUL.")


def _new_id() -> str:
    return f"req-{uuid.uuid4()}"


def _response(status: int, body: Any, headers: dict[str, str], request_id: str) -> Response:
    named = {**headers, "x-openstack-request-id": request_id}
    if isinstance(body, bytes):
        return Response(body, status, named)
    content = b"" if body is None else _json.encode(body)
    return Response(content, status, named, "application/json" if content else None)
