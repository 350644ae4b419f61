"""Reads what a reference leads to from Barbican, as PEM text."""

import uuid

from hydria import certificates
from hydria.barbican.calls import Calls
from hydria.barbican.rows import Wanted
from hydria.errors import Forbidden, NotFound


async def check_visible(barbican: Calls, reference: str, token: str) -> None:
    """Refuse a reference that the user of a token does not see. Raises NotFound, Unavailable.

    Hydria's user may read the secrets of many projects. This keeps a project from using those of others.
    """
    collection, key = place(reference)
    try:
        await barbican.check_visible(collection, key, token)
    except Forbidden as refusal:
        raise NotFound(refusal.message) from None


async def read(barbican: Calls, wanted: Wanted) -> str:
    """Return the PEM text of a secret or container. Raises NotFound, Invalid for unusable content, Unavailable.

    A secret that Hydria's user may not read (403) is NotFound, as with Octavia, with Barbican's sentence.
    """
    collection, key = place(wanted.reference)
    try:
        if collection == "containers":
            return await _container(barbican, key, wanted)
        payload = await barbican.payload(key)
    except Forbidden as refusal:
        raise NotFound(f"{refusal.message}. Let Hydria's user read it: openstack acl user add.") from None
    match wanted.purpose:
        case "ca":
            return certificates.authorities(payload)
        case "crl":
            return certificates.revocations(payload)
        case _:
            return certificates.from_payload(payload)


async def _container(barbican: Calls, key: str, wanted: Wanted) -> str:
    if wanted.purpose != "certificate":
        raise NotFound(f"{wanted.reference} is a container. Name the secret with the {wanted.purpose} itself.")
    parts = await barbican.parts(key)
    payloads = {name: await barbican.payload(place(reference)[1]) for name, reference in parts.items()}
    return certificates.from_container(key, payloads)


def place(reference: str) -> tuple[str, str]:
    """Return the collection and the id that a reference ends in, whatever server it names. Raises NotFound.

    Only the Barbican of the settings is asked, never a server that a user names.
    """
    rest, _, last = reference.rstrip("/").rpartition("/")
    try:
        key = str(uuid.UUID(last))
    except ValueError:
        raise NotFound(f"{reference} is no reference of a secret.") from None
    return "containers" if rest.endswith("containers") else "secrets", key
