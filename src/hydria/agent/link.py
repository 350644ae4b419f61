"""The agent's two calls to the server. This is the only module of the agent that knows how it authenticates."""

from pathlib import Path

import httpx
import msgspec

from hydria.contract import Holding, Orders, Reports
from hydria.errors import HydriaError

_orders = msgspec.json.Decoder(Orders)
_encoder = msgspec.json.Encoder()

# Longer than any server holds a poll open (seconds).
_POLL_PATIENCE = 400.0
_PATIENCE = 10.0


class LinkError(HydriaError):
    """The server was not reached, or its answer was an error."""


class Link:
    """The connection to the server, over an HTTP client whose base URL is the server's."""

    def __init__(self, client: httpx.AsyncClient, secret_file: Path) -> None:
        """`secret_file` holds the secret that the server made. It is read for each call, because it may change."""
        self._client = client
        self._secret_file = secret_file

    async def poll(self, holding: Holding) -> Orders:
        """Send the holding and wait for orders. Raises LinkError."""
        content = await self._post("/agent/v1/poll", _encoder.encode(holding), _POLL_PATIENCE)
        try:
            return _orders.decode(content)
        except msgspec.DecodeError as error:
            raise LinkError(f"the server's orders cannot be read: {error}") from None

    async def report(self, reports: Reports) -> None:
        """Send what changed. Raises LinkError."""
        await self._post("/agent/v1/report", _encoder.encode(reports), _PATIENCE)

    async def _post(self, path: str, content: bytes, patience: float) -> bytes:
        try:
            secret = self._secret_file.read_text().strip()
            if not secret:
                raise LinkError(f"the server's secret {self._secret_file} is empty: copy it from the server")
            headers = {"authorization": f"Bearer {secret}"}
            timeout = httpx.Timeout(_PATIENCE, read=patience)
            response = await self._client.post(path, content=content, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise LinkError(f"the server is not reached: {error or type(error).__name__}") from None
        except OSError as error:
            raise LinkError(f"the server's secret cannot be read: {error}") from None
        if not response.is_success:
            raise LinkError(f"the server answers {response.status_code}: {response.text[:200]}")
        return response.content
