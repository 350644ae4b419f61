"""Fernet tokens: what they carry, sealing and opening. Whether a token is still good is `standing`'s part."""

import secrets
from functools import lru_cache

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from msgspec import Struct

# Longer than any that we make; what is longer is not worth a place in the cache.
_LONGEST = 1024
_CACHED = 4096


class Payload(Struct, frozen=True, array_like=True):
    """What a token says. Times are UTC seconds since the epoch; `audit_ids` are its own and its first ancestor's."""

    user_id: str
    token_epoch: int
    methods: tuple[str, ...]
    project_id: str | None
    issued_at: float
    expires_at: int
    audit_ids: tuple[str, ...]
    credential_id: str | None = None


class TokenBox:
    """Seals payloads into tokens and opens them again. Opened ones are remembered: every request opens one."""

    def __init__(self, key: bytes) -> None:
        """`key` is one of `new_key`'s."""
        self._fernet = Fernet(key)
        self._decoder = msgspec.msgpack.Decoder(Payload)
        self._opened = lru_cache(_CACHED)(self._decrypt)

    def seal(self, payload: Payload) -> str:
        """Return the token of a payload."""
        return self._fernet.encrypt(msgspec.msgpack.encode(payload)).decode()

    def open(self, token: str) -> Payload | None:
        """Return what a token says, or None when it is not one of ours. Expiry is not looked at."""
        return self._opened(token) if len(token) <= _LONGEST else None

    def _decrypt(self, token: str) -> Payload | None:
        try:
            return self._decoder.decode(self._fernet.decrypt(token.encode()))
        except (InvalidToken, msgspec.DecodeError, UnicodeEncodeError):
            return None


def new_key() -> bytes:
    """Return a new key for tokens; whoever has it can make tokens of anybody."""
    return Fernet.generate_key()


def new_audit_id() -> str:
    """Return a name for a token that does not give it away."""
    return secrets.token_urlsafe(16)
