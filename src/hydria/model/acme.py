"""References of the form `acme:NAME,NAME`: certificates that an ACME authority issues for these names. Pure."""

import re

from hydria.errors import Invalid

SCHEME = "acme:"

_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")


def names_in(reference: str) -> tuple[str, ...] | None:
    """Return the host names of a reference's certificate, or None for any other reference.

    Raises Invalid for names that HTTP-01 cannot prove.
    """
    if not reference.startswith(SCHEME):
        return None
    names = tuple(dict.fromkeys(part.lower() for part in reference.removeprefix(SCHEME).split(",")))
    for name in names:
        if name.startswith("*."):
            raise Invalid(f"{reference} asks for a wildcard, which HTTP-01 cannot prove. Name each host.")
        if not _NAME.match(name):
            raise Invalid(
                f"{reference} does not name hosts. Write acme:www.example.org, or several with commas between."
            )
    return names
