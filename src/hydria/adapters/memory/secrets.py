"""A key manager in memory. It has a secret for every reference except the lost ones."""

from collections.abc import Collection

from hydria.errors import NotFound
from hydria.model.references import Purpose


class MemorySecrets:
    """Implements `hydria.protocols.Secrets`. `texts` has PEM by reference; other references yield an empty text."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.lost: set[str] = set()

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        if reference in self.lost:
            raise NotFound(f"Secret {reference} not found.")
        return self.texts.get(reference, "")

    def doubts(self, references: Collection[tuple[str, Purpose]], project_id: str) -> dict[tuple[str, str], str]:
        """Return nothing: what is gone is not served."""
        return {}
