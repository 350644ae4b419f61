"""References `acme:…` for hosts: the certificate, a self-signed one until it is issued, and the challenges."""

from collections.abc import Collection
from datetime import datetime

from hydria import certificates
from hydria.errors import Invalid, NotFound
from hydria.model import Tree
from hydria.model.acme import names_in
from hydria.model.references import Purpose
from hydria.protocols import Secrets, Vault
from hydria.store import Transaction, columns
from hydria.store.certificates import AcmeOrder


class AcmeSecrets:
    """A `hydria.protocols.Secrets` that resolves `acme:…` and leaves all other references to another one."""

    def __init__(
        self, transaction: Transaction, others: Secrets, vault: Vault, now: datetime, *, offered: bool
    ) -> None:
        """`offered` says whether an authority is configured."""
        self._transaction = transaction
        self._others = others
        self._vault = vault
        self._now = now
        self._offered = offered

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return the PEM text of a reference. Raises NotFound, Invalid."""
        names = names_in(reference)
        if names is None:
            return self._others.pem(reference, purpose, project_id)
        if purpose != "certificate":
            raise NotFound(f"{reference} is a certificate, and no {purpose}.")
        c = columns(AcmeOrder)
        found = self._transaction.find(AcmeOrder, c.project_id == project_id, c.reference == reference)
        if found and found[0].sealed is not None:
            return self._vault.open(found[0].sealed).decode()
        if not self._offered:
            raise Invalid(
                f"{reference}: no certificate authority is configured. Set acme.directory_url in the server's settings."
            )
        # Clients do not trust this one, but the listener can be served with it.
        return certificates.self_signed(names, self._now)

    def doubts(self, references: Collection[tuple[str, Purpose]], project_id: str) -> dict[tuple[str, str], str]:
        """Return what the other one says of its references."""
        return self._others.doubts([each for each in references if names_in(each[0]) is None], project_id)


def challenges_of(transaction: Transaction, tree: Tree) -> dict[str, str]:
    """Return the key authorizations that the amphorae of a tree must serve now, by token."""
    wanted = {reference for reference, _ in tree.live().references() if names_in(reference) is not None}
    if not wanted:
        return {}
    c = columns(AcmeOrder)
    orders = transaction.find(AcmeOrder, c.project_id == tree.load_balancer.project_id, c.reference.in_(wanted))
    return {token: answer for order in orders for token, answer in order.challenges.items()}
