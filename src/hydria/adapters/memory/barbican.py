"""A Barbican in memory with its rules as far as load balancers meet them. Tests change it and make its calls fail."""

import uuid
from collections.abc import Mapping

from hydria.adapters.memory.faults import Faults
from hydria.errors import Forbidden, NotFound

_URL = "http://barbican.test:9311/v1"
_FORBIDDEN = "retrieval attempt not allowed - please review your user/project privileges"


class MemoryBarbican:
    """Implements `hydria.barbican.calls.Calls`. `faults` makes calls raise, by their names; `calls` counts them."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: list[str] = []
        # Payloads of secrets by id, references of containers' secrets by id.
        self.secrets: dict[str, bytes] = {}
        self.containers: dict[str, dict[str | None, str]] = {}
        # The tokens whose users see a secret or container, and what Hydria's user may read.
        self.visible: dict[str, set[str]] = {}
        self.readable: set[str] = set()
        # The load balancers that are registered, by the id of the secret or container.
        self.consumers: dict[str, set[str]] = {}

    def add_secret(self, payload: bytes, *tokens: str, readable: bool = True) -> str:
        """Store a secret that the users of some tokens see; return its reference."""
        key = self._add(tokens, readable=readable)
        self.secrets[key] = payload
        return f"{_URL}/secrets/{key}"

    def add_container(self, parts: dict[str | None, str], *tokens: str, readable: bool = True) -> str:
        """Store a container of references by name; return its reference."""
        key = self._add(tokens, readable=readable)
        self.containers[key] = parts
        return f"{_URL}/containers/{key}"

    def allow(self, reference: str) -> None:
        """Let Hydria's user read a secret or container."""
        self.readable.add(reference.rpartition("/")[2])

    async def check_visible(self, collection: str, key: str, token: str) -> None:
        self._called("check_visible")
        self._check_exists(collection, key)
        if token not in self.visible[key]:
            raise Forbidden(f"{collection.title().removesuffix('s')} {_FORBIDDEN}")

    async def payload(self, secret_id: str) -> bytes:
        self._called("payload")
        self._check_exists("secrets", secret_id)
        if secret_id not in self.readable:
            raise Forbidden(f"Secret payload {_FORBIDDEN}")
        return self.secrets[secret_id]

    async def parts(self, container_id: str) -> dict[str | None, str]:
        self._called("parts")
        self._check_exists("containers", container_id)
        if container_id not in self.readable:
            raise Forbidden(f"Container {_FORBIDDEN}")
        return self.containers[container_id]

    async def store_secret(self, token: str, name: str, payload: str) -> str:
        self._called("store_secret")
        return self.add_secret(payload.encode(), token, readable=False)

    async def store_container(self, token: str, name: str, parts: Mapping[str | None, str]) -> str:
        self._called("store_container")
        return self.add_container(dict(parts), token, readable=False)

    async def share(self, token: str, collection: str, key: str) -> None:
        await self.check_visible(collection, key, token)
        self._called("share")
        self.readable.add(key)

    async def register(self, collection: str, key: str, load_balancer_id: str) -> None:
        self._called("register")
        self._check_exists(collection, key)
        self.consumers.setdefault(key, set()).add(load_balancer_id)
        self.faults.raise_if_set("register", after=True)

    async def unregister(self, collection: str, key: str, load_balancer_id: str) -> None:
        """Remove a consumer. Raises NotFound for one that is not registered."""
        self._called("unregister")
        self._check_exists(collection, key)
        if load_balancer_id not in self.consumers.get(key, set()):
            raise NotFound("Consumer not found.")
        self.consumers[key].remove(load_balancer_id)
        self.faults.raise_if_set("unregister", after=True)

    def _add(self, tokens: tuple[str, ...], *, readable: bool) -> str:
        key = str(uuid.uuid4())
        self.visible[key] = set(tokens)
        if readable:
            self.readable.add(key)
        return key

    def _check_exists(self, collection: str, key: str) -> None:
        if key not in (self.secrets if collection == "secrets" else self.containers):
            raise NotFound("Not Found. Sorry but your secret is in another castle.")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.faults.raise_if_set(name)
