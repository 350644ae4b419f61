"""The client of an API of load balancers: Hydria's, which is Octavia's, and Octavia's own."""

from collections.abc import Iterator, Mapping
from typing import Any

from keystoneauth1 import exceptions

Body = dict[str, Any]

_PREFIX = "/v2/lbaas/"
_PAGE = 1000


class Unreachable(Exception):
    """The API did not answer, or its Keystone did not."""


class Refused(Exception):
    """The API refused a request. `status` is the HTTP status, `sentence` its reason."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Api:
    """The API, over an adapter of keystoneauth."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    def get(self, path: str, **query: Any) -> Body:
        """Return the body of a resource, without its root. Raises Refused, Unreachable."""
        return self._send("GET", path, params=query)

    def find(self, path: str, **query: Any) -> Body | None:
        """Return the body of a resource, or None where there is none. Raises Refused, Unreachable."""
        try:
            return self.get(path, **query)
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise

    def list(self, path: str, **query: Any) -> Iterator[Body]:
        """Yield the resources of a collection, page by page. Raises Refused, Unreachable."""
        marker: Mapping[str, Any] = {}
        while True:
            body = self._send("GET", path, params={"limit": _PAGE, **query, **marker})
            links = [name for name in body if name.endswith("_links")]
            (items,) = (value for name, value in body.items() if name not in links)
            yield from items
            # Octavia links to a next page also where that is empty.
            if not items or not any(link["rel"] == "next" for name in links for link in body[name]):
                return
            marker = {"marker": items[-1]["id"]}

    def create(self, path: str, root: str, body: Mapping[str, Any]) -> Body:
        """Create a resource and return it. Raises Refused, Unreachable."""
        return self._send("POST", path, json={root: body})

    def try_create(self, path: str, root: str, body: Mapping[str, Any]) -> None:
        """Have the creation of a resource checked, and not done. Raises Refused, Unreachable."""
        self._send("POST", path, json={root: body}, headers={"Dry-Run": "true"})

    def change(self, path: str, root: str, body: Mapping[str, Any]) -> Body:
        """Change a resource and return it. Raises Refused, Unreachable."""
        return self._send("PUT", path, json={root: body})

    def put(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Do something with a resource. Raises Refused, Unreachable."""
        self._send("PUT", path, json=body)

    def delete(self, path: str, **query: Any) -> None:
        """Delete a resource; none there is fine. Raises Refused, Unreachable."""
        try:
            self._send("DELETE", path, params=query)
        except Refused as refusal:
            if refusal.status != 404:
                raise

    def _send(self, method: str, path: str, **options: Any) -> Body:
        options = {name: value for name, value in options.items() if value is not None}
        try:
            answer = self._adapter.request(_PREFIX + path, method, raise_exc=False, **options)
        except exceptions.ClientException as error:
            raise Unreachable(str(error)) from error
        if answer.status_code >= 400:
            raise Refused(answer.status_code, _sentence(answer))
        body = answer.json() if answer.content else {}
        # One resource is below its root.
        return next(iter(body.values())) if len(body) == 1 and isinstance(next(iter(body.values())), dict) else body


def _sentence(answer: Any) -> str:
    try:
        body = answer.json()
    except ValueError:
        return str(answer.text)
    return str(body.get("faultstring") or body) if isinstance(body, dict) else str(body)
