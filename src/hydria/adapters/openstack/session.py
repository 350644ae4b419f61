"""Requests to a service of an OpenStack, as the user of the settings `[keystone]`. For an event loop."""

import asyncio
import ssl
from datetime import datetime
from typing import Any

import httpx
import msgspec
import structlog
from msgspec import Struct

from hydria.backoff import Backoff
from hydria.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, SettingsError, TooMany, Unavailable
from hydria.protocols import Clock
from hydria.settings import KeystoneSettings

log = structlog.get_logger(__name__)

# A token is renewed so long before it expires (seconds).
_EARLY = 300.0
# How many failures in a row open the circuit, and how long it stays open (seconds): longer each time.
_FAILURES = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 15.0
# Requests at once, and how long one waits for its turn (seconds).
_WIDTH = 16
_UNAVAILABLE_FROM = 500

_REFUSALS: dict[int, type[Refusal]] = {400: Invalid, 403: Forbidden, 404: NotFound, 409: Conflict, 413: Conflict}


class Service:
    """One service of the catalogue. Its refusals are raised with its own words.

    While the service does not answer, requests are refused at once for some seconds (the circuit is open).
    """

    def __init__(
        self, settings: KeystoneSettings, clock: Clock, *, kind: str, name: str, url: str | None, timeout: float
    ) -> None:
        """`kind` is the type in the catalogue, `name` is for sentences, `url` replaces the catalogue's.

        Raises SettingsError for a bad `cafile`.
        """
        self._settings = settings
        self._clock = clock
        self._kind, self._name = kind, name
        self._fixed_url = url
        self._timeout = timeout
        self._verify = ssl_trust(settings)
        self._http: httpx.AsyncClient | None = None
        self._login = asyncio.Lock()
        self._width = asyncio.Semaphore(_WIDTH)
        self._token: _Token | None = None
        self._failures = 0
        self._refused_until = 0.0
        self._pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        # How many requests were sent, for tests and figures.
        self.sent = 0

    async def get(self, path: str, **query: Any) -> Any:
        """Return the body of an answer. Raises a Refusal."""
        return await self.call("GET", path, query=query)

    async def call(
        self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None, *, version: str = ""
    ) -> Any:
        """Send a request and return the body of its answer, None without one. Raises a Refusal.

        `version` is the microversion of the API; the oldest one without.
        """
        content = await self._content(_Request(method=method, path=path, body=body, query=query, version=version))
        return msgspec.json.decode(content) if content else None

    async def get_as(self, token: str, path: str) -> Any:
        """Return what a user sees with this token. Raises a Refusal, which is Forbidden for a token that is refused."""
        return msgspec.json.decode(await self._content(_Request(path=path, token=token)))

    async def call_as(self, token: str, method: str, path: str, body: Any) -> Any:
        """Send a request of a user; return the body of its answer, None without one. Raises as `get_as`."""
        content = await self._content(_Request(method=method, path=path, body=body, token=token))
        return msgspec.json.decode(content) if content else None

    async def download(self, path: str, content_type: str) -> bytes:
        """Return the bytes of an answer of this content type. Raises a Refusal."""
        return await self._content(_Request(path=path, accept=content_type))

    async def project_id(self) -> str:
        """Return the project of Hydria's own user. Raises Unavailable."""
        return (await self.login()).project.id

    async def login(self) -> "Login":
        """Return what Keystone says about Hydria's own user: project, roles, catalogue. Raises Unavailable."""
        try:
            return (await self._current_token()).login
        except httpx.HTTPError as error:
            raise self._failed("cannot be used: Keystone does not answer", error) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # --- sending ---

    async def _content(self, request: "_Request") -> bytes:
        async with self._width:
            self._raise_if_open()
            try:
                answer = await self._send(request)
            except httpx.HTTPError as error:
                raise self._failed("cannot be reached" if _not_sent(error) else "does not answer", error) from error
        if answer.status_code >= _UNAVAILABLE_FROM:
            raise self._failed(f"fails ({answer.status_code})", answer.text[:500])
        self._works()
        if answer.is_success:
            return answer.content
        if request.token is not None and answer.status_code == httpx.codes.UNAUTHORIZED:
            raise Forbidden(f"{self._name} does not accept the token of the request.")
        raise self._refusal(answer)

    async def _send(self, request: "_Request") -> httpx.Response:
        """Send a request; once more with a new token when Hydria's own is not valid any more."""
        for last in (False, True):
            token = await self._current_token()
            headers = {"X-Auth-Token": token.text if request.token is None else request.token, "Accept": request.accept}
            if request.version:
                headers["OpenStack-API-Version"] = f"{self._kind} {request.version}"
            answer = await self._attempt(request.method, token.url + request.path, request.body, request.query, headers)
            if answer.status_code != httpx.codes.UNAUTHORIZED or last or request.token is not None:
                return answer
            self._token = None
        raise AssertionError("the last attempt returns")

    async def _attempt(
        self, method: str, url: str, body: Any, query: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response:
        """Send a request; once more when no connection was made, and then nothing was done."""
        for last in (False, True):
            self.sent += 1
            try:
                return await self._client().request(method, url, json=body, params=query, headers=headers)
            except httpx.HTTPError as error:
                if last or not (_not_sent(error) or method == "GET") or isinstance(error, httpx.TimeoutException):
                    raise
                await asyncio.sleep(Backoff(0.2, 0.2).next())
        raise AssertionError("the last attempt returns or raises")

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(trust_env=False, timeout=self._timeout, verify=self._verify)
        return self._http

    async def _current_token(self) -> "_Token":
        async with self._login:
            if self._token is None or self._token.until <= self._clock.monotonic():
                self._token = await self._log_in()
            return self._token

    async def _log_in(self) -> "_Token":
        chosen = self._settings
        user = {"name": chosen.username, "password": chosen.password or "", "domain": {"id": chosen.user_domain_id}}
        scope = {"project": {"name": chosen.project_name, "domain": {"id": chosen.project_domain_id}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        url = (chosen.auth_url or "").rstrip("/").removesuffix("/v3") + "/v3/auth/tokens"
        body = {"auth": {"identity": identity, "scope": scope}}
        answer = await self._attempt("POST", url, body, None, {"Accept": "application/json"})
        if answer.status_code != httpx.codes.CREATED:
            reason = f"Keystone does not let {chosen.username} in ({answer.status_code})"
            raise self._failed(f"cannot be used: {reason}", answer.text[:500])
        found = msgspec.json.decode(answer.content, type=_Answer).token
        left = (found.expires_at - self._clock.now()).total_seconds() - _EARLY
        return _Token(
            text=answer.headers["x-subject-token"],
            url=self._endpoint(found),
            until=self._clock.monotonic() + max(left, 1.0),
            login=found,
        )

    def _endpoint(self, login: "Login") -> str:
        if self._fixed_url is not None:
            return self._fixed_url.rstrip("/")
        found = login.url(self._kind, self._settings.region)
        if found is None:
            raise Unavailable(f"Keystone's catalogue has no {self._name}. Add its endpoint there.")
        return found

    # --- failures ---

    def _raise_if_open(self) -> None:
        if self._clock.monotonic() < self._refused_until:
            raise self._unavailable("does not answer")

    def _failed(self, what: str, why: object) -> Unavailable:
        self._failures += 1
        if self._failures == 1:
            log.warning("service_fails", service=self._name, what=what, why=str(why) or repr(why))
        if self._failures >= _FAILURES:
            self._refused_until = self._clock.monotonic() + self._pauses.next()
        return self._unavailable(what)

    def _works(self) -> None:
        if self._failures:
            log.info("service_works", service=self._name)
        self._failures = 0
        self._pauses.reset()

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(f"{self._name} {what}. Please try again.")

    def _refusal(self, answer: httpx.Response) -> Refusal:
        message = _message(answer) or f"{self._name} refuses the request ({answer.status_code})."
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return TooMany(message, 5)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return self._unavailable(f"does not accept the token of {self._settings.username}")
        return _REFUSALS.get(answer.status_code, Invalid)(message)


class _Request(Struct, frozen=True, kw_only=True):
    """A request to the service, with Hydria's own token or with that of a user."""

    method: str = "GET"
    path: str
    body: Any = None
    query: dict[str, Any] | None = None
    accept: str = "application/json"
    token: str | None = None
    version: str = ""


class Place(Struct):
    """An endpoint in the catalogue."""

    interface: str
    url: str
    region_id: str = ""


class Entry(Struct):
    """A service in the catalogue."""

    type: str
    name: str = ""
    endpoints: list[Place] = []


class _Project(Struct):
    id: str


class _User(Struct, frozen=True):
    id: str


class _Role(Struct):
    name: str


class Login(Struct):
    """Keystone's answer to the login of Hydria's own user."""

    expires_at: datetime
    project: _Project
    user: _User = _User(id="")
    roles: list[_Role] = []
    catalog: list[Entry] = []

    def url(self, kind: str, region: str | None) -> str | None:
        """Return the URL of a type of service, without a trailing slash: internal before public. None without one."""
        places = [place for each in self.catalog if each.type == kind for place in each.endpoints]
        for interface in ("internal", "public"):
            for place in places:
                if place.interface == interface and region in (None, place.region_id):
                    return place.url.rstrip("/")
        return None


class _Token(Struct, frozen=True):
    """A token with the URL of the service; `until` is a time of the clock's `monotonic`."""

    text: str
    url: str
    until: float
    login: Login


class _Answer(Struct):
    token: Login


def _not_sent(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _message(answer: httpx.Response) -> str:
    """Return the sentence of a fault: `NeutronError.message`, Barbican's `description`, or another service's."""
    try:
        body = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return ""
    if isinstance(body, dict) and isinstance(body.get("description"), str):
        return str(body["description"])
    for fault in body.values() if isinstance(body, dict) else ():
        if isinstance(fault, dict) and "message" in fault:
            return str(fault["message"])
        if isinstance(fault, str):
            return fault
    return ""


def ssl_trust(settings: KeystoneSettings) -> ssl.SSLContext | bool:
    """Return the argument `verify` of httpx. Raises SettingsError for a bad `cafile`."""
    if settings.insecure:
        return False
    try:
        return ssl.create_default_context(cafile=None if settings.cafile is None else str(settings.cafile))
    except OSError as error:
        raise SettingsError(f"keystone.cafile: {settings.cafile} cannot be read as certificates: {error}") from None
