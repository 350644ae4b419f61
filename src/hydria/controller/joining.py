"""Joining: an invitation lets one host join, which then has a secret of its own. Only hashes are stored."""

import hashlib
import secrets
from datetime import datetime

import structlog
from msgspec import Struct, structs
from sqlalchemy import update

from hydria.contract import Joined, Joining
from hydria.controller import agent_authority
from hydria.controller.placement import heard_since
from hydria.errors import Conflict, Forbidden
from hydria.protocols import Topologies, Vault
from hydria.store import Transaction, columns
from hydria.store.hosts import Invitation, Server
from hydria.store.resources import KnownHost
from hydria.store.tables import rows_of
from hydria.times import stamp

# How long an invitation can be used (seconds).
VALID_SECONDS = 3600
# Agents forget a server that has not run for this long (seconds).
_GONE_SECONDS = 24 * 3600

log = structlog.get_logger(__name__)


class Invited(Struct, frozen=True, kw_only=True):
    """An invitation as its operator gets it; `url` is what `hydria host join` takes."""

    url: str
    zone: str
    expires_at: str


def invite(transaction: Transaction, vault: Vault, now: datetime, url: str, zone: str) -> Invited:
    """Make an invitation to the server at a URL, and forget those that are over."""
    _forget_expired(transaction, now)
    authority = agent_authority.certificate(transaction, vault, now)
    token = secrets.token_urlsafe(24)
    expires = int(now.timestamp()) + VALID_SECONDS
    transaction.insert(Invitation(id=hash_of(token), zone=zone, created_at=stamp(now), expires_at=expires))
    transaction.hint("hosts")
    return Invited(
        url=f"{url}#{token}.{agent_authority.fingerprint(authority)}",
        zone=zone,
        expires_at=stamp(datetime.fromtimestamp(expires, now.tzinfo)),
    )


def join(transaction: Transaction, topologies: Topologies, joining: Joining, now: datetime, silence: int) -> Joined:
    """Let a host join, and return its secret. Raises Forbidden for a bad token, Conflict for a host that is there.

    A host is not there when it has not polled for `silence` (seconds).
    """
    _forget_expired(transaction, now)
    invitation = transaction.hold(Invitation, hash_of(joining.token))
    if invitation is None:
        raise Forbidden(
            "The invitation is unknown, used or expired. Make another one on the server: hydria host invite"
        )
    known = transaction.get(KnownHost, joining.host)
    if known is not None and known.secret_hash is not None and known.seen_at >= heard_since(now, silence):
        raise Conflict(
            f"The host {joining.host} ({known.name}) has joined already, and its agent runs. If this machine is a copy "
            "of it, remove host.id from the state directory of this one; to let it join anew: hydria host forget "
            f"{joining.host}"
        )
    transaction.delete(Invitation, columns(Invitation).id == invitation.id)
    secret = secrets.token_urlsafe(32)
    values = {"secret_hash": hash_of(secret), "joined_at": stamp(now)}
    if known is None:
        home = not transaction.find(KnownHost, columns(KnownHost).home)
        host = KnownHost(id=joining.host, name=joining.name or joining.host, seen_at=0, home=home)
        transaction.insert(structs.replace(host, **values))
        topologies.all_have_made(0)
    else:
        changed = update(rows_of(KnownHost).table).where(columns(KnownHost).id == known.id)
        transaction.execute(changed.values(values))
    transaction.hint("hosts")
    log.info("host_joined", host=joining.host, name=joining.name, zone=invitation.zone)
    return Joined(secret=secret, zone=invitation.zone, servers=servers(transaction, now))


def servers(transaction: Transaction, now: datetime) -> tuple[str, ...]:
    """Return the URLs of the servers that agents can poll."""
    c = columns(Server)
    since = int(now.timestamp()) - _GONE_SECONDS
    return tuple(each.url for each in transaction.find(Server, c.seen_at >= since, order_by=(c.url,)))


def runs(transaction: Transaction, key: str, url: str, now: datetime) -> None:
    """Store that a server runs and where agents find it."""
    seen, c = int(now.timestamp()), columns(Server)
    found = transaction.get(Server, key)
    server = Server(id=key, url=url, seen_at=seen)
    if found is None:
        transaction.ensure(server)
    else:
        transaction.update(server)
    if found is None or found.url != url:
        # An earlier server of this address has ended.
        transaction.delete(Server, c.url == url, c.id != key)
        transaction.hint("hosts")


def is_expected(transaction: Transaction, now: datetime) -> bool:
    """Return whether a host has joined or may join, so that the server listens for agents of other hosts."""
    c = columns(Invitation)
    if transaction.find(KnownHost, columns(KnownHost).secret_hash.is_not(None)):
        return True
    return bool(transaction.find(Invitation, c.expires_at > int(now.timestamp())))


def host_of(transaction: Transaction, secret: str) -> str | None:
    """Return the id of the host that has a secret, or None."""
    found = transaction.find(KnownHost, columns(KnownHost).secret_hash == hash_of(secret))
    return found[0].id if found else None


def hash_of(secret: str) -> str:
    """Return the hash under which a secret is stored. It is random and long, so a fast hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _forget_expired(transaction: Transaction, now: datetime) -> None:
    transaction.delete(Invitation, columns(Invitation).expires_at <= int(now.timestamp()))
