"""Payloads of secrets: decoding, content types, limits of size."""

import base64
import binascii

from hydria.errors import Invalid, TooLarge
from hydria.homecloud.secrets.access import bad
from hydria.homecloud.secrets.forms import SecretCreate

TEXT = "text/plain"
BINARY = "application/octet-stream"

_MOST = 20_000


def in_form(form: SecretCreate) -> tuple[bytes, str] | None:
    """Return the payload of a form and its type, or None where a PUT will bring it. Raises Invalid, TooLarge."""
    if form.payload is None:
        if form.payload_content_type is not None:
            raise bad("payload must be provided when payload_content_type is supplied.")
        return None
    kind = normal(form.payload_content_type)
    if not form.payload:
        raise bad("If 'payload' specified, must be non empty.")
    if kind == TEXT:
        if form.payload_content_encoding is not None:
            raise bad("payload_content_encoding must not be specified when payload_content_type is text/plain")
        return sized(form.payload.encode()), TEXT
    if form.payload_content_encoding is None:
        raise bad("payload_content_encoding must be specified when payload_content_type is application/octet-stream.")
    return sized(decoded(form.payload.encode())), BINARY


def normal(content_type: str | None) -> str:
    """Return a content type as it is stored. Raises Invalid for one that is not supported."""
    name = (content_type or "").partition(";")[0].strip().lower()
    if name in (TEXT, BINARY):
        return name
    if not name:
        raise bad("payload_content_type is required when payload is supplied.")
    raise Invalid(f"payload_content_type is not one of ['{TEXT}', '{BINARY}']: {name[:80]}")


def decoded(payload: bytes) -> bytes:
    """Return the bytes of a base64 text. Raises Invalid."""
    try:
        return base64.b64decode(b"".join(payload.split()), validate=True)
    except binascii.Error:
        raise bad("Invalid payload for payload_content_encoding: it is no base64.") from None


def sized(payload: bytes) -> bytes:
    """Return a payload that is neither empty nor too large. Raises Invalid, TooLarge."""
    if not payload:
        raise Invalid("Payload is empty: give it some content.")
    if len(payload) > _MOST:
        raise TooLarge(f"Could not store a secret of more than {_MOST} bytes.")
    return payload
