"""Passwords and secrets: argon2id hashes that take about 20 ms, which is acceptable for each login.

They are computed in a thread and never inside a transaction. argon2 releases the GIL, so that
the event loop continues.
"""

import asyncio
import base64
import collections
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import argon2
import structlog
from msgspec import Struct
from prometheus_client import Counter

from hydria.errors import TooMany
from hydria.homecloud.identity.limits import Attempt, Limits, network_of

log = structlog.get_logger(__name__)

R = TypeVar("R")

# OWASP's smallest advice for argon2id: 19 MiB, two passes.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# The hash that is checked for unknown users, so that their logins take as long as those of known users.
_NOBODY = _hasher.hash(secrets.token_bytes(16))

# Concurrent hashes: one, which leaves the other processors of a small machine to traffic.
_AT_ONCE = 1
# How many logins may wait for it, and how many of one source: some 20 ms each.
_WAITING, _WAITING_OF_SOURCE = 128, 64
# How many correct passwords are cached.
_REMEMBERED = 1024
# The length (characters) from which a cached password cannot be guessed, however often it is tried.
_LONG = 16


class Checked(Struct, frozen=True, kw_only=True):
    """The hash that a password was correct for."""

    kept: str


class Passwords:
    """Hashes passwords and checks them.

    A correct password is cached as a digest under a key that only this process has. So frequent logins
    need no second hash, and a correct password is recognised while wrong ones have to wait.
    """

    def __init__(self, wrong_per_minute: int, monotonic: Callable[[], float]) -> None:
        """`wrong_per_minute` is how many wrong passwords one source may try for one user."""
        self.refused = Counter(
            "hydria_passwords_refused",
            "Passwords and secrets that were wrong, or not checked because there were too many wrong ones or too many"
            " were waiting.",
            ("reason",),
            registry=None,
        )
        self._limits = Limits(wrong_per_minute, monotonic)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hydria-passwords")
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[tuple[bytes, Attempt], asyncio.Task[bool]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting: collections.Counter[str] = collections.Counter()
        self._full = False

    async def hashed(self, password: str, source: str) -> str:
        """Return the hash of a password with its own salt. Raises TooMany while too many wait."""
        async with self._turn(source):
            return await self._aside(partial(hashed, password))

    async def check(self, password: str, kept: str | None, attempt: Attempt) -> Checked | None:
        """Return whether a password matches a hash; it takes as long when there is no hash.

        Raises TooMany after too many wrong ones, and while too many wait.
        """
        try:
            checked = await self._check(password, kept, attempt)
        except TooMany:
            self.refused.labels("limited").inc()
            raise
        if checked is None:
            self.refused.labels("wrong").inc()
        return checked

    async def _check(self, password: str, kept: str | None, attempt: Attempt) -> Checked | None:
        digest = self._digest(password, kept)
        known = digest in self._right
        if not (known and len(password) >= _LONG):
            self._limits.check(attempt, known=known)
        if known:
            self._right.move_to_end(digest)
        else:
            running = self._running.get((digest, attempt))
            if running is None:
                running = self._running[digest, attempt] = asyncio.create_task(self._verify(password, kept, attempt))
                running.add_done_callback(lambda _: self._running.pop((digest, attempt)))
            # A client that disconnects must not cancel the check for others that wait for it.
            if not await asyncio.shield(running):
                self._limits.wrong(attempt)
                return None
        if kept is None:
            return None
        self._remember(digest)
        self._limits.right(attempt)
        return Checked(kept=kept)

    def remember(self, password: str, kept: str) -> None:
        """Cache a password that is correct for a hash."""
        self._remember(self._digest(password, kept))

    async def _verify(self, password: str, kept: str | None, attempt: Attempt) -> bool:
        async with self._turn(attempt.source):
            # Others before it may have been wrong.
            self._limits.check(attempt, known=False)
            return await self._aside(partial(matches, password, kept))

    async def _aside(self, act: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    @asynccontextmanager
    async def _turn(self, source: str) -> AsyncIterator[None]:
        """Wait until no other password is hashed. Raises TooMany when too many wait already."""
        network = network_of(source)
        if self._waiting[network] >= _WAITING_OF_SOURCE or self._waiting.total() >= _WAITING:
            if not self._full:
                self._full = True
                log.warning("passwords_crowded", waiting=self._waiting.total(), source=source)
            raise TooMany("Too many passwords wait to be checked. Try again in 2 s.", 2)
        self._waiting[network] += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting[network] -= 1
            if not self._waiting[network]:
                del self._waiting[network]
            self._full = self._full and bool(self._waiting)

    def _digest(self, password: str, kept: str | None) -> bytes:
        text = _bytes(f"{kept or ''}\0{password}")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()

    def _remember(self, digest: bytes) -> None:
        self._right[digest] = None
        self._right.move_to_end(digest)
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)


def hashed(password: str) -> str:
    """Return the hash of a password with its own salt. Takes 20 ms: not for an event loop or a transaction."""
    return _hasher.hash(_bytes(password))


def matches(password: str, kept: str | None) -> bool:
    """Return whether a password matches a hash; it takes as long when there is no hash."""
    try:
        return _hasher.verify(kept or _NOBODY, _bytes(password)) and kept is not None
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    # JSON may have a lone surrogate, which must not fail here.
    return password.encode("utf-8", "surrogatepass")


def new_secret() -> str:
    """Return a secret of 64 random bytes in base64, as Keystone makes them."""
    return secrets.token_urlsafe(64)


def member_password(admin_password: str) -> str:
    """Return the first password of the user `demo`, derived from the admin's, which it does not reveal."""
    key = hashlib.scrypt(admin_password.encode(), salt=b"hydria demo", n=2**14, r=8, p=1, dklen=18)
    return base64.urlsafe_b64encode(key).decode()
