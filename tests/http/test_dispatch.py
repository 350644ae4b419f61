"""The dispatcher, with a front of its own: routing, transactions, identities, limits, defects."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from msgspec import Struct
from starlette.applications import Starlette

from hydria.adapters.memory import ManualClock, MemoryIdentity
from hydria.errors import Conflict, Refusal, TooMany
from hydria.http.decode import decode
from hydria.http.dispatch import Dispatcher
from hydria.http.operation import Call, Mount, Operation, Preparation, Reply
from hydria.model.caller import Caller
from hydria.store import columns
from hydria.store.resources import KnownHost
from tests.support.databases import open_database


class Form(Struct, kw_only=True):
    """A body."""

    name: str


class Dialect:
    """A front that says as little as it can."""

    json_only = False

    def decode(self, raw: bytes, operation: Operation) -> Any:
        assert operation.form is not None
        return decode(raw, operation.root, operation.form)

    def fault(self, refusal: Refusal) -> tuple[Any, dict[str, str]]:
        return {"no": refusal.message, "kind": refusal.kind}, {"X-No": "1"}

    def failure(self, request_id: str) -> Any:
        return {"broken": request_id}


CALLERS = {"u": Caller(user_id="u", project_id="p", roles=frozenset({"admin"}))}


class Everybody:
    """Allows all but one rule."""

    hides_foreign = False

    def allows(self, rule: str, caller: Caller, project_id: str | None) -> bool:
        return rule != "never" and project_id == caller.project_id


def _write(call: Call) -> Any:
    call.transaction.insert(KnownHost(id=call.form.name, seen_at=1))
    if call.form.name == "clash":
        raise Conflict("It is there.")
    if call.form.name == "defect":
        raise RuntimeError("a secret of ours")
    return {"name": call.form.name}


def _authorised(call: Call) -> Any:
    call.authorise("p")
    return {}


def _write_while_reading(call: Call) -> Any:
    call.transaction.insert(KnownHost(id="seen", seen_at=1))
    return {}


def _tag(call: Call) -> str:
    call.authorise(call.path["project"])
    return f"v{len(call.transaction.find(KnownHost))}"


def _rename(call: Call) -> Any:
    call.transaction.insert(KnownHost(id=call.form.name, seen_at=1))
    return Reply(body={"name": call.form.name}, tag=_tag(call))


OPERATIONS = (
    Operation(method="GET", path="/things/{id}", work=lambda call: {"id": call.path["id"]}),
    Operation(method="GET", path="/things/search", work=lambda call: {"found": call.query.pairs}),
    Operation(method="POST", path="/things", work=_write, form=Form, root="thing", status=201),
    Operation(method="GET", path="/things", work=lambda call: [host.id for host in call.transaction.find(KnownHost)]),
    Operation(method="DELETE", path="/things/{id}", work=lambda _: None, status=204),
    Operation(method="GET", path="/me", work=lambda call: {"user": call.caller.user_id, "admin": call.caller.is_admin}),
    Operation(
        method="GET",
        path="/open",
        work=lambda call: {"open": call.path == {}},
        open=True,
    ),
    Operation(method="GET", path="/asks", work=lambda call: call.caller, open=True),
    Operation(method="GET", path="/allowed", work=_authorised, rule="always"),
    Operation(method="GET", path="/never", work=_authorised, rule="never"),
    Operation(method="GET", path="/writes", work=_write_while_reading, writes=True),
    Operation(method="GET", path="/own", work=lambda _: Reply(body={"a": 1}, status=300, headers={"X-Own": "yes"})),
    Operation(method="GET", path="/tagged/{project}", on="item", work=lambda call: Reply(body={}, tag=_tag(call))),
    Operation(method="PUT", path="/tagged/{project}", on="item", work=_rename, tag=_tag, form=Form, root="thing"),
    Operation(method="GET", path="/where", work=lambda call: {"url": call.url, "base": call.base_url, "now": call.now}),
)


@pytest.fixture
async def http(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    database = open_database(f"sqlite:///{tmp_path / 'hydria.db'}")
    # Both ways to run a handler: on the loop, and in a thread as for a database that is elsewhere.
    database.embedded = getattr(request, "param", True)
    dispatcher = Dispatcher(
        database, authenticator=MemoryIdentity(CALLERS), authorisation=Everybody(), clock=ManualClock(), max_body=100
    )
    app = Starlette(routes=dispatcher.routes(Mount(prefixes=("/a", "/b"), operations=OPERATIONS, dialect=Dialect())))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://front", headers={"X-Auth-Token": "u"}) as client:
        yield client
    database.close()


@pytest.mark.parametrize("http", [True, False], indirect=True)
async def test_both_ways_to_run_a_handler(http: httpx.AsyncClient) -> None:
    answer = await http.post("/a/things", json={"thing": {"name": "one"}})
    assert (answer.status_code, answer.json()) == (201, {"name": "one"})
    assert answer.headers["content-type"] == "application/json"
    assert (await http.get("/b/things")).json() == ["one"]


async def test_routes(http: httpx.AsyncClient) -> None:
    assert (await http.get("/a/things/5")).json() == {"id": "5"}
    assert (await http.get("/b/things/search?a=1&a=&b=%C3%A4")).json() == {"found": [["a", "1"], ["a", ""], ["b", "ä"]]}
    answer = await http.delete("/a/things/5")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert (await http.head("/a/things/5")).status_code == 200
    ids = {(await http.get("/a/things")).headers["x-openstack-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_methods(http: httpx.AsyncClient) -> None:
    answer = await http.patch("/a/things/5")
    assert answer.status_code == 405
    assert answer.json() == {"no": "The method PATCH is not allowed for this resource.", "kind": "MethodNotAllowed"}
    assert answer.headers["allow"] == "GET, DELETE"
    assert (await http.head("/a/things")).status_code == 200


async def test_identities(http: httpx.AsyncClient) -> None:
    assert (await http.get("/a/me")).json() == {"user": "u", "admin": True}
    for headers in ({"X-Auth-Token": ""}, {"X-Auth-Token": "bad"}):
        answer = await http.get("/a/me", headers=headers)
        assert (answer.status_code, answer.headers["x-no"]) == (401, "1")
        assert (await http.get("/a/open", headers=headers)).json() == {"open": True}
    # An operation that is open to all but needs somebody is a defect of ours.
    assert (await http.get("/a/asks", headers={"X-Auth-Token": ""})).status_code == 500


async def test_rules(http: httpx.AsyncClient) -> None:
    assert (await http.get("/a/allowed")).status_code == 200
    answer = await http.get("/a/never")
    assert (answer.status_code, answer.json()["kind"]) == (403, "PolicyNotAuthorized")


async def test_a_refusal_takes_everything_back(http: httpx.AsyncClient) -> None:
    answer = await http.post("/a/things", json={"thing": {"name": "clash"}})
    assert (answer.status_code, answer.json()) == (409, {"no": "It is there.", "kind": "Conflict"})
    assert (await http.get("/a/things")).json() == []


async def test_a_defect_shows_nothing_of_ours(http: httpx.AsyncClient) -> None:
    answer = await http.post("/a/things", json={"thing": {"name": "defect"}})
    assert answer.status_code == 500
    assert answer.json() == {"broken": answer.headers["x-openstack-request-id"]}
    assert (await http.get("/a/things")).json() == []


async def test_large_bodies(http: httpx.AsyncClient) -> None:
    assert (await http.post("/a/things", content=b" " * 101)).status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 50

    assert (await http.post("/a/things", content=endless())).status_code == 413


async def test_a_get_may_write_when_it_says_so(http: httpx.AsyncClient) -> None:
    assert (await http.get("/a/writes")).status_code == 200
    assert (await http.get("/a/things")).json() == ["seen"]


async def test_a_reply_of_its_own(http: httpx.AsyncClient) -> None:
    answer = await http.get("/a/own")
    assert (answer.status_code, answer.json(), answer.headers["x-own"]) == (300, {"a": 1}, "yes")


async def test_a_change_of_another_state_than_the_one_that_was_seen_is_refused(http: httpx.AsyncClient) -> None:
    seen = (await http.get("/a/tagged/p")).headers["etag"]
    assert seen == '"v0"'

    async def put(name: str, if_match: str, project: str = "p") -> httpx.Response:
        return await http.put(f"/a/tagged/{project}", json={"thing": {"name": name}}, headers={"If-Match": if_match})

    changed = await put("one", f'"other", W/{seen}')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"v1"')
    stale = await put("two", seen)
    assert (stale.status_code, stale.json()["no"]) == (
        412,
        'The resource has changed: its ETag is "v1", If-Match names "v0".',
    )
    # A caller without the right to change it does not get the tag.
    assert (await put("two", seen, project="q")).status_code == 403
    assert (await http.get("/a/things")).json() == ["one"]
    assert (await put("three", "*")).headers["etag"] == '"v2"'


async def test_addresses(http: httpx.AsyncClient) -> None:
    found = (await http.get("/b/where?x=1")).json()
    assert found == {"url": "http://front/b/where", "base": "http://front", "now": "2026-01-01T00:00:00"}


async def test_an_operation_is_prepared_before_its_transaction(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'hydria.db'}")
    seen: list[Preparation] = []

    async def prepare(preparation: Preparation) -> str:
        seen.append(preparation)
        # A transaction of its own can write here: the operation's has not begun.
        database.transact(lambda transaction: transaction.insert(KnownHost(id="prepared", seen_at=1)))
        if preparation.form.name == "refused":
            raise TooMany("Not now.", 7)
        return f"ready for {preparation.caller.user_id if preparation.caller else 'nobody'}"

    def work(call: Call) -> Any:
        found = [host.id for host in call.transaction.find(KnownHost)]
        return {"prepared": call.prepared, "found": found}

    operation = Operation(method="POST", path="/things", work=work, form=Form, root="thing", prepare=prepare)
    dispatcher = Dispatcher(
        database,
        authenticator=MemoryIdentity(CALLERS),
        authorisation=Everybody(),
        clock=ManualClock(),
        max_body=100,
    )
    app = Starlette(routes=dispatcher.routes(Mount(prefixes=("",), operations=(operation,), dialect=Dialect())))
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
        assert (await client.post("/things", json={"thing": {"name": "x"}})).status_code == 401
        headers = {"X-Auth-Token": "u"}
        assert seen == []
        refused = await client.post("/things", json={"thing": {"name": "refused"}}, headers=headers)
        assert (refused.status_code, refused.headers["retry-after"], refused.headers["x-no"]) == (429, "7", "1")
        database.transact(lambda transaction: transaction.delete(KnownHost, columns(KnownHost).id == "prepared"))
        answer = await client.post("/things", json={"thing": {"name": "x"}}, headers=headers)
        assert answer.json() == {"prepared": "ready for u", "found": ["prepared"]}
        assert seen[-1].source == "192.0.2.7"
    database.close()


async def test_each_line_of_a_request_has_its_id(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'hydria.db'}")
    lines: list[dict[str, Any]] = []

    def work(_: Call) -> Any:
        lines.append(structlog.contextvars.get_contextvars())
        return {}

    operations = (Operation(method="GET", path="/logs", work=work, open=True),)
    dispatcher = Dispatcher(
        database,
        authenticator=MemoryIdentity(CALLERS),
        authorisation=Everybody(),
        clock=ManualClock(),
        max_body=100,
    )
    app = Starlette(routes=dispatcher.routes(Mount(prefixes=("",), operations=operations, dialect=Dialect())))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://front") as client:
        answers = [await client.get("/logs") for _ in range(2)]
    assert [line["request_id"] for line in lines] == [each.headers["x-openstack-request-id"] for each in answers]
    assert structlog.contextvars.get_contextvars() == {}
    database.close()
