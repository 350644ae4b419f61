"""The table of the certificates that an authority makes by ACME."""

from msgspec import Struct

from hydria.store.tables import register


class AcmeOrder(Struct, frozen=True, kw_only=True):
    """The state of a project's reference `acme:…`.

    `sealed` is the newest certificate with its key, encrypted by the vault; it is valid until `not_after`. `due` is
    when to ask the authority next (UTC, seconds since the epoch). `failures` counts the failed orders since the last
    success, `reason` is the last one's error. `challenges` are the key authorizations, by token, that amphorae answer.
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
