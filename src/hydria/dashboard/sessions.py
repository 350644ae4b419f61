"""`/dashboard/session`: log in, look at the session, change its project, log out. The identity service decides."""

from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hydria.dashboard.protection import COOKIE, HEADERS, PATH, clear_token, forged, read_body, refusal, set_token
from hydria.dashboard.rights import PREFIX as OWN
from hydria.errors import Unavailable
from hydria.protocols import Http, HttpAnswer

_TOKENS = "/v3/auth/tokens"
# The largest body of a request here (bytes).
_LARGEST = 16 * 1024
_LOGIN_HEADERS = {"accept": "application/json"}


class LoginForm(Struct, kw_only=True, forbid_unknown_fields=True):
    """A login. `domain` and `project` are names; without a project the first one of the user is taken."""

    user: str
    password: str
    domain: str = "Default"
    project: str = ""


class ProjectForm(Struct, kw_only=True, forbid_unknown_fields=True):
    """The project to change to."""

    project_id: str


class Sessions:
    """The routes of sessions. A session is a token in a cookie: any server of one database can answer it."""

    def __init__(self, identity: Http, own: Http, public_url: str) -> None:
        """`identity` is Keystone's API, `own` this server's. With a `public_url` of https, cookies are secure."""
        self._public_url = public_url
        self._identity = identity
        self._own = own

    def routes(self) -> list[Route]:
        return [Route(f"{PATH}/session", self._answer, methods=["GET", "POST", "PUT", "DELETE"])]

    async def _answer(self, request: Request) -> Response:
        reason = forged(request.method, request.headers, self._public_url)
        if reason is not None:
            return refusal(403, reason)
        method = {"POST": self._log_in, "PUT": self._change_project, "DELETE": self._log_out}.get(request.method)
        try:
            return await (method or self._show)(request)
        except Unavailable as unavailable:
            return refusal(503, str(unavailable))
        except msgspec.DecodeError as error:
            return refusal(400, f"The body is wrong: {error}")

    async def _log_in(self, request: Request) -> Response:
        form = msgspec.json.decode(await read_body(request, _LARGEST), type=LoginForm)
        domain = {"name": form.domain or "Default"}
        user = {"name": form.user, "password": form.password, "domain": domain}
        proof = {"methods": ["password"], "password": {"user": user}}
        scope = {"scope": {"project": {"name": form.project, "domain": domain}}} if form.project else {}
        answer = await self._token(request, {"identity": proof, **scope})
        token = answer.headers.get("x-subject-token", "")
        if answer.status != 201 or not token:
            return _refused(answer)
        if not answer.json().get("token", {}).get("project"):
            project_id = next((one["id"] for one in await self._projects(token)), None)
            if project_id is None:
                return refusal(403, "This user has a role in no project. An administrator must give it one.")
            answer = await self._token(request, _rescoped(token, project_id))
            token = answer.headers.get("x-subject-token", "")
            if answer.status != 201:
                return _refused(answer)
        return await self._begun(request, token)

    async def _change_project(self, request: Request) -> Response:
        form = msgspec.json.decode(await read_body(request, _LARGEST), type=ProjectForm)
        answer = await self._token(request, _rescoped(request.cookies.get(COOKIE, ""), form.project_id))
        if answer.status != 201:
            return _refused(answer)
        return await self._begun(request, answer.headers["x-subject-token"])

    async def _show(self, request: Request) -> Response:
        token = request.cookies.get(COOKIE)
        session = await self._session(token) if token else None
        return JSONResponse({"session": session}, headers=HEADERS)

    async def _log_out(self, request: Request) -> Response:
        token = request.cookies.get(COOKIE)
        if token:
            await self._identity.send("DELETE", _TOKENS, {"x-auth-token": token, "x-subject-token": token})
        response = Response(status_code=204, headers=HEADERS)
        clear_token(response)
        return response

    async def _begun(self, request: Request, token: str) -> Response:
        response = JSONResponse({"session": await self._session(token)}, headers=HEADERS)
        secure = "https" in (request.url.scheme, self._public_url.partition(":")[0])
        set_token(response, token, secure=secure)
        return response

    async def _session(self, token: str) -> dict[str, Any] | None:
        answer = await self._own.send("GET", f"{OWN}/rights", {"x-auth-token": token})
        if answer.status != 200:
            return None
        return {**answer.json(), "projects": await self._projects(token)}

    async def _projects(self, token: str) -> list[dict[str, str]]:
        answer = await self._identity.send("GET", "/v3/auth/projects", {"x-auth-token": token})
        found = answer.json().get("projects", []) if answer.status == 200 else []
        return [{"id": one["id"], "name": one["name"]} for one in found]

    async def _token(self, request: Request, auth: dict[str, Any]) -> HttpAnswer:
        source = request.client.host if request.client else ""
        return await self._identity.send("POST", _TOKENS, _LOGIN_HEADERS, {"auth": auth}, source)


def _rescoped(token: str, project_id: str) -> dict[str, Any]:
    proof = {"methods": ["token"], "token": {"id": token}}
    return {"identity": proof, "scope": {"project": {"id": project_id}}}


def _refused(answer: HttpAnswer) -> Response:
    """Return Keystone's refusal in words for the user."""
    if answer.status == 401:
        return refusal(401, "The user, password or project is wrong, or the session has ended. Please log in again.")
    message = answer.json().get("error", {}).get("message", "")
    return refusal(answer.status if answer.status >= 400 else 502, message or "The identity service did not answer.")
