"""The keys of TLS session tickets, so that a client resumes its session at the other amphora of a pair."""

import base64
from datetime import date, timedelta

from hydria.protocols import Vault

# HAProxy takes 80 bytes for AES-256: a name, a key for HMAC and one for AES.
_BYTES = 80


def ticket_keys(vault: Vault, load_balancer_id: str, day: str) -> tuple[str, ...]:
    """Return the keys of the day before, the day (ISO 8601) and the day after, in base64.

    HAProxy encrypts with the last but one. The keys are derived, so that no server has to keep or exchange them.
    """
    today = date.fromisoformat(day)
    return tuple(_key(vault, load_balancer_id, today + timedelta(days=distance)) for distance in (-1, 0, 1))


def _key(vault: Vault, load_balancer_id: str, day: date) -> str:
    parts = [vault.derive(f"tls-ticket {load_balancer_id} {day} {half}") for half in (1, 2)]
    return base64.b64encode(b"".join(parts)[:_BYTES]).decode()
