"""/providers: who makes load balancers. There is one, with Octavia's name for it."""

from typing import Any

from hydria.api.support import PROVIDERS
from hydria.http.operation import Call, Operation


def operations() -> tuple[Operation, ...]:
    """Return the operations, with paths below `/lbaas`."""
    return (Operation(method="GET", path="/providers", work=_list, rule="os_load-balancer_api:provider:get_all"),)


def _list(call: Call) -> Any:
    call.authorise(call.caller.project_id)
    providers = [{"name": name, "description": description} for name, description in PROVIDERS.items()]
    return {"providers": providers}
