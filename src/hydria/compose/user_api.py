"""Octavia's API as a user of the command line calls it: with the OS_* variables, or as this machine's first admin."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from hydria.compose.credentials import Credentials
from hydria.errors import HostError, SettingsError
from hydria.settings import Settings

_PATIENCE = 30.0
_LBAAS = "/v2.0/lbaas"


class UserApi:
    """A session of one user."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Log in. Raises HydriaError."""
        self._http = httpx.Client(trust_env=False, timeout=_PATIENCE)
        if environment.get("OS_AUTH_URL"):
            url, region = environment["OS_AUTH_URL"], environment.get("OS_REGION_NAME")
            identity, scope = _identity(environment)
        else:
            kept = Credentials.kept(settings)
            url, region = f"{settings.loopback_url}/identity/v3", kept.region_name
            user = {"name": kept.username, "domain": {"id": "default"}, "password": kept.password}
            identity = {"methods": ["password"], "password": {"user": user}}
            scope = {"project": {"name": kept.project_name, "domain": {"id": "default"}}}
        url = url.rstrip("/") if url.rstrip("/").endswith("/v3") else f"{url.rstrip('/')}/v3"
        body = {"auth": {"identity": identity, **({"scope": scope} if scope else {})}}
        answer = self._send("POST", f"{url}/auth/tokens", body, {})
        self._token = answer.headers["X-Subject-Token"]
        self._url = _endpoint(answer.json()["token"].get("catalog", ()), region)

    def ask(self, method: str, path: str, body: Any = None, *, dry_run: bool = False) -> Any:
        """Send a request below `/lbaas`; return the answer's body. Raises HostError with the fault's sentence."""
        headers = {"X-Auth-Token": self._token, **({"Dry-Run": "true"} if dry_run else {})}
        answer = self._send(method, f"{self._url}{_LBAAS}/{path}", body, headers)
        return answer.json() if answer.content else {}

    def load_balancer(self, key: str) -> dict[str, Any]:
        """Return a load balancer by its id or name. Raises HostError."""
        for filtered in (f"id={quote(key)}", f"name={quote(key)}"):
            found: list[dict[str, Any]] = self.ask("GET", f"loadbalancers?{filtered}")["loadbalancers"]
            if len(found) == 1:
                return found[0]
            if found:
                ids = ", ".join(each["id"] for each in found)
                raise HostError(f"There are {len(found)} load balancers called {key}. Name one by its id: {ids}")
        raise HostError(f"There is no load balancer {key}: openstack loadbalancer list")

    def _send(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> httpx.Response:
        try:
            answer = self._http.request(method, url, json=body, headers=dict(headers))
        except httpx.HTTPError as error:
            raise HostError(f"{url} is not reached: {error or type(error).__name__}. Does it run? hydria up") from None
        if answer.is_success:
            return answer
        raise HostError(_fault(answer))


def _fault(answer: httpx.Response) -> str:
    try:
        found = answer.json()
        return str(found.get("faultstring") or found["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:500] or f"The server answers {answer.status_code}."


def _identity(environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return who logs in and for what, as Keystone's API takes it. Raises SettingsError."""
    if "OS_APPLICATION_CREDENTIAL_ID" in environment:
        secret = environment.get("OS_APPLICATION_CREDENTIAL_SECRET", "")
        credential = {"id": environment["OS_APPLICATION_CREDENTIAL_ID"], "secret": secret}
        return {"methods": ["application_credential"], "application_credential": credential}, None
    missing = [name for name in ("OS_USERNAME", "OS_PASSWORD") if not environment.get(name)]
    if missing:
        raise SettingsError(f"{' and '.join(missing)} must be set, as OS_AUTH_URL is.")
    user = {
        "name": environment["OS_USERNAME"],
        "password": environment["OS_PASSWORD"],
        "domain": _domain(environment, "OS_USER_DOMAIN"),
    }
    if "OS_PROJECT_ID" in environment:
        project: dict[str, Any] = {"id": environment["OS_PROJECT_ID"]}
    else:
        project = {"name": environment.get("OS_PROJECT_NAME", ""), "domain": _domain(environment, "OS_PROJECT_DOMAIN")}
    return {"methods": ["password"], "password": {"user": user}}, {"project": project}


def _domain(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    if f"{prefix}_NAME" in environment:
        return {"name": environment[f"{prefix}_NAME"]}
    return {"id": environment.get(f"{prefix}_ID", "default")}


def _endpoint(catalog: Any, region: str | None) -> str:
    """Return the URL of the load balancing service. Raises HostError."""
    for service in catalog:
        if service.get("type") == "load-balancer":
            for each in service["endpoints"]:
                if each["interface"] == "public" and region in (None, each.get("region")):
                    return str(each["url"]).rstrip("/")
    raise HostError("The cloud's catalogue has no load balancing service (type load-balancer).")
