"""What the references of a load balancer lead to, for the hosts that serve it."""

from hydria.errors import Refusal
from hydria.model import Tree
from hydria.model.references import references
from hydria.ports import Secrets


class SecretError(Exception):
    """A reference leads nowhere any more; the message is for the load balancer's owner."""


def referred(secrets: Secrets, tree: Tree) -> dict[str, str]:
    """Return PEM texts by reference, as `Instance.secrets` has them. Raises SecretError."""
    found: dict[str, str] = {}
    for reference, purpose in references(tree):
        if reference in found:
            continue
        try:
            found[reference] = secrets.pem(reference, purpose, tree.load_balancer.project_id)
        except Refusal as refusal:
            raise SecretError(
                f"{reference} cannot be read any more: {refusal.message} Store it again, and name the new one in its "
                "listener or pool."
            ) from None
    return found
