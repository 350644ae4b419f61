"""Real namespaces: only inside the fence that `./dev test` makes, where no packet can leave the machine."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("HYDRIA_FENCED") == "1":
        return
    skip = pytest.mark.skip(reason="makes network namespaces: run by ./dev test, inside its fence")
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(skip)
