"""`hydria.protocols.Secrets` over the same rows as the API: the secret or container of a reference, as PEM text."""

from collections.abc import Collection

from hydria import certificates
from hydria.errors import NotFound
from hydria.homecloud.secrets.access import id_in
from hydria.homecloud.secrets.rows import Container, Secret
from hydria.homecloud.secrets.secrets import expired
from hydria.homecloud.secrets.vault import Vault
from hydria.store import Transaction


class HomeSecrets:
    """Implements `hydria.protocols.Secrets`."""

    def __init__(self, transaction: Transaction, vault: Vault, now: str) -> None:
        """`now` is the time as rows have it: secrets that have expired do not exist."""
        self._transaction = transaction
        self._vault = vault
        self._now = now

    def pem(self, reference: str, purpose: str, project_id: str) -> str:
        """Return the secret or container of a reference as PEM text. Raises NotFound, Invalid.

        `purpose` is certificate, ca or crl.
        """
        key = id_in(reference)
        if key is None:
            raise NotFound(f"{reference} is no reference of a secret.")
        if purpose == "certificate":
            return self._certificate(key, reference, project_id)
        payload = self._payload(key, project_id)
        return certificates.authorities(payload) if purpose == "ca" else certificates.revocations(payload)

    def doubts(self, references: Collection[tuple[str, str]], project_id: str) -> dict[tuple[str, str], str]:
        """Return nothing: what is gone is not served."""
        return {}

    def _certificate(self, key: str, reference: str, project_id: str) -> str:
        container = self._transaction.get(Container, key) if "/containers/" in reference else None
        if container is not None and container.project_id == project_id:
            parts = {part.name: self._payload(part.secret_id, project_id) for part in container.parts}
            return certificates.from_container(key, parts)
        return certificates.from_payload(self._payload(key, project_id))

    def _payload(self, key: str, project_id: str) -> bytes:
        secret = self._transaction.get(Secret, key)
        if secret is None or secret.project_id != project_id or expired(secret, self._now) or secret.payload is None:
            raise NotFound(f"Secret {key} not found.")
        return self._vault.open(secret.payload)
