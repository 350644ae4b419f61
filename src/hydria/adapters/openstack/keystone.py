"""A Keystone elsewhere as the identity service: tokens are validated over HTTP, in threads, and cached."""

import asyncio
import ssl
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from typing import Annotated

import msgspec
import structlog
from keystoneauth1 import exceptions
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from msgspec import Meta, Struct

from hydria.errors import SettingsError, Unavailable
from hydria.model.caller import Caller
from hydria.protocols import Clock
from hydria.settings import KeystoneSettings

log = structlog.get_logger(__name__)

# Requests to Keystone at once.
_WIDTH = 8
# How many tokens are cached.
_CACHED = 10_000
# The longest token that Keystone is asked about (characters).
_LONGEST = 4096
# After a failed connection, requests are refused at once for this long (seconds), instead of waiting again.
_PAUSE = 2.0


class KeystoneIdentity:
    """Implements `hydria.http.operation.Authenticator`.

    An answer of Keystone is used for `cache_seconds`, and never longer than the token is valid.
    """

    def __init__(self, settings: KeystoneSettings, clock: Clock) -> None:
        """The settings must have an `auth_url`. No request is sent yet. Raises SettingsError for a bad `cafile`."""
        url = (settings.auth_url or "").rstrip("/").removesuffix("/v3") + "/v3"
        self._tokens = f"{url}/auth/tokens?nocatalog"
        self._user = settings.username
        login = Password(
            auth_url=url,
            username=settings.username,
            password=settings.password or "",
            user_domain_id=settings.user_domain_id,
            project_name=settings.project_name,
            project_domain_id=settings.project_domain_id,
            include_catalog=False,
        )
        self._session = Session(login, verify=trust(settings), timeout=settings.timeout_seconds, app_name="hydria")
        self._cache_seconds = settings.cache_seconds
        self._clock = clock
        self._cache: OrderedDict[bytes, _CachedCaller] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[_CachedCaller]] = {}
        self._threads = ThreadPoolExecutor(_WIDTH, thread_name_prefix="hydria-keystone")
        self._trouble = _Trouble(clock)
        self._login = threading.Lock()

    async def prepare(self, token: str) -> Caller | None:
        """Return the token's caller, or None when the token is unknown or has expired. Raises Unavailable."""
        key = sha256(token.encode("utf-8", "surrogateescape")).digest()
        cached = self._cache.get(key)
        if cached is None or cached.until <= self._clock.monotonic():
            cached = await self._validate(key, token)
        return cached.caller

    def resolve(self, transaction: object, prepared: Caller | None) -> Caller | None:
        """Return the caller that `prepare` found: the database has nothing to add."""
        return prepared

    async def _validate(self, key: bytes, token: str) -> "_CachedCaller":
        if not (token.isascii() and token.isprintable() and " " not in token and len(token) <= _LONGEST):
            return _CachedCaller(caller=None, until=0)
        running = self._running.get(key)
        if running is None:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, token)
            self._running[key] = running
            running.add_done_callback(lambda done: self._keep(key, done))
        # Shielded: a cancelled request must not cancel the answer for others that wait for it.
        return await asyncio.shield(running)

    def _keep(self, key: bytes, done: "asyncio.Future[_CachedCaller]") -> None:
        del self._running[key]
        if done.cancelled() or done.exception() is not None:
            return
        self._cache[key] = done.result()
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)

    def _ask(self, token: str) -> "_CachedCaller":
        """Ask Keystone, in a thread. Raises Unavailable."""
        try:
            status, content = self._get_token(token)
        except exceptions.ConnectionError as error:
            raise self._trouble.begins("cannot be reached", error, _PAUSE) from error
        except exceptions.Unauthorized as error:
            raise self._trouble.begins(f"does not let Hydria in as {self._user}", error, _PAUSE) from error
        except exceptions.ClientException as error:
            raise self._trouble.begins("does not work", error, _PAUSE) from error
        if status == 403:
            raise self._trouble.begins(f"lets {self._user} validate no tokens; give it the role service", status)
        if status not in (200, 401, 404):
            raise self._trouble.begins("does not work", status)
        try:
            found = msgspec.json.decode(content, type=_Answer).token if status == 200 else None
        except msgspec.DecodeError as error:
            raise self._trouble.begins("answers with something that is no token", error) from error
        self._trouble.ends()
        return self._cached_caller(found)

    def _get_token(self, token: str) -> tuple[int, bytes]:
        """Return the status and body of Keystone's answer. Try once more when the connection times out."""
        for last in (False, True):
            try:
                # One login at a time, so that only the first thread waits for a Keystone that is unreachable.
                with self._login:
                    self._trouble.raise_if_recent()
                    self._session.get_auth_headers()
                headers = {"X-Subject-Token": token, "Accept": "application/json"}
                answer = self._session.get(self._tokens, headers=headers, raise_exc=False, log=False, redirect=False)
                return answer.status_code, answer.content
            except exceptions.ConnectTimeout:
                if last:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _cached_caller(self, token: "_Token | None") -> "_CachedCaller":
        now = self._clock.monotonic()
        if token is None:
            return _CachedCaller(caller=None, until=now + self._cache_seconds)
        left = (token.expires_at - self._clock.now()).total_seconds()
        caller = token.caller() if left > 0 else None
        return _CachedCaller(caller=caller, until=now + min(self._cache_seconds, max(left, 0)))


