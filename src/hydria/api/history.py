"""/loadbalancers/{id}/revisions: what changed, who changed it, and what that took and cost."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hydria.api.access import permitted
from hydria.api.resource_types import LOAD_BALANCER as KIND
from hydria.errors import Invalid, NotFound
from hydria.http.operation import Call, Operation
from hydria.model import LoadBalancer, Resource
from hydria.model.applied import WAYS
from hydria.model.differences import State, attributes, differences, kind_name
from hydria.store.revisions import Revision, revisions_of, states

_MOST = 1000

# The keys of a tree's parts in a revision, by the names of kinds.
_PLURALS = {
    "listener": "listeners",
    "pool": "pools",
    "member": "members",
    "healthmonitor": "healthmonitors",
    "l7policy": "l7policies",
    "l7rule": "l7rules",
}


class Moment(Struct, frozen=True, kw_only=True):
    """A revision, with the tree as it was then and before; `before` is None where the history does not say."""

    revision: Revision
    state: State
    before: State | None


def operations() -> tuple[Operation, ...]:
    """Return the operations that read the history, with paths below `/lbaas`."""
    one = "/loadbalancers/{id}/revisions"
    rule = KIND.rule("get_revisions")
    return (
        Operation(method="GET", path=one, work=_list, rule=rule),
        Operation(method="GET", path=one + "/{revision}", work=_show, rule=rule),
        Operation(method="GET", path=one + "/{revision}/diff", work=_diff, rule=rule),
    )


def moments(call: Call, load_balancer: LoadBalancer) -> list[Moment]:
    """Return the history of a load balancer, the oldest revision first."""
    found: list[Moment] = []
    for revision, state in states(revisions_of(call.transaction, load_balancer.id)):
        if found:
            before: State | None = found[-1].state
        else:
            # A load balancer that this revision made was nothing before.
            before = {} if revision.generation == 1 else None
        found.append(Moment(revision=revision, state=state, before=before))
    return found


def moment(found: Sequence[Moment], load_balancer_id: str, number: int | str) -> Moment:
    """Return the revision of a number. Raises NotFound."""
    for each in found:
        if str(each.revision.generation) == str(number):
            return each
    raise NotFound(f"Revision {number} of load balancer {load_balancer_id} not found.")


def _list(call: Call) -> Any:
    load_balancer = permitted(call, KIND, call.path["id"]).resource
    found = moments(call, load_balancer)[::-1]
    limit, marker = _limit(call), call.query.last("marker")
    if marker is not None:
        found = found[found.index(moment(found, load_balancer.id, marker)) + 1 :]
    shown = [_body(each, load_balancer) for each in found[:limit]]
    links = []
    if len(found) > limit:
        links.append({"rel": "next", "href": f"{call.url}?limit={limit}&marker={shown[-1]['revision']}"})
    return {"revisions": shown, "revisions_links": links}


def _show(call: Call) -> Any:
    load_balancer = permitted(call, KIND, call.path["id"]).resource
    found = moment(moments(call, load_balancer), load_balancer.id, call.path["revision"])
    return {"revision": {**_body(found, load_balancer), "tree": tree_of(found.state)}}


def _diff(call: Call) -> Any:
    load_balancer = permitted(call, KIND, call.path["id"]).resource
    found = moments(call, load_balancer)
    first = moment(found, load_balancer.id, call.path["revision"])
    wanted = call.query.last("to")
    last = found[-1] if wanted is None else moment(found, load_balancer.id, wanted)
    return {
        "diff": {
            "from": first.revision.generation,
            "to": last.revision.generation,
            "changes": msgspec.to_builtins(differences(first.state, last.state)),
        }
    }


def tree_of(state: State) -> dict[str, Any]:
    """Return the resources of a state as a body shows them, by their kinds."""
    shown: dict[str, Any] = {"loadbalancer": {}, **{plural: [] for plural in _PLURALS.values()}}
    for resource in state.values():
        if isinstance(resource, LoadBalancer):
            shown["loadbalancer"] = _attributes(resource)
        else:
            shown[_PLURALS[kind_name(resource)]].append(_attributes(resource))
    return shown


def _attributes(resource: Resource) -> dict[str, Any]:
    return {**attributes(resource), "created_at": resource.created_at, "updated_at": resource.updated_at}


def _body(found: Moment, load_balancer: LoadBalancer) -> dict[str, Any]:
    revision = found.revision
    changes = None if found.before is None else msgspec.to_builtins(differences(found.before, found.state))
    return {
        "revision": revision.generation,
        "loadbalancer_id": revision.load_balancer_id,
        "created_at": revision.created_at,
        "cause": revision.cause,
        "user_id": revision.user_id,
        "project_id": revision.project_id,
        "request_id": revision.request_id,
        "changes": changes,
        "served": _served(revision, load_balancer),
    }


def _served(revision: Revision, load_balancer: LoadBalancer) -> dict[str, Any]:
    failed = load_balancer.reason is not None and revision.generation <= load_balancer.failed
    ways = [way.way for way in revision.ways.values()]
    done = revision.served_at is not None
    return {
        "state": "served" if done else "failed" if failed else "pending",
        "at": revision.served_at,
        "seconds": None if revision.seconds is None else round(max(0.0, revision.seconds), 3),
        "with_revision": revision.served_with,
        "way": max(ways, key=WAYS.index) if ways else None,
        "lost_requests": sum(way.lost_requests for way in revision.ways.values()) if ways else None,
        "lost_connections": sum(way.lost_connections for way in revision.ways.values()) if ways else None,
        "amphorae": [
            {
                "amphora_id": key,
                "way": way.way,
                "lost_requests": way.lost_requests,
                "lost_connections": way.lost_connections,
            }
            for key, way in revision.ways.items()
        ],
        "reason": None if done or not failed else load_balancer.reason,
        "failed_at": revision.failed_at,
        "failure": revision.failure,
    }


def _limit(call: Call) -> int:
    text = call.query.last("limit")
    if text is None:
        return 100
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise Invalid(f"The limit '{text}' is not valid. It must be a number from 1 to {_MOST}.")
    return int(text)
