"""The files of the front end, which are built when the package is: one page, its scripts and styles."""

import gzip
import mimetypes
from functools import cache
from pathlib import Path

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hydria.dashboard.protection import HEADERS, PATH

ASSETS = Path(__file__).with_name("assets")

# A file's name changes with its content.
_FOR_EVER = "public, max-age=31536000, immutable"
_MISSING = (
    "The dashboard's files are missing. In a checkout, build them by: ./dev setup\n"
    "An installed package has them; install it again.\n"
)
# Files below this size are not compressed (bytes).
_SMALL = 512


class _File(Struct, frozen=True):
    content: bytes
    compressed: bytes | None
    media_type: str


class Pages:
    """Serves the page at every path of the dashboard, so that each view has its own address."""

    def __init__(self, directory: Path = ASSETS) -> None:
        self._files = {file.name: _read(file) for file in directory.glob("*") if file.is_file()}

    def routes(self) -> list[Route]:
        return [
            Route(f"{PATH}/assets/{{name}}", self._asset, methods=["GET", "HEAD"]),
            Route(PATH, self._page, methods=["GET", "HEAD"]),
            Route(f"{PATH}/{{rest:path}}", self._page, methods=["GET", "HEAD"]),
        ]

    async def _page(self, request: Request) -> Response:
        page = self._files.get("index.html")
        if page is None:
            return PlainTextResponse(_MISSING, 503, HEADERS)
        return _sent(request, page, "no-cache")

    async def _asset(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            return PlainTextResponse("There is no such file. Load the page again.\n", 404, HEADERS)
        return _sent(request, file, _FOR_EVER)


def _read(path: Path) -> _File:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    textual = media_type.startswith("text/") or media_type.endswith(("javascript", "json", "xml"))
    return _File(content, _compressed(content) if textual and len(content) > _SMALL else None, media_type)


@cache
def _compressed(content: bytes) -> bytes:
    """Compress a file. Cached, because tests make many servers in one process."""
    return gzip.compress(content, 9, mtime=0)


def _sent(request: Request, file: _File, caching: str) -> Response:
    headers = {**HEADERS, "cache-control": caching, "vary": "accept-encoding"}
    if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, 200, {**headers, "content-encoding": "gzip"}, file.media_type)
    return Response(file.content, 200, headers, file.media_type)
