"""`docs/compatibility.md`, made from the results of a comparison."""

from compare.differences import Difference, Reason
from compare.talk import Exchange


def write(talks: dict[str, list[Exchange]], found: list[Difference], known: list[Reason]) -> None:
    """x"""
