"""Trailing slashes: only where a mount allows them."""

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hydria.http.operation import Mount
from hydria.http.slashes import TrailingSlashes


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path."""
    await Response(Request(scope, receive).scope["path"])(scope, receive, send)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/open/v2/things", "/open/v2/things"),
        ("/open/v2/things/", "/open/v2/things"),
        ("/open/v2/things//", "/open/v2/things"),
        ("/open/v2/", "/open/v2"),
        ("/open/v20/things/", "/open/v20/things/"),
        ("/closed/things/", "/closed/things/"),
        ("/", "/"),
    ],
)
async def test_slashes_at_the_end_of_a_path(path: str, expected: str) -> None:
    dialect: Any = None
    mounts = (
        Mount(prefixes=("/open/v1", "/open/v2"), operations=(), dialect=dialect, slashes=True),
        Mount(prefixes=("/closed",), operations=(), dialect=dialect),
    )
    transport = httpx.ASGITransport(TrailingSlashes(echo, mounts))
    async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
        assert (await client.get(path)).text == expected
