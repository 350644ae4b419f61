"""The server's routes for `hydria orphan`, `hydria host` and the doctor, on the server's own machine."""

from typing import Any
from urllib.parse import quote

import httpx

from hydria.errors import HostError
from hydria.settings import Settings

_PATIENCE = 30.0


def orphans(settings: Settings) -> list[dict[str, Any]]:
    """Return the orphans. Raises HostError."""
    found: list[dict[str, Any]] = _ask(settings, "GET", "/orphans")["orphans"]
    return found


def mend(settings: Settings, key: str, verb: str) -> list[str]:
    """Adopt or remove an orphan, and return what could not be restored. Raises HostError."""
    missing: list[str] = _ask(settings, "POST", f"/orphans/{quote(key, safe='')}/{verb}")["missing"]
    return missing


def hosts(settings: Settings) -> list[dict[str, Any]]:
    """Return the bodies of all hosts. Raises HostError."""
    found: list[dict[str, Any]] = _ask(settings, "GET", "/admin/hosts")["hosts"]
    return found


def host(settings: Settings, key: str) -> dict[str, Any]:
    """Return the body of a host by its id or name. Raises HostError."""
    found: dict[str, Any] = _ask(settings, "GET", f"/admin/hosts/{quote(key, safe='')}")["host"]
    return found


def change_host(settings: Settings, key: str, verb: str, *, force: bool = False) -> None:
    """Drain, enable, disable or forget a host. Raises HostError."""
    _ask(settings, "POST", f"/admin/hosts/{quote(key, safe='')}/{verb}?force={str(force).lower()}")


def try_host(settings: Settings, key: str, verb: str, *, force: bool = False) -> dict[str, Any] | None:
    """Return a host as it would be after a change, None where it would be gone. Nothing changes. Raises HostError."""
    query = f"force={str(force).lower()}&dry_run=true"
    found: dict[str, Any] | None = _ask(settings, "POST", f"/admin/hosts/{quote(key, safe='')}/{verb}?{query}")["host"]
    return found


def invite(settings: Settings, url: str | None, zone: str) -> dict[str, str]:
    """Return an invitation for one host. Raises HostError."""
    asked = {"url": url, "zone": zone}
    found: dict[str, str] = _ask(settings, "POST", "/admin/invitations", asked)["invitation"]
    return found


def _ask(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    try:
        headers = {"authorization": f"Bearer {settings.agent_secret_file.read_text().strip()}"}
        url = f"{settings.agent_server_url}/agent/v1{path}"
        answer = httpx.request(method, url, headers=headers, json=body, trust_env=False, timeout=_PATIENCE)
    except httpx.HTTPError as error:
        raise HostError(f"The server is not reached: {error or type(error).__name__}. Does it run? hydria up") from None
    except OSError as error:
        raise HostError(f"The agents' secret cannot be read: {error}") from None
    if not answer.is_success:
        raise HostError(answer.text[:500] or f"The server answers {answer.status_code}.")
    return answer.json() if answer.content else None
