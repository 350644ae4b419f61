"""A key manager behind the real dispatcher and a real SQLite, and someone who asks it things."""

import base64
from pathlib import Path
from typing import Any

import httpx

from hydria.adapters.memory import ManualClock, MemoryIdentity
from hydria.homecloud.secrets import HomeSecrets, KeyManager, Vault, new_key
from hydria.model.caller import Caller
from hydria.model.references import Purpose
from hydria.store.certificates import AcmeOrder
from hydria.times import stamp
from tests.support.databases import open_database
from tests.support.mounted import mounted

DEMO, OTHER = "d" * 32, "e" * 32
ROOT = "/key-manager/v1"

_CALLERS = {
    "demo": Caller(user_id="u-demo", project_id=DEMO, roles=frozenset({"member"})),
    "friend": Caller(user_id="u-friend", project_id=DEMO, roles=frozenset({"member"})),
    "reader": Caller(user_id="u-reader", project_id=DEMO, roles=frozenset({"reader"})),
    "other": Caller(user_id="u-other", project_id=OTHER, roles=frozenset({"member"})),
}


class Barbican:
    """The service, and the calls of several people; `demo` asks where nobody else is named."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "secrets.db"
        self.database = open_database(f"sqlite:///{self.file}")
        self.clock = ManualClock()
        self.vault = Vault(new_key())
        mounts = KeyManager(self.vault, orders=AcmeOrder).mounts()
        app = mounted(self.database, self.clock, MemoryIdentity(_CALLERS), mounts)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://barbican")

    async def close(self) -> None:
        await self._client.aclose()
        self.database.close()

    async def ask(self, method: str, path: str, *, who: str | None = "demo", **options: Any) -> httpx.Response:
        """Send anything; a path may be a whole reference."""
        url = path if path.startswith(("http", "/key-manager")) else ROOT + path
        headers = {} if who is None else {"X-Auth-Token": who}
        return await self._client.request(method, url, headers=headers | options.pop("headers", {}), **options)

    async def get(self, path: str, who: str = "demo") -> Any:
        answer = await self.ask("GET", path, who=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def store(self, payload: str | bytes | None = None, *, who: str = "demo", **attributes: Any) -> str:
        """Store a secret; returns its reference."""
        if isinstance(payload, bytes):
            attributes |= {
                "payload": base64.b64encode(payload).decode(),
                "payload_content_type": "application/octet-stream",
                "payload_content_encoding": "base64",
            }
        elif payload is not None:
            attributes |= {"payload": payload, "payload_content_type": "text/plain"}
        answer = await self.ask("POST", "/secrets", json=attributes, who=who)
        assert answer.status_code == 201, answer.text
        reference: str = answer.json()["secret_ref"]
        assert answer.headers["location"] == reference
        return reference

    async def contain(self, kind: str, **references: str) -> str:
        """Make a container of these secrets; returns its reference."""
        refs = [{"name": name, "secret_ref": reference} for name, reference in references.items()]
        answer = await self.ask("POST", "/containers", json={"type": kind, "name": "c", "secret_refs": refs})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["container_ref"])

    async def refused(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Return status and description of a refusal."""
        answer = await self.ask(method, path, **options)
        body = answer.json()
        assert body["code"] == answer.status_code
        assert body["title"]
        return answer.status_code, body["description"]

    def pem(self, reference: str, purpose: Purpose = "certificate", project_id: str = DEMO) -> str:
        """Return what a load balancer's reference leads to."""
        now = stamp(self.clock.now())
        return self.database.read(
            lambda transaction: HomeSecrets(transaction, self.vault, now).pem(reference, purpose, project_id)
        )
