"""Limits of wrong passwords: by user and source address, by source, and by user from all sources."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

import structlog
from msgspec import Struct

from hydria.errors import TooMany

log = structlog.get_logger(__name__)

# Factors of the limit of a user from one source: for all users of a source, and for all sources of a user.
_SOURCE, _USER = 3, 5
# How many buckets of each sort are kept; the least recently used is dropped first.
_MOST = 4096
_MINUTE = 60.0
# The longest part of a user's name that the log shows (characters).
_SHOWN = 64


class Attempt(Struct, frozen=True, kw_only=True):
    """The user (known or not) whose password is tried, and the source address."""

    user: str
    source: str

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The buckets of the attempt: the pair, the source, the user."""
        source = network_of(self.source)
        return ("pair", self.user, source), ("source", source), ("user", self.user)


class _Bucket(Struct):
    """The attempts that are left at a moment."""

    left: float
    at: float
    logged: bool = False


class Limits:
    """Token buckets: `per_minute` wrong passwords at once for a user from a source, and so many more each minute."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._most = {"pair": per_minute, "source": per_minute * _SOURCE, "user": per_minute * _USER}
        self._monotonic = monotonic
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()

    def check(self, attempt: Attempt, *, known: bool) -> None:
        """Raise TooMany when an attempt must wait.

        A `known` password, one that was right before, is held back only by wrong ones from the same source for the
        same user, so that others cannot lock its user out.
        """
        for key in attempt.keys[: 1 if known else None]:
            bucket = self._bucket(key)
            if bucket is None or bucket.left >= 1:
                continue
            seconds = int((1 - bucket.left) * _MINUTE / self._most[key[0]]) + 1
            if not bucket.logged:
                bucket.logged = True
                log.warning("passwords_limited", by=key[0], user=attempt.user[:_SHOWN], source=attempt.source)
            raise TooMany(f"There were too many wrong passwords. Try again in {seconds} s.", seconds)

    def wrong(self, attempt: Attempt) -> None:
        """Count a wrong password."""
        for key in attempt.keys:
            bucket = self._bucket(key)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(left=self._most[key[0]], at=self._monotonic())
                if len(self._buckets) > _MOST:
                    self._buckets.popitem(last=False)
            bucket.left = max(0.0, bucket.left - 1)

    def right(self, attempt: Attempt) -> None:
        """Forget the wrong passwords of this user from this source; others' attempts stay counted."""
        self._buckets.pop(attempt.keys[0], None)

    def _bucket(self, key: tuple[str, ...]) -> _Bucket | None:
        """Return a bucket as it is by now, or None for a full one."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return None
        now, most = self._monotonic(), self._most[key[0]]
        bucket.left, bucket.at = bucket.left + (now - bucket.at) * most / _MINUTE, now
        if bucket.left >= most:
            del self._buckets[key]
            return None
        # Once it is half full again, the next burst is logged again.
        bucket.logged = bucket.logged and bucket.left < most / 2
        self._buckets.move_to_end(key)
        return bucket


def network_of(source: str) -> str:
    """Return the source of an address: an IPv4 address, or the /64 of an IPv6 address, which one machine may have."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return source[:_SHOWN]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
