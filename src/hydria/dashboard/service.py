"""The dashboard of one server: its parts and routes."""

import asyncio
from collections.abc import Callable, Iterable

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from hydria.dashboard import rights
from hydria.dashboard.calls import InProcess
from hydria.dashboard.certificates import Certificates
from hydria.dashboard.events import Events
from hydria.dashboard.gateway import PREFIX, Gateway
from hydria.dashboard.pages import Pages
from hydria.dashboard.pasting import Pasting
from hydria.dashboard.pulse import Pulse
from hydria.dashboard.sessions import Sessions
from hydria.http.operation import Mount as Operations
from hydria.protocols import Clock, Http, Secrets, StoreCertificate
from hydria.store import Database, Transaction

IDENTITY = "/identity"


class Dashboard:
    """Serves pages, sessions and events; everything else goes through the server's own APIs."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        secrets_of: Callable[[Transaction], Secrets],
        public_url: str | None,
        store_certificate: StoreCertificate | None = None,
    ) -> None:
        """`public_url` is this server's address for clients, None where it is that of requests.

        `store_certificate` stores a pasted certificate in a key manager elsewhere, None where its API is this server's.
        """
        self._public_url = public_url or ""
        self._store_certificate = store_certificate
        self.pulse = Pulse(database, clock)
        features = rights.FEATURES if store_certificate is None else (*rights.FEATURES, "paste")
        self.operations: tuple[Operations, ...] = (rights.mount(Certificates(secrets_of), features),)
        self._events: Events | None = None

    def routes(self, app: ASGIApp, mounts: Iterable[Operations], identity: Http | None) -> list[BaseRoute]:
        """Return the routes. `app` answers the APIs of `mounts`; without `identity` it has the users itself."""
        own = InProcess(app)
        self._events = Events(self.pulse, own)
        prefixes = {f"/{prefix.split('/')[1]}" for mount in mounts for prefix in mount.prefixes if "/" in prefix}
        apis = (*sorted(prefixes - {"/dashboard"}), rights.PREFIX)
        return [
            Mount(PREFIX, app=Gateway(app, apis, self._public_url)),
            *Sessions(identity or InProcess(app, IDENTITY), own, self._public_url).routes(),
            *self._events.routes(),
            *(() if self._store_certificate is None else Pasting(self._store_certificate, self._public_url).routes()),
            *Pages().routes(),
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Compute what the events tell, until `stop` is set."""
        await self.pulse.run(stop)

    def close(self) -> None:
        """End all streams of events, so that the server can stop."""
        self.pulse.close()
