"""Which `Accept` headers take JSON, as the real Octavia answered."""

import pytest

from hydria.http.accept import takes_json


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "*/*",
        "application/json",
        "Application/JSON",
        "application/*;q=0.1, text/html",
        "text/html, */*;q=0.8",
        "application/json;q=1.000",
        # What cannot be read counts as nothing.
        "nonsense",
        "application/json;q=2",
    ],
)
def test_takes_json(header: str | None) -> None:
    assert takes_json(header)


@pytest.mark.parametrize(
    "header",
    [
        "text/html",
        "text/html, application/xml;q=0.9",
        "application/json;q=0",
        # The closest range counts.
        "application/json;q=0, */*",
        "application/*;q=0, */*",
        "application/json; charset=utf-8",
    ],
)
def test_takes_no_json(header: str) -> None:
    assert not takes_json(header)
