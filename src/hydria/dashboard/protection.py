"""What protects the dashboard in a browser: headers, the session's cookie, the check of requests."""

from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

# The cookie that holds the user's token. Only the dashboard's own paths get it.
COOKIE = "hydria_session"
PATH = "/dashboard"

# A header that no form and no other site's page can send without this server's consent, which it never gives.
MARK = "x-hydria-dashboard"

HEADERS = {
    # Everything comes from this server, and nothing inline is run.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def forged(method: str, headers: Headers, public_url: str = "") -> str | None:
    """Return why a request may come from another site's page, or None for one of the dashboard's own.

    `public_url` is the server's address for clients, empty where it is the request's: a proxy may change the header
    `Host`. A safe method changes nothing, and browsers do not show its answer to other sites.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return f"The request comes from another site (Sec-Fetch-Site: {site}). Use the dashboard's own pages."
    if method in _SAFE:
        return None
    if headers.get(MARK) is None:
        return f"The header {MARK} is missing. Scripts use the API itself, with a token in X-Auth-Token."
    # Without a public URL there is an empty text, which the origin `null` of sandboxed pages must not equal.
    origin, own = headers.get("origin"), {headers.get("host"), urlsplit(public_url).netloc} - {""}
    if origin is not None and urlsplit(origin).netloc not in own:
        return f"The request comes from {origin[:200]}, not from this server's pages. Use the dashboard's own pages."
    return None


async def read_body(request: Request, largest: int) -> bytes:
    """Return the body of a request. Raises msgspec.DecodeError for one of more than `largest` bytes."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > largest:
            raise msgspec.DecodeError(f"at most {largest} bytes are read")
    return content


def refusal(status: int, sentence: str) -> Response:
    """Return an answer in the form of Octavia's faults, which the front end reads everywhere."""
    return JSONResponse({"faultcode": "Client", "faultstring": sentence, "debuginfo": None}, status, HEADERS)


def set_token(response: Response, token: str, *, secure: bool) -> None:
    """Put a token into the session's cookie; it lasts as long as the browser's session or the token."""
    response.set_cookie(COOKIE, token, path=PATH, httponly=True, samesite="strict", secure=secure)


def clear_token(response: Response) -> None:
    """End the browser's session."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")
