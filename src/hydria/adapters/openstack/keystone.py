"""A real Keystone as the identity service: tokens are looked at over HTTP, in threads, and remembered for a while."""

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
from hydria.protocols import Caller, Clock
from hydria.settings import KeystoneSettings

log = structlog.get_logger(__name__)

# Questions at once.
_WIDTH = 8
# How many tokens are remembered.
_REMEMBERED = 10_000
# The longest token that is asked about (characters).
_LONGEST = 4096
# How long nobody waits again for a Keystone that was just away (seconds).
_PAUSE = 2.0


class KeystoneIdentity:
    """Says whose a token is. What Keystone answers counts for `cache_seconds`, and never longer than the token."""

    def __init__(self, settings: KeystoneSettings, clock: Clock) -> None:
        """Ask nothing yet. The settings have an `auth_url`. Raises SettingsError for a bad `cafile`."""
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
        self._session = Session(login, verify=_trust(settings), timeout=settings.timeout_seconds, app_name="hydria")
        self._cache_seconds = settings.cache_seconds
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asked: dict[bytes, asyncio.Future[_Known]] = {}
        self._threads = ThreadPoolExecutor(_WIDTH, thread_name_prefix="hydria-keystone")
        self._trouble = _Trouble(clock)
        self._login = threading.Lock()

    async def prepare(self, token: str) -> Caller | None:
        """Return whose token this is, or None when Keystone does not know it, or not any more. Raises Unavailable."""
        key = sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._known.get(key)
        if known is None or known.until <= self._clock.monotonic():
            known = await self._learn(key, token)
        return known.caller

    def resolve(self, transaction: object, prepared: Caller | None) -> Caller | None:
        """Return what `prepare` learned: the database knows nothing of these tokens."""
        return prepared

    async def _learn(self, key: bytes, token: str) -> "_Known":
        if not (token.isascii() and token.isprintable() and " " not in token and len(token) <= _LONGEST):
            return _Known(caller=None, until=0)
        asked = self._asked.get(key)
        if asked is None:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, token)
            self._asked[key] = asked
            asked.add_done_callback(lambda done: self._keep(key, done))
        # Who gives up does not take the answer from others who wait for it.
        return await asyncio.shield(asked)

    def _keep(self, key: bytes, done: "asyncio.Future[_Known]") -> None:
        del self._asked[key]
        if done.cancelled() or done.exception() is not None:
            return
        self._known[key] = done.result()
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _ask(self, token: str) -> "_Known":
        """Ask Keystone, in a thread. Raises Unavailable."""
        try:
            status, content = self._asked_twice(token)
        except exceptions.ConnectionError as error:
            raise self._trouble.begins("cannot be reached", error, _PAUSE) from error
        except exceptions.Unauthorized as error:
            raise self._trouble.begins(f"does not let Hydria in as {self._user}", error, _PAUSE) from error
        except exceptions.ClientException as error:
            raise self._trouble.begins("does not work", error, _PAUSE) from error
        if status == 403:
            raise self._trouble.begins(f"lets {self._user} look at no tokens; give it the role service", status)
        if status not in (200, 401, 404):
            raise self._trouble.begins("does not work", status)
        try:
            found = msgspec.json.decode(content, type=_Answer).token if status == 200 else None
        except msgspec.DecodeError as error:
            raise self._trouble.begins("answers with something that is no token", error) from error
        self._trouble.ends()
        return self._worth(found)

    def _asked_twice(self, token: str) -> tuple[int, bytes]:
        """Return the status and the body of Keystone's answer; one that is not in time is asked for once more."""
        for last in (False, True):
            try:
                # One after the other, so that only the first waits for a Keystone that is away.
                with self._login:
                    self._trouble.again()
                    self._session.get_auth_headers()
                headers = {"X-Subject-Token": token, "Accept": "application/json"}
                answer = self._session.get(self._tokens, headers=headers, raise_exc=False, log=False, redirect=False)
                return answer.status_code, answer.content
            except exceptions.ConnectTimeout:
                if last:
                    raise
        raise AssertionError("the last time returns or raises")

    def _worth(self, token: "_Token | None") -> "_Known":
        now = self._clock.monotonic()
        if token is None:
            return _Known(caller=None, until=now + self._cache_seconds)
        left = (token.expires_at - self._clock.now()).total_seconds()
        caller = token.owner() if left > 0 else None
        return _Known(caller=caller, until=now + min(self._cache_seconds, max(left, 0)))


class _Known(Struct, frozen=True, kw_only=True):
    """What counts as an answer until a moment of the clock's `monotonic`."""

    caller: Caller | None
    until: float


class _Trouble:
    """What is wrong with Keystone: logged when it changes, and told at once while it is fresh."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._what: str | None = None
        self._fresh_until = 0.0

    def begins(self, what: str, why: object, pause: float = 0) -> Unavailable:
        """Note what Keystone does, and why as the log shows it; nobody asks for `pause` seconds."""
        if what != self._what:
            log.error("keystone_fails", what=f"Keystone {what}.", why=str(why))
        self._what = what
        self._fresh_until = self._clock.monotonic() + pause
        return self._refusal()

    def again(self) -> None:
        """Raise Unavailable when Keystone was just away."""
        if self._clock.monotonic() < self._fresh_until:
            raise self._refusal()

    def ends(self) -> None:
        """Note that Keystone works."""
        if self._what is not None:
            log.info("keystone_works")
        self._what, self._fresh_until = None, 0.0

    def _refusal(self) -> Unavailable:
        return Unavailable(f"Nobody's token can be checked: Keystone {self._what}. Please try again.")


class _Named(Struct):
    id: str
    name: str = ""


class _Role(Struct):
    name: str


class _Token(Struct):
    """What Keystone says of a token, as far as it matters here."""

    user: _Named
    expires_at: Annotated[datetime, Meta(tz=True)]
    project: _Named | None = None
    roles: list[_Role] = []

    def owner(self) -> Caller:
        """Return who has it. Roles count in a project only: Octavia lets nobody in by a domain's or the system's."""
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


def _trust(settings: KeystoneSettings) -> bool | str:
    """Return what `requests` calls verify."""
    if settings.insecure:
        return False
    if settings.cafile is None:
        return True
    try:
        ssl.create_default_context(cafile=settings.cafile)
    except OSError as error:
        raise SettingsError(f"keystone.cafile: {settings.cafile} cannot be read as certificates: {error}") from None
    return str(settings.cafile)
