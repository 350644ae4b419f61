"""References `acme:…` as hosts need them: the certificate, one of our own until there is one, and the challenges."""

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
    """Implements `hydria.protocols.Secrets` over another one, which has all other references."""

    def __init__(
        self, transaction: Transaction, others: Secrets, vault: Vault, now: datetime, *, offered: bool
    ) -> None:
        """`offered` says whether there is an authority to ask."""
        self._transaction = transaction
        self._others = others
        self._vault = vault
        self._now = now
        self._offered = offered

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return what a reference leads to. Raises NotFound, Invalid."""
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
                f"{reference}: there is no authority to ask. Set acme.directory_url in the server's settings."
            )
        # So that the listener serves; nobody trusts it.
        return certificates.self_signed(names, self._now)


def challenges_of(transaction: Transaction, tree: Tree) -> dict[str, str]:
    """Return what the amphorae of a tree answer an authority now, by token."""
    wanted = {reference for reference, _ in tree.live().references() if names_in(reference) is not None}
    if not wanted:
        return {}
    c = columns(AcmeOrder)
    orders = transaction.find(AcmeOrder, c.project_id == tree.load_balancer.project_id, c.reference.in_(wanted))
    return {token: answer for order in orders for token, answer in order.challenges.items()}