class _CachedCaller(Struct, frozen=True, kw_only=True):
    """The caller of a token, None for a token that is not valid. `until` is a time of the clock's `monotonic`."""

    caller: Caller | None
    until: float


class _Trouble:
    """The last failure of Keystone. It is logged when it changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._what: str | None = None
        self._recent_until = 0.0

    def begins(self, what: str, why: object, pause: float = 0) -> Unavailable:
        """Record a failure and return its refusal; `raise_if_recent` raises it for `pause` seconds.

        `what` completes the sentence "Keystone …", `why` is for the log.
        """
        if what != self._what:
            log.error("keystone_fails", what=f"Keystone {what}.", why=str(why))
        self._what = what
        self._recent_until = self._clock.monotonic() + pause
        return self._refusal()

    def raise_if_recent(self) -> None:
        """Raise Unavailable during the pause after a failure."""
        if self._clock.monotonic() < self._recent_until:
            raise self._refusal()

    def ends(self) -> None:
        """Record that Keystone works."""
        if self._what is not None:
            log.info("keystone_works")
        self._what, self._recent_until = None, 0.0

    def _refusal(self) -> Unavailable:
        return Unavailable(f"Tokens cannot be validated: Keystone {self._what}. Please try again.")


class _Named(Struct):
    id: str
    name: str = ""


class _Role(Struct):
    name: str


class _Token(Struct):
    """Keystone's answer about a token, with the fields that are used here."""

    user: _Named
    expires_at: Annotated[datetime, Meta(tz=True)]
    project: _Named | None = None
    roles: list[_Role] = []

    def caller(self) -> Caller:
        """Return the token's caller. Roles of a domain or system scope are ignored, as in Octavia."""
        if self.project is None:
            return Caller(user_id=self.user.id, user_name=self.user.name)
        return Caller(
            user_id=self.user.id,
            user_name=self.user.name,
            project_id=self.project.id,
            project_name=self.project.name,
            roles=frozenset(role.name for role in self.roles),
        )


class _Answer(Struct):
    token: _Token


def trust(settings: KeystoneSettings) -> bool | str:
    """Return the argument `verify` of `requests`. Raises SettingsError for a bad `cafile`."""
    if settings.insecure:
        return False
    if settings.cafile is None:
        return True
    try:
        ssl.create_default_context(cafile=settings.cafile)
    except OSError as error:
        raise SettingsError(f"keystone.cafile: {settings.cafile} cannot be read as certificates: {error}") from None
    return str(settings.cafile)
