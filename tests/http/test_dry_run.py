"""The header `Dry-Run`: where it is heeded, and where it is refused."""

import pytest

from hydria.errors import Invalid
from hydria.http.dry_run import is_dry
from hydria.http.operation import Operation

POST = Operation(method="POST", path="/things", work=lambda _: None)
GET = Operation(method="GET", path="/things", work=lambda _: None)


def plan(_: object) -> None:
    return None


@pytest.mark.parametrize(("value", "dry"), [("true", True), ("True ", True), ("false", False), (None, False)])
def test_a_call_is_dry_when_its_header_says_so(value: str | None, dry: bool) -> None:
    headers = {} if value is None else {"dry-run": value}
    assert is_dry(headers, POST, plan) is dry
    assert is_dry(headers, GET, plan) is False


def test_other_values_are_refused() -> None:
    with pytest.raises(Invalid, match="must be true or false"):
        is_dry({"dry-run": "yes"}, POST, plan)


def test_an_api_without_dry_runs_does_nothing_instead() -> None:
    with pytest.raises(Invalid, match="nothing was done"):
        is_dry({"dry-run": "true"}, POST, None)
    assert is_dry({"dry-run": "false"}, POST, None) is False
