"""One API of the home cloud behind the real dispatcher and a real database, without the rest of a server."""

from collections.abc import Iterable

from starlette.applications import Starlette

from hydria.http.dispatch import Dispatcher
from hydria.http.operation import Authenticator, Mount
from hydria.model.caller import Caller
from hydria.protocols import Clock
from hydria.store import Database

_MAX_BODY = 64 * 1024


class NoPolicy:
    """The home cloud decides on rights itself, so its operations must not ask Octavia's policy."""

    hides_foreign = False

    def allows(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        raise AssertionError((rule, caller, project_id))


def mounted(database: Database, clock: Clock, authenticator: Authenticator, mounts: Iterable[Mount]) -> Starlette:
    """Return an application with the operations of these mounts."""
    dispatcher = Dispatcher(
        database, authenticator=authenticator, authorisation=NoPolicy(), clock=clock, max_body=_MAX_BODY
    )
    return Starlette(routes=[route for mount in mounts for route in dispatcher.routes(mount)])
