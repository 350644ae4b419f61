"""/providers: the drivers of load balancers, and what the profiles of flavors and zones may ask of them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hydria.api.listing import each_chosen
from hydria.api.provider_checks import PROVIDERS, check_provider
from hydria.http.operation import Call, Operation
from hydria.model import availability_zone_profile, flavor_profile
from hydria.model.capability import Capability


def operations() -> tuple[Operation, ...]:
    """Return the operations, with paths below `/lbaas`."""
    capabilities = (
        ("flavor_capabilities", flavor_profile.CAPABILITIES, "provider-flavor"),
        ("availability_zone_capabilities", availability_zone_profile.CAPABILITIES, "provider-availability-zone"),
    )
    return (
        Operation(
            method="GET",
            path="/providers",
            on="collection",
            work=_list,
            rule="os_load-balancer_api:provider:get_all",
        ),
        *(
            Operation(
                method="GET",
                path=f"/providers/{{provider}}/{name}",
                work=partial(_capabilities, name=name, known=known),
                rule=f"os_load-balancer_api:{policy}:get_all",
            )
            for name, known, policy in capabilities
        ),
    )


def _list(call: Call) -> Any:
    call.authorise(call.caller.project_id)
    return {"providers": each_chosen(_named(PROVIDERS), call)}


def _capabilities(call: Call, *, name: str, known: Mapping[str, Capability]) -> Any:
    call.authorise(call.caller.project_id)
    check_provider(call.path["provider"])
    found = _named({key: capability.description for key, capability in known.items()})
    for attribute in ("name", "description"):
        wanted = call.query.last(attribute)
        found = [capability for capability in found if not wanted or capability[attribute] == wanted]
    return {name: each_chosen(found, call)}


def _named(descriptions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "description": description} for name, description in descriptions.items()]
