"""A key manager in memory: it has every secret but those that were lost."""

from hydria.errors import NotFound
from hydria.model.references import Purpose


class MemorySecrets:
    """Implements `hydria.protocols.Secrets`; `texts` are PEM by reference, what is not in it is empty."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.lost: set[str] = set()

    def pem(self, reference: str, purpose: Purpose, project_id: str) -> str:
        """Return what was put there. Raises NotFound for what is lost."""
        if reference in self.lost:
            raise NotFound(f"Secret {reference} not found.")
        return self.texts.get(reference, "")
