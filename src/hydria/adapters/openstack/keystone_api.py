"""Keystone's API as the dashboard calls it for its users: with their own proofs, never with the service's."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keystoneauth1 import exceptions
from keystoneauth1.session import Session

from hydria.adapters.openstack.keystone import trust
from hydria.errors import Unavailable
from hydria.protocols import HttpAnswer
from hydria.settings import KeystoneSettings

# Requests at once: logins are rare.
_WIDTH = 4


class KeystoneApi:
    """Implements `hydria.protocols.Http`."""

    def __init__(self, settings: KeystoneSettings) -> None:
        """The settings must have an `auth_url`. Raises SettingsError for a bad `cafile`."""
        self._url = (settings.auth_url or "").rstrip("/").removesuffix("/v3")
        self._session = Session(verify=trust(settings), timeout=settings.timeout_seconds, app_name="hydria")
        self._threads = ThreadPoolExecutor(_WIDTH, thread_name_prefix="hydria-dashboard")

    async def send(
        self, method: str, path: str, headers: dict[str, str], body: Any = None, source: str = ""
    ) -> HttpAnswer:
        """Return Keystone's answer. `source` is not passed on. Raises Unavailable."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, method, path, headers, body)

    def _send(self, method: str, path: str, headers: dict[str, str], body: Any) -> HttpAnswer:
        try:
            answer = self._session.request(
                self._url + path,
                method,
                json=body,
                headers=headers,
                authenticated=False,
                raise_exc=False,
                log=False,
                redirect=False,
            )
        except exceptions.ClientException as error:
            raise Unavailable("Keystone cannot be reached. Please try again.") from error
        found = {name.lower(): value for name, value in answer.headers.items()}
        return HttpAnswer(status=answer.status_code, headers=found, body=answer.content)
