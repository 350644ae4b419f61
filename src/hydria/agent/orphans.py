"""The server's list of orphans, for the command line and the doctor of a host. It authenticates as agents do."""

from typing import Any

import httpx

from hydria.errors import HostError
from hydria.settings import Settings

_PATIENCE = 30.0


def orphans(settings: Settings) -> list[dict[str, Any]]:
    """Return the orphans. Raises HostError."""
    found: list[dict[str, Any]] = _ask(settings, "GET", "")["orphans"]
    return found


def mend(settings: Settings, key: str, verb: str) -> list[str]:
    """Adopt or remove an orphan, and return what could not be restored. Raises HostError."""
    missing: list[str] = _ask(settings, "POST", f"/{key}/{verb}")["missing"]
    return missing


def _ask(settings: Settings, method: str, path: str) -> Any:
    try:
        headers = {"authorization": f"Bearer {settings.agent_secret_file.read_text().strip()}"}
        url = f"{settings.agent_server_url}/agent/v1/orphans{path}"
        answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=_PATIENCE)
    except httpx.HTTPError as error:
        raise HostError(f"The server is not reached: {error or type(error).__name__}. Does it run? hydria up") from None
    except OSError as error:
        raise HostError(f"The agents' secret cannot be read: {error}") from None
    if not answer.is_success:
        raise HostError(answer.text[:500] or f"The server answers {answer.status_code}.")
    return answer.json()
