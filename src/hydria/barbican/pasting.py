"""A certificate that a user pasted into a form becomes a container of the user's in Barbican."""

from collections.abc import Mapping

from hydria.barbican.calls import Calls
from hydria.barbican.reading import place


async def store_certificate(barbican: Calls, token: str, name: str, parts: Mapping[str, str]) -> str:
    """Store a certificate with its key as the user of a token; return the container's reference.

    `parts` are PEM texts by their names in a container: `certificate`, `private_key`, `intermediates`. Hydria's user
    may read them afterwards. Raises Barbican's Refusal, or Unavailable; then some parts may be left in Barbican.
    """
    references: dict[str | None, str] = {}
    for part, text in parts.items():
        references[part] = await barbican.store_secret(token, f"{name} {part}", text)
    container = await barbican.store_container(token, name, references)
    for reference in (*references.values(), container):
        await barbican.share(token, *place(reference))
    return container
