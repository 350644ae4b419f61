"""`hydria.protocols.Secrets` over the rows: a reference that has none is a question in an API call."""

from collections.abc import Collection

from hydria.barbican.rows import CachedSecret, Wanted
from hydria.errors import NotFound
from hydria.model.references import Purpose
from hydria.protocols import Vault
from hydria.store import Transaction


class BarbicanSecrets:
    """Implements `hydria.protocols.Secrets`."""

    def __init__(self, transaction: Transaction, vault: Vault) -> None:
        self._transaction = transaction
        self._vault = vault

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return the PEM text of a reference as it was read last. Raises NotFound, Invalid; Unanswered in API calls.

        An API call asks again for a reference that could not be read last time. Hosts get what it was before.
        """
        wanted = Wanted(project_id, reference, purpose)
        row = self._transaction.get(CachedSecret, wanted.key)
        in_call = self._transaction.answers is not None
        if row is not None and not (in_call and row.reason):
            return self._vault.open(row.sealed).decode()
        if in_call:
            return str(self._transaction.ask(wanted))
        raise NotFound("Barbican has not answered yet; it is asked again within a minute.")

    def doubts(self, references: Collection[tuple[str, Purpose]], project_id: str) -> dict[tuple[str, str], str]:
        """Return why the last attempts to read references again failed."""
        keys = sorted({Wanted(project_id, reference, purpose).key for reference, purpose in references})
        rows = self._transaction.among(CachedSecret, keys)
        return {(row.reference, row.purpose): _doubt(row) for row in rows if row.reason is not None}


def _doubt(row: CachedSecret) -> str:
    return (
        f"{row.reference} cannot be read any more: {row.reason} What was read before goes on being served. Make it "
        "readable again, or store it again and name the new reference."
    )
