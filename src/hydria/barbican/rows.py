"""The table of what references lead to, and the one way to write it."""

from datetime import datetime

from msgspec import Struct, structs

from hydria.errors import Unavailable
from hydria.model.references import Purpose
from hydria.protocols import Vault
from hydria.store import Transaction
from hydria.store.tables import register


class Wanted(Struct, frozen=True):
    """A reference of a project, and what it is used as. Hashable."""

    project_id: str
    reference: str
    purpose: Purpose

    @property
    def key(self) -> str:
        """The id of its row."""
        return f"{self.project_id}/{self.purpose}/{self.reference}"


class CachedSecret(Struct, frozen=True, kw_only=True):
    """The content of a reference when it was read last.

    `sealed` is the PEM text, encrypted by the vault. `read_at` is the time of the last attempt to read it (UTC, seconds
    since the epoch). `reason` is why that failed, and then `sealed` is from an earlier one. `consumers` are the ids of
    the load balancers that are registered in Barbican.
    """

    id: str
    project_id: str
    reference: str
    purpose: Purpose
    sealed: str
    read_at: int
    reason: str | None = None
    consumers: tuple[str, ...] = ()

    @property
    def wanted(self) -> Wanted:
        """The reference that the row is about."""
        return Wanted(self.project_id, self.reference, self.purpose)


class Reading(Struct, frozen=True, kw_only=True):
    """The outcome of reading a reference: its PEM text, or the reason why it cannot be read."""

    wanted: Wanted
    text: str = ""
    reason: str | None = None


def keep(transaction: Transaction, vault: Vault, reading: Reading, now: datetime) -> bool:
    """Store a reading; return whether hosts must get another text than before. A failure leaves the text as it was."""
    before = transaction.hold(CachedSecret, reading.wanted.key)
    read_at = int(now.timestamp())
    if reading.reason is not None:
        if before is not None:
            transaction.update(structs.replace(before, read_at=read_at, reason=reading.reason))
        return False
    if before is not None and _opened(vault, before.sealed) == reading.text:
        transaction.update(structs.replace(before, read_at=read_at, reason=None))
        return False
    row = CachedSecret(
        id=reading.wanted.key,
        project_id=reading.wanted.project_id,
        reference=reading.wanted.reference,
        purpose=reading.wanted.purpose,
        sealed=vault.seal(reading.text.encode()),
        read_at=read_at,
        consumers=() if before is None else before.consumers,
    )
    if before is None:
        return transaction.ensure(row)
    transaction.update(row)
    return True


def _opened(vault: Vault, sealed: str) -> str | None:
    """Return a text, or None for one that was sealed with another key: it is replaced."""
    try:
        return vault.open(sealed).decode()
    except Unavailable:
        return None


register(CachedSecret, "barbican_secrets")
