"""The table of the certificates that an authority makes by ACME."""

from msgspec import Struct

from hydria.store.tables import register


class AcmeOrder(Struct, frozen=True, kw_only=True):
    """What a project's reference `acme:…` led to so far.

    `sealed` is the newest certificate with its key, by the vault, and good until `not_after`. `due` is when to ask the
    authority next (UTC, seconds since the epoch): `failures` counts how often it came to nothing since it last did,
    `reason` says why. `challenges` are what amphorae answer now: key authorizations by token.
    """

    id: str
    project_id: str
    reference: str
    created_at: str
    updated_at: str
    due: int
    sealed: str | None = None
    not_after: str | None = None
    failures: int = 0
    reason: str | None = None
    challenges: dict[str, str] = {}


register(AcmeOrder, "acme_orders", unique=(("project_id", "reference"),))
