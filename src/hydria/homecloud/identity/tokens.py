"""Fernet tokens: what they carry, sealing and opening. Whether a token is still good is `standing`'s part."""

import secrets

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from msgspec import Struct

# Longer than any that we make; what is longer is not worth a look.
_LONGEST = 1024


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
    """Seals payloads into tokens and opens them again."""

    def __init__(self, key: bytes) -> None:
        """`key` is one of `new_key`'s."""
        self._fernet = Fernet(key)
        self._decoder = msgspec.msgpack.Decoder(Payload)

    def seal(self, payload: Payload) -> str:
        """Return the token of a payload."""
        return self._fernet.encrypt(msgspec.msgpack.encode(payload)).decode()

    def open(self, token: str) -> Payload | None:
        """Return what a token says, or None when it is not one of ours. Expiry is not looked at."""
        if len(token) > _LONGEST:
            return None
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
