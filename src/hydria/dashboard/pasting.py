"""`/dashboard/certificates`: a certificate that was pasted into a form goes to a key manager elsewhere."""

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hydria.dashboard.protection import COOKIE, HEADERS, PATH, forged, read_body, refusal
from hydria.errors import Refusal
from hydria.protocols import StoreCertificate

# The largest body (bytes): chains have a few certificates.
_LARGEST = 256 * 1024


class PastedForm(Struct, kw_only=True, forbid_unknown_fields=True):
    """A certificate as PEM texts, and the name that its container gets."""

    name: str
    certificate: str
    private_key: str
    intermediates: str = ""


class Pasting:
    """The route. The key manager decides, by the session's token, what its user may store."""

    def __init__(self, store: StoreCertificate, public_url: str) -> None:
        self._store = store
        self._public_url = public_url

    def routes(self) -> list[Route]:
        return [Route(f"{PATH}/certificates", self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        reason = forged(request.method, request.headers, self._public_url)
        if reason is not None:
            return refusal(403, reason)
        token = request.cookies.get(COOKIE)
        if not token:
            return refusal(401, "There is no session. Please log in.")
        try:
            form = msgspec.json.decode(await read_body(request, _LARGEST), type=PastedForm)
            parts = {"certificate": form.certificate, "private_key": form.private_key}
            if form.intermediates:
                parts["intermediates"] = form.intermediates
            reference = await self._store(token, form.name, parts)
        except msgspec.DecodeError as error:
            return refusal(400, f"The body is wrong: {error}")
        except Refusal as refused:
            return refusal(refused.status, f"The certificate cannot be stored in the key manager: {refused.message}")
        return JSONResponse({"container_ref": reference}, 201, HEADERS)
