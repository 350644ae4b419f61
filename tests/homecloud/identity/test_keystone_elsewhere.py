"""Users of a Keystone elsewhere: the adapter over a socket, with the home cloud's identity in Keystone's place.

`python -m compare.keystone` does the same with a real one.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from msgspec import structs
from starlette.types import ASGIApp, Receive, Scope, Send

from hydria.adapters.memory import ManualClock
from hydria.adapters.openstack.keystone import KeystoneIdentity
from hydria.compose.authorization import keystone_identity
from hydria.compose.clock import SystemClock
from hydria.compose.credentials import Credentials
from hydria.compose.schema import upgrade_database
from hydria.compose.server import make_app
from hydria.errors import SettingsError, Unavailable
from hydria.settings import KeystoneSettings, Settings
from hydria.store import Database
from tests.homecloud.identity.cloud import PASSWORD, Keystone, Member
from tests.support.waiting import eventually


class Elsewhere:
    """A Keystone behind a socket, with the user `hydria` that may look at tokens; `looks` counts that.

    `silent` is how many looks are not answered in time.
    """

    def __init__(self, path: Path) -> None:
        self.keystone = Keystone(path, SystemClock())
        self.looks = 0
        self.silent = 0
        self.url = ""
        self.clock = ManualClock(SystemClock().now())

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET" and scope["path"].endswith("/auth/tokens"):
            self.looks += 1
            if self.silent:
                self.silent -= 1
                await asyncio.sleep(30)
        await self.keystone.app(scope, receive, send)

    async def fill(self) -> Member:
        """Make the user `hydria`, and a member whose token can be looked at."""
        admin = await self.keystone.admin()
        await admin.member("hydria", role="service")
        return await admin.member("alice")

    def settings(self, **values: Any) -> KeystoneSettings:
        known = KeystoneSettings(
            auth_url=f"{self.url}/identity", password=PASSWORD, project_name="hydrias", timeout_seconds=2
        )
        return structs.replace(known, **values)

    def identity(self, **values: Any) -> KeystoneIdentity:
        return KeystoneIdentity(self.settings(**values), self.clock)


@contextmanager
def served(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an application on loopback; the value is its address."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, interface="asgi3", log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        thread.join(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    made = Elsewhere(tmp_path)
    with served(made.app) as made.url:
        yield made
    made.keystone.database.close()


async def refused(identity: KeystoneIdentity, token: str) -> str:
    with pytest.raises(Unavailable) as caught:
        await identity.prepare(token)
    return caught.value.message


@pytest.mark.parametrize("end", ["/identity", "/identity/", "/identity/v3", "/identity/v3/"])
async def test_the_owner_of_a_token(elsewhere: Elsewhere, end: str) -> None:
    alice = await elsewhere.fill()
    identity = elsewhere.identity(auth_url=elsewhere.url + end)
    caller = await identity.prepare(alice.token)
    assert caller is not None
    assert (caller.user_id, caller.project_id) == (alice.user_id, alice.project_id)
    assert (caller.user_name, caller.project_name) == ("alice", "alices")
    assert caller.roles == {"member", "reader"}
    admin = await identity.prepare(await elsewhere.keystone.token("admin", project="admin"))
    assert admin is not None
    assert admin.is_admin
    # Without a project nobody is anything here.
    unscoped = await elsewhere.keystone.login(
        {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"id": alice.user_id, "password": PASSWORD}},
            },
            "scope": "unscoped",
        }
    )
    nowhere = await identity.prepare(unscoped.headers["x-subject-token"])
    assert nowhere is not None
    assert (nowhere.user_id, nowhere.project_id, nowhere.roles) == (alice.user_id, None, frozenset())


async def test_invalid_tokens(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    identity = elsewhere.identity()
    assert await identity.prepare(alice.token[:-8]) is None
    assert elsewhere.looks == 1
    for token in ("ä", "a b", "a\x00", "\x0bx", "x" * 5000, "\udcff"):
        assert await identity.prepare(token) is None
    # No such token is anybody's: nothing is asked.
    assert elsewhere.looks == 1


async def test_answers_are_cached(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    identity = elsewhere.identity(cache_seconds=30)
    for _ in range(3):
        assert await identity.prepare(alice.token) is not None
        assert await identity.prepare("gAAAAnobody") is None
    assert elsewhere.looks == 2
    assert (await alice.call("DELETE", "auth/tokens", **{"x-subject-token": alice.token})).status_code == 204
    elsewhere.clock.advance(seconds=29)
    assert await identity.prepare(alice.token) is not None
    elsewhere.clock.advance(seconds=2)
    assert await identity.prepare(alice.token) is None
    assert elsewhere.looks == 3


async def test_answers_are_not_cached_without_a_cache(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    identity = elsewhere.identity(cache_seconds=0)
    for _ in range(3):
        assert await identity.prepare(alice.token) is not None
    assert elsewhere.looks == 3


async def test_a_cached_token_expires(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    identity = elsewhere.identity(cache_seconds=3600)
    elsewhere.clock.advance(hours=1, minutes=50)
    assert await identity.prepare(alice.token) is not None
    elsewhere.clock.advance(minutes=11)
    # Keystone's own clock has not moved.
    assert await identity.prepare(alice.token) is None


async def test_concurrent_requests_share_one_answer(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    identity = elsewhere.identity()
    asking = [asyncio.create_task(identity.prepare(alice.token)) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert {getattr(caller, "user_id", caller) for caller in found[1:]} == {alice.user_id}
    assert elsewhere.looks == 1


async def test_hydria_logs_in_again_when_its_token_is_invalid(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    identity = elsewhere.identity(cache_seconds=0)
    assert await identity.prepare(alice.token) is not None
    admin = await elsewhere.keystone.admin()
    user = (await admin.list("users", "name=hydria"))[0]
    # Which ends all tokens of the user.
    for enabled in (False, True):
        await admin.call("PATCH", f"users/{user['id']}", {"user": {"enabled": enabled}})
    assert await identity.prepare(alice.token) is not None


async def test_a_wrong_service_password_is_reported(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    sentence = await refused(elsewhere.identity(password="wrong"), alice.token)
    assert "Keystone does not let Hydria in as hydria." in sentence


async def test_a_service_user_without_the_right_to_validate(elsewhere: Elsewhere) -> None:
    alice = await elsewhere.fill()
    await (await elsewhere.keystone.admin()).member("weak", role="reader")
    identity = elsewhere.identity(username="weak", project_name="weaks")
    assert "lets weak validate no tokens; give it the role service" in await refused(identity, alice.token)


async def test_an_outage_of_keystone(tmp_path: Path) -> None:
    elsewhere = Elsewhere(tmp_path)
    alice = await elsewhere.fill()
    bob = await (await elsewhere.keystone.admin()).member("bob")
    with served(elsewhere.app) as elsewhere.url:
        port = int(elsewhere.url.rpartition(":")[2])
        identity = elsewhere.identity()
        assert await identity.prepare(alice.token) is not None
    # What is known goes on, what is not is refused with a reason, and again without asking.
    assert await identity.prepare(alice.token) is not None
    for _ in range(2):
        assert await refused(identity, bob.token) == (
            "Tokens cannot be validated: Keystone cannot be reached. Please try again."
        )
    with served(elsewhere.app, port):
        await refused(identity, bob.token)
        elsewhere.clock.advance(seconds=3)
        assert await identity.prepare(bob.token) is not None
    elsewhere.keystone.database.close()


async def test_a_timeout_is_retried_once(elsewhere: Elsewhere) -> None:
    alice, bob = await elsewhere.fill(), await (await elsewhere.keystone.admin()).member("bob")
    identity = elsewhere.identity(timeout_seconds=5)
    # Keystone knows Hydria from here on, so only looks are slow.
    assert await identity.prepare(bob.token) is not None
    elsewhere.looks, elsewhere.silent = 0, 1
    assert await identity.prepare(alice.token) is not None
    assert elsewhere.looks == 2
    elsewhere.silent = 2
    assert "cannot be reached" in await refused(identity, "token")


async def test_the_event_loop_goes_on_while_keystone_is_asked(elsewhere: Elsewhere) -> None:
    asked, went_on = threading.Event(), threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await asyncio.to_thread(went_on.wait, 60)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with served(app) as url:
        identity = elsewhere.identity(auth_url=f"{url}/identity", timeout_seconds=50)
        asking = asyncio.create_task(refused(identity, "token"))
        await eventually(asked.is_set)
        # Only the loop lets Keystone answer: otherwise it would be too late.
        went_on.set()
        assert "Keystone does not work" in await asking


async def test_a_silent_keystone_is_asked_once_for_all(elsewhere: Elsewhere) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        identity = elsewhere.identity(auth_url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=1)
        asking = [refused(identity, f"token{number}") for number in range(50)]
        assert all("cannot be reached" in sentence for sentence in await asyncio.gather(*asking))
        silent.setblocking(False)
        connections = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                connections += 1
        # One question, which is repeated some times on a slow machine, and not one or more for each token.
        assert 1 <= connections < 50


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, b"", "Keystone does not work"),
        (302, b"", "Keystone does not work"),
        (200, b"<html>", "answers with something that is no token"),
        (200, b'{"token": {"user": {"id": "u"}}}', "answers with something that is no token"),
    ],
)
async def test_malformed_answers(elsewhere: Elsewhere, status: int, body: bytes, told: str) -> None:
    alice = await elsewhere.fill()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await elsewhere.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", b"http://127.0.0.1/")]})
        await send({"type": "http.response.body", "body": body})

    with served(app) as url:
        assert told in await refused(elsewhere.identity(auth_url=f"{url}/identity"), alice.token)


async def test_a_server_with_users_of_another_keystone(elsewhere: Elsewhere, tmp_path: Path) -> None:
    alice = await elsewhere.fill()
    settings = Settings(
        state_dir=tmp_path / "state",
        run_dir=tmp_path / "run",
        keystone=elsewhere.settings(auth_url=f"{elsewhere.url}/identity"),
    )
    upgrade_database(settings)
    database = Database(settings.database_url, synchronous="off")
    app = make_app(settings, database, SystemClock(), noop=True)
    token = {"x-auth-token": alice.token}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hydria") as http:
        network = (await http.post("/network/v2.0/networks", json={"network": {"name": "n"}}, headers=token)).json()
        assert network["network"]["project_id"] == alice.project_id
        body = {"loadbalancer": {"vip_network_id": network["network"]["id"], "name": "lb"}}
        for path, json in (("networks", None), ("subnets", _subnet(network["network"]["id"]))):
            answer = await http.request("POST" if json else "GET", f"/network/v2.0/{path}", json=json, headers=token)
            assert answer.status_code in (200, 201)
        made = await http.post("/load-balancer/v2.0/lbaas/loadbalancers", json=body, headers=token)
        assert (made.status_code, made.json()["loadbalancer"]["project_id"]) == (201, alice.project_id)
        answer = await http.get("/load-balancer/v2.0/lbaas/loadbalancers", headers={"x-auth-token": "nobody"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Keystone")
        # Users are looked after in one place only, and what is open to all asks nobody.
        assert (await http.post("/identity/v3/auth/tokens", json={})).status_code == 404
        looks = elsewhere.looks
        assert (await http.get("/load-balancer/", headers={"x-auth-token": "other"})).status_code == 200
        assert elsewhere.looks == looks
    assert not settings.credentials_file.exists()
    with pytest.raises(SettingsError, match="take your credentials from there"):
        Credentials.kept(settings)
    database.close()


def _subnet(network_id: str) -> dict[str, Any]:
    return {"subnet": {"network_id": network_id, "cidr": "10.0.0.0/24", "ip_version": 4}}


def test_invalid_settings(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    for file in ("ca.pem", "missing.pem"):
        keystone = KeystoneSettings(auth_url="https://k", password="p", cafile=tmp_path / file)
        with pytest.raises(SettingsError, match=r"^keystone\.cafile: .*pem cannot be read as certificates"):
            keystone_identity(Settings(keystone=keystone), SystemClock())
    assert keystone_identity(Settings(), SystemClock()) is None


async def test_users_of_a_keystone_elsewhere_log_in_at_the_dashboard(elsewhere: Elsewhere, tmp_path: Path) -> None:
    alice = await elsewhere.fill()
    settings = Settings(state_dir=tmp_path / "state", keystone=elsewhere.settings())
    settings.state_dir.mkdir()
    upgrade_database(settings)
    database = Database(settings.database_url)
    app = make_app(settings, database, SystemClock())
    page = {"x-hydria-dashboard": "1"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test", headers=page) as browser:
        wrong = await browser.post("/dashboard/session", json={"user": "alice", "password": "wrong"})
        assert wrong.status_code == 401
        answer = await browser.post("/dashboard/session", json={"user": "alice", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        session = answer.json()["session"]
        assert session["project"]["id"] == alice.project_id
        assert [one["id"] for one in session["projects"]] == [alice.project_id]
        shown = await browser.get("/dashboard/api/load-balancer/v2/lbaas/loadbalancers")
        assert shown.json()["loadbalancers"] == []
        changed = await browser.put("/dashboard/session", json={"project_id": alice.project_id})
        assert changed.status_code == 200
        assert (await browser.delete("/dashboard/session")).status_code == 204
    database.close()
