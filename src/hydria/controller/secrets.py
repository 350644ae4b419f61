"""The secrets that a load balancer refers to, for the hosts that serve it."""

from hydria.errors import Refusal
from hydria.model import Tree
from hydria.protocols import Secrets


def referred(secrets: Secrets, tree: Tree) -> tuple[dict[str, str], dict[str, str]]:
    """Return PEM texts by reference, and the reasons for references that cannot be read (`Instance.lost`)."""
    found: dict[str, str] = {}
    lost: dict[str, str] = {}
    for reference, purpose in tree.live().references():
        if reference in found or reference in lost:
            continue
        try:
            found[reference] = secrets.pem(reference, purpose, tree.load_balancer.project_id)
        except Refusal as refusal:
            lost[reference] = (
                f"{reference} cannot be read any more: {refusal.message} Store it again, and name the new one."
            )
    return found, lost
