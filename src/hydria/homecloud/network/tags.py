"""Tags of all resources that have them: all at once, or one by one."""

from typing import Any

from hydria.homecloud.network import changes
from hydria.homecloud.network.faults import fault, invalid_attribute
from hydria.homecloud.network.forms import Tags
from hydria.homecloud.network.kinds import FLOATING, NETWORK, PORT, QOS_POLICY, ROUTER, SECURITY_GROUP, SUBNET, Kind
from hydria.homecloud.network.resource import load, load_owned
from hydria.homecloud.network.rows import Row
from hydria.http.operation import Call, Operation

_MAX_LENGTH = 255


def _operations(kind: Kind) -> tuple[Operation, ...]:
    def row(call: Call) -> Row:
        return load_owned(call, kind, kind.row, f"update_{kind.name}_tags")

    def show(call: Call) -> Any:
        return {"tags": list(load(call, kind, kind.row, call.path["id"]).tags)}

    def replace(call: Call) -> Any:
        return {"tags": _store(call, row(call), call.form.tags)}

    def clear(call: Call) -> None:
        _store(call, row(call), [])

    def check(call: Call) -> None:
        _find(load(call, kind, kind.row, call.path["id"]), call.path["tag"])

    def add(call: Call) -> None:
        found = row(call)
        tag = call.path["tag"]
        if not 0 < len(tag) <= _MAX_LENGTH:
            raise invalid_attribute("tags", f"'{tag[:40]}' exceeds maximum length of {_MAX_LENGTH}")
        _store(call, found, [*found.tags, tag])

    def remove(call: Call) -> None:
        found = row(call)
        tag = _find(found, call.path["tag"])
        _store(call, found, [each for each in found.tags if each != tag])

    many, one = kind.path + "/{id}/tags", kind.path + "/{id}/tags/{tag}"
    return (
        Operation(method="GET", path=many, work=show),
        Operation(method="PUT", path=many, work=replace, form=Tags),
        Operation(method="DELETE", path=many, work=clear, status=204),
        Operation(method="GET", path=one, work=check, status=204),
        Operation(method="PUT", path=one, work=add, status=201),
        Operation(method="DELETE", path=one, work=remove, status=204),
    )


def _store(call: Call, row: Row, tags: list[str]) -> list[str]:
    changed = changes.change(call.transaction, row, call.time, tags=tuple(dict.fromkeys(tags)))
    return list(changed.tags)


def _find(row: Row, tag: str) -> str:
    if tag not in row.tags:
        raise fault("TagNotFound", tag=tag)
    return tag


OPERATIONS = tuple(
    operation
    for kind in (NETWORK, SUBNET, PORT, ROUTER, FLOATING, SECURITY_GROUP, QOS_POLICY)
    for operation in _operations(kind)
)
