"""Passwords and secrets: argon2id hashes, at a cost that a login of an embedded server can bear (about 20 ms)."""

import base64
import hashlib
import secrets

import argon2

# OWASP's smallest advice for argon2id: 19 MiB, two passes.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Stands in for who does not exist, so that asking takes as long as for who does.
_NOBODY = _hasher.hash(secrets.token_bytes(16))


def hashed(password: str) -> str:
    """Return the hash of a password with its own salt."""
    return _hasher.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Say whether a password is the one that was hashed; it takes as long when there is no hash."""
    try:
        return _hasher.verify(kept or _NOBODY, password) and kept is not None
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def new_secret() -> str:
    """Return a secret of 64 random bytes in base64, as Keystone makes them."""
    return secrets.token_urlsafe(64)


def member_password(admin_password: str) -> str:
    """Return the first password of the user `demo`, made of the admin's and saying nothing of it."""
    key = hashlib.scrypt(admin_password.encode(), salt=b"hydria demo", n=2**14, r=8, p=1, dklen=18)
    return base64.urlsafe_b64encode(key).decode()
