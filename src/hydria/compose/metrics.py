"""The server's route `/metrics`, and who may read it."""

from functools import partial
from ipaddress import ip_address

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hydria.controller.state_metrics import StateMetrics
from hydria.http.metrics import HttpMetrics
from hydria.settings import ServerSettings
from hydria.store import Database


def routes(settings: ServerSettings, database: Database, measures: HttpMetrics) -> list[Route]:
    """Return the route, or nothing when metrics are off."""
    if settings.metrics == "off":
        return []
    StateMetrics(database, measures.registry)

    async def answer(request: Request) -> Response:
        if settings.metrics == "loopback" and not _is_from_loopback(request):
            refusal = 'Only this machine may read the metrics. To let others, set server.metrics = "open".\n'
            return PlainTextResponse(refusal, 403)
        text = await database.run_blocking(partial(generate_latest, measures.registry))
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return [Route("/metrics", answer, methods=["GET"])]


def _is_from_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
