"""/octavia/hosts: the machines that amphorae are on, for admins: read, drain, enable, disable, forget, invite."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import ColumnElement, func, select

from hydria.api.listing import chosen, each_chosen, page
from hydria.api.resource_types import ApiNames
from hydria.http.lists import Catalogue
from hydria.http.operation import Call, Operation
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, KnownHost
from hydria.store.tables import rows_of

HOST = ApiNames(root="host", plural="hosts", policy="host", title="Host")

_PATH = "/hosts"
_ONE = _PATH + "/{id}"


class Administration(Protocol):
    """The administration of hosts. `key` is a host's id or name; methods raise NotFound for an unknown one."""

    def shown(self, transaction: Transaction, hosts: list[KnownHost], now: datetime) -> list[dict[str, Any]]:
        """Return the bodies of hosts."""
        ...

    def find(self, transaction: Transaction, key: str) -> KnownHost:
        """Return a host."""
        ...

    def drain(self, transaction: Transaction, key: str) -> None:
        """Move all amphorae of a host to others, and give it none."""
        ...

    def enable(self, transaction: Transaction, key: str) -> None:
        """Give a host amphorae again."""
        ...

    def disable(self, transaction: Transaction, key: str) -> None:
        """Give a host no new amphorae; those that it has stay."""
        ...

    def forget(self, transaction: Transaction, key: str, now: datetime, *, force: bool) -> None:
        """Delete a host and all it said. Raises Conflict for one with amphorae, without `force`."""
        ...

    def invite(self, transaction: Transaction, now: datetime, *, url: str | None, zone: str) -> dict[str, Any]:
        """Return an invitation. Raises Invalid."""
        ...


class InvitationForm(Struct, kw_only=True, forbid_unknown_fields=True):
    """The wire form of an invitation: the zone of the new host, and the URL by which it reaches a server."""

    zone: str | UnsetType = UNSET
    url: str | None | UnsetType = UNSET


class Hosts:
    """The operations on hosts, with paths below `/octavia`."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    def operations(self) -> tuple[Operation, ...]:
        rule, hosts = HOST.rule, self._administration
        return (
            Operation(method="GET", path=_PATH, on="collection", shows=HOST, work=self._list, rule=rule("get_all")),
            Operation(
                method="POST",
                path=_PATH + "/invitations",
                form=InvitationForm,
                root="invitation",
                work=self._invite,
                status=201,
                rule=rule("post_invitation"),
            ),
            Operation(method="GET", path=_ONE, on="item", shows=HOST, work=self._show, rule=rule("get_one")),
            Operation(
                method="DELETE", path=_ONE, on="item", shows=HOST, work=self._forget, status=204, rule=rule("delete")
            ),
            *(
                Operation(
                    method="PUT", path=f"{_ONE}/{verb}", work=_changing(work), status=202, rule=rule(f"put_{verb}")
                )
                for verb, work in (("drain", hosts.drain), ("enable", hosts.enable), ("disable", hosts.disable))
            ),
        )

    def _list(self, call: Call) -> Any:
        call.authorise(call.caller.project_id)
        table = rows_of(KnownHost).table
        rows, links = page(call, Catalogue(select(table), attributes(), columns(KnownHost).id))
        hosts = [rows_of(KnownHost).load(row) for row in rows]
        shown = self._administration.shown(call.transaction, hosts, call.time)
        return {"hosts": each_chosen(shown, call), "hosts_links": links}

    def _show(self, call: Call) -> Any:
        call.authorise(call.caller.project_id)
        host = self._administration.find(call.transaction, call.path["id"])
        return {"host": chosen(self._administration.shown(call.transaction, [host], call.time)[0], call)}

    def _forget(self, call: Call) -> None:
        call.authorise(call.caller.project_id)
        force = call.query.flag("force")
        self._administration.forget(call.transaction, call.path["id"], call.time, force=force)

    def _invite(self, call: Call) -> Any:
        call.authorise(call.caller.project_id)
        form: InvitationForm = call.form
        url, zone = form.url or None, form.zone or ""
        return {"invitation": self._administration.invite(call.transaction, call.time, url=url, zone=zone)}


def _changing(work: Callable[[Transaction, str], None]) -> Callable[[Call], None]:
    def change(call: Call) -> None:
        call.authorise(call.caller.project_id)
        work(call.transaction, call.path["id"])

    return change


def attributes() -> dict[str, ColumnElement[Any]]:
    """Return the attributes that lists can be filtered and sorted by."""
    c, amphora = columns(KnownHost), columns(Amphora)
    load = select(func.count(amphora.id)).where(amphora.host == c.id).correlate(rows_of(KnownHost).table)
    return {
        "id": c.id,
        "name": c.name,
        "home": c.home,
        "enabled": c.enabled,
        "draining": c.draining,
        "joined_at": c.joined_at,
        "amphorae": load.scalar_subquery(),
    }
