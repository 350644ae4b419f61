"""Encrypts payloads for storage, so that neither the database nor a copy of it reveals one."""

import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from hydria.errors import Unavailable


def new_key() -> bytes:
    """Return a new key."""
    return Fernet.generate_key()


class Vault:
    """Seals and opens payloads with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._fernet = Fernet(key)

    def seal(self, payload: bytes) -> str:
        return self._fernet.encrypt(payload).decode()

    def open(self, sealed: str) -> bytes:
        """Return the payload. Raises Unavailable under another key."""
        try:
            return self._fernet.decrypt(sealed.encode())
        except InvalidToken:
            raise Unavailable(
                "This secret was sealed with another key. Put the file secrets.key of its time back into the server's "
                "state directory."
            ) from None

    def derive(self, purpose: str) -> bytes:
        """Return 64 bytes that only this key and purpose make."""
        return hmac.digest(self._key, purpose.encode(), hashlib.sha512)
