"""The hand-written cases by area: each is a function of a `Talk`, named after what it compares."""

from collections.abc import Iterator

from compare.cases import admin, bodies, children, lists, load_balancers, policies, quotas, rights
from compare.talk import Case

_AREAS = (load_balancers, children, policies, lists, bodies, rights, quotas, admin)


def written() -> Iterator[tuple[str, Case]]:
    """Return the cases with their names: the area and the function's name."""
    for area in _AREAS:
        for name, case in vars(area).items():
            if callable(case) and not name.startswith("_") and case.__module__ == area.__name__:
                yield f"{area.__name__.rsplit('.', 1)[1]} {name}", case
