"""Hydria's answers compared with those of the real Octavia, as `./dev compare --record` recorded them."""

from collections.abc import Iterator

import pytest

from compare import recorded
from compare.attributes import probes
from compare.cases import written
from compare.differences import Reason, compare, reasons
from compare.inside import InsideHydria
from compare.talk import Exchange, transcript

# Measuring doubles the time of these many cases, whose lines other tests run too.
pytestmark = pytest.mark.no_cover

CASES = {**dict(written()), **dict(probes())}


@pytest.fixture(scope="module")
def hydria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsideHydria]:
    made = InsideHydria(tmp_path_factory.mktemp("recorded"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def kept() -> dict[str, list[Exchange]]:
    return recorded.read()


@pytest.fixture(scope="module")
def known() -> list[Reason]:
    return reasons()


def test_every_case_is_recorded(kept: dict[str, list[Exchange]]) -> None:
    assert {name for name in CASES if recorded.wanted(name)} == set(kept)


@pytest.mark.parametrize("name", [name for name in CASES if recorded.wanted(name)])
def test_answers_are_octavias(
    name: str, hydria: InsideHydria, kept: dict[str, list[Exchange]], known: list[Reason]
) -> None:
    found = compare(name, kept[name], transcript(hydria.side, CASES[name]))
    assert [each for each in found if not any(reason.explains(each) for reason in known)] == []
