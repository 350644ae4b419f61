"""Fernet tokens: their payload, sealing and opening. `token_validation` decides whether a token is valid."""

import secrets

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from msgspec import Struct

# Longer than any token of ours (characters).
_LONGEST = 1024


class Payload(Struct, frozen=True, array_like=True):
    """The payload of a token. Times are UTC seconds; `audit_ids` are its own and its first ancestor's."""

    user_id: str
    token_epoch: int
    methods: tuple[str, ...]
    project_id: str | None
    issued_at: float
    expires_at: int
    audit_ids: tuple[str, ...]
    credential_id: str | None = None


class TokenBox:
    """Seals payloads into tokens and opens them again."""

    def __init__(self, key: bytes) -> None:
        """`key` is one of `new_key`'s."""
        self._fernet = Fernet(key)
        self._decoder = msgspec.msgpack.Decoder(Payload)

    def seal(self, payload: Payload) -> str:
        """Return the token of a payload."""
        return self._fernet.encrypt(msgspec.msgpack.encode(payload)).decode()

    def open(self, token: str) -> Payload | None:
        """Return the payload of a token, or None when it is not one of ours. Expiry is not checked."""
        if len(token) > _LONGEST:
            return None
        try:
            return self._decoder.decode(self._fernet.decrypt(token.encode()))
        except (InvalidToken, msgspec.DecodeError, UnicodeEncodeError):
            return None


def new_key() -> bytes:
    """Return a new key for tokens. With it, a token can be made for any user."""
    return Fernet.generate_key()


def new_audit_id() -> str:
    """Return a random identifier for a token, from which the token cannot be derived."""
    return secrets.token_urlsafe(16)
