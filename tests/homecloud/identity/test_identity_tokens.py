"""Logging in, what a token says, and when it is refused."""

from typing import Any

import pytest

from hydria.homecloud.identity.rows import Assignment
from hydria.model.caller import Caller
from hydria.store import Transaction, columns
from tests.homecloud.identity.cloud import PASSWORD, Keystone, Session, by_password


def error(status: int, title: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "title": title, "message": message}}


NOBODY = error(401, "Unauthorized", "The request you have made requires authentication.")


async def test_versions(keystone: Keystone) -> None:
    for path, status in (("", 300), ("/", 300), ("/v3", 200), ("/v3/", 200)):
        answer = await keystone.http.get(f"/identity{path}")
        assert answer.status_code == status
        body = answer.json()
        version = body["version"] if status == 200 else body["versions"]["values"][0]
        assert version["id"].startswith("v3.")
        assert version["status"] == "stable"
        assert version["links"] == [{"rel": "self", "href": "http://cloud/identity/v3/"}]


async def test_password_scoped_by_name(keystone: Keystone) -> None:
    answer = await keystone.login(by_password("admin", PASSWORD, "admin"))
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert token["methods"] == ["password"]
    assert token["user"]["name"] == "admin"
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["project"] == {
        "id": keystone.project_id,
        "name": "admin",
        "domain": {"id": "default", "name": "Default"},
    }
    assert [role["name"] for role in token["roles"]] == ["admin", "member", "reader"]
    assert token["issued_at"] == "2026-03-01T12:00:00.000000Z"
    assert token["expires_at"] == "2026-03-01T14:00:00.000000Z"
    assert len(token["audit_ids"]) == 1
    found = {
        (service["name"], service["type"], endpoint["interface"]): (endpoint["region"], endpoint["url"])
        for service in token["catalog"]
        for endpoint in service["endpoints"]
    }
    assert len(found) == 12
    assert found["keystone", "identity", "admin"] == ("RegionOne", "http://cloud/identity/v3")
    assert found["neutron", "network", "public"] == ("RegionOne", "http://cloud/network")
    assert found["octavia", "load-balancer", "internal"] == ("RegionOne", "http://cloud/load-balancer")

    caller = keystone.caller(answer.headers["x-subject-token"])
    assert caller is not None
    assert (caller.user_name, caller.project_id, caller.is_admin) == ("admin", keystone.project_id, True)
    assert caller.roles == {"admin", "member", "reader"}


async def test_scopes(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    auth = by_password("alice")

    async def scope(value: Any) -> Any:
        answer = await keystone.login({**auth, "scope": value})
        return answer.status_code if answer.is_error else (answer.json()["token"].get("project") or {}).get("name")

    assert await scope({"project": {"id": alice.project_id}}) == "alices"
    assert await scope({"project": {"name": "alices", "domain": {"id": "default"}}}) == "alices"
    assert await scope("unscoped") is None
    assert await scope({"unscoped": {}}) is None
    assert await scope({"project": {"id": keystone.project_id}}) == 401
    assert await scope({"project": {"id": "nowhere"}}) == 401
    assert await scope({"project": {"name": "alices", "domain": {"name": "other"}}}) == 401
    assert await scope({"domain": {"id": "default"}}) == 401
    assert await scope({"system": {"all": True}}) == 401
    assert await scope({"project": {"id": alice.project_id}, "domain": {"id": "default"}}) == 400

    unscoped = (await keystone.login(auth)).json()["token"]
    assert "project" not in unscoped
    assert "catalog" not in unscoped
    await admin.call("PATCH", f"users/{alice.user_id}", {"user": {"default_project_id": alice.project_id}})
    assert (await keystone.login(auth)).json()["token"]["project"]["name"] == "alices"
    assert await scope("unscoped") is None


async def test_wrong_logins_look_alike(keystone: Keystone, admin: Session) -> None:
    await admin.create("user", name="carol", password=PASSWORD, enabled=False)
    await admin.create("user", name="dave")
    wrong: tuple[dict[str, Any], ...] = (
        by_password("admin", "wrong"),
        by_password("nobody"),
        by_password("carol"),
        by_password("dave", ""),
        by_password("admin", PASSWORD, "nowhere"),
        {"identity": {"methods": ["token"], "token": {"id": "gAAAAnonsense"}}},
        {"identity": {"methods": []}},
    )
    for auth in wrong:
        answer = await keystone.login(auth)
        assert (answer.status_code, answer.json()) == (401, NOBODY), auth
        assert answer.headers["www-authenticate"] == "Keystone"
    unknown = await keystone.login({"identity": {"methods": ["saml2"]}})
    assert unknown.json() == error(401, "Unauthorized", "Attempted to authenticate with an unsupported method.")


REST = (
    " The server could not comply with the request since it is either malformed or otherwise incorrect."
    " The client is assumed to be in error."
)


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({}, "'identity' is a required property"),
        ({"identity": {}}, "Invalid input for field 'identity': 'methods' is a required property"),
        (
            {"identity": {"methods": "password"}},
            "Invalid input for field 'identity/methods': 'password' is not of type 'array'",
        ),
        ({"identity": {"methods": ["password"]}}, "Expecting to find password in identity." + REST),
        ({"identity": {"methods": ["token"]}}, "Expecting to find token in identity." + REST),
        (
            {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "x"}}}},
            "Expecting to find domain in user." + REST,
        ),
        (
            {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}},
            "Invalid input for field identity/password/user: id or name must be present.",
        ),
        (
            {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": 7}}}},
            "Invalid input for field 'identity/password/user/password': *** is not of type 'string'",
        ),
        (
            {**by_password("admin"), "scope": {"project": {}}},
            "Invalid input for field scope/project: id or name must be present.",
        ),
        (
            {**by_password("admin"), "scope": {"project": {"name": "admin"}}},
            "Expecting to find domain in project." + REST,
        ),
        (
            {**by_password("admin"), "scope": {}},
            "Expecting to find project, domain, OS-TRUST:trust or unscoped in scope." + REST,
        ),
    ],
)
async def test_malformed_logins(keystone: Keystone, auth: Any, message: str) -> None:
    answer = await keystone.login(auth)
    assert answer.json() == error(400, "Bad Request", message)


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b'"\xff"', b"[" * 50000, b'{"auth": null}', b'{"other": {}}'])
async def test_broken_bodies(keystone: Keystone, raw: bytes) -> None:
    answer = await keystone.http.post("/identity/v3/auth/tokens", content=raw)
    assert answer.status_code == 400
    assert answer.json()["error"]["title"] == "Bad Request"


async def test_rescope_keeps_the_end(keystone: Keystone, admin: Session) -> None:
    first = await keystone.token("admin")
    keystone.clock.advance(hours=1)
    proof = {"identity": {"methods": ["token"], "token": {"id": first}}}
    answer = await keystone.login({**proof, "scope": {"project": {"id": keystone.project_id}}}, nocatalog="")
    token = answer.json()["token"]
    assert token["methods"] == ["token", "password"]
    assert token["expires_at"] == "2026-03-01T14:00:00.000000Z"
    assert "catalog" not in token
    assert len(token["audit_ids"]) == 2
    second = answer.headers["x-subject-token"]
    # Giving back the first one takes what came of it along.
    await Session(keystone, first).call("DELETE", "auth/tokens", **{"x-subject-token": first})
    assert keystone.caller(second) is None
    assert keystone.caller(admin.token) is not None


async def test_validate(keystone: Keystone, admin: Session) -> None:
    alice, bob = await admin.member("alice"), await admin.member("bob")
    service = await admin.member("nova", role="service")
    for asker in (alice, admin, service):
        answer = await asker.call("GET", "auth/tokens", **{"x-subject-token": alice.token})
        assert answer.status_code == 200
        assert answer.headers["x-subject-token"] == alice.token
        assert answer.json()["token"]["user"]["id"] == alice.user_id
        assert [role["name"] for role in answer.json()["token"]["roles"]] == ["member", "reader"]
    head = await alice.call("HEAD", "auth/tokens", **{"x-subject-token": alice.token})
    assert head.status_code == 200
    forbidden = await bob.call("GET", "auth/tokens", **{"x-subject-token": alice.token})
    assert forbidden.json() == error(
        403, "Forbidden", "You are not authorized to perform the requested action: identity:validate_token."
    )
    assert (await bob.call("DELETE", "auth/tokens", **{"x-subject-token": alice.token})).status_code == 403
    unknown = await admin.call("GET", "auth/tokens", **{"x-subject-token": "gAAAAx"})
    assert unknown.json() == error(404, "Not Found", "Could not recognize Fernet token")
    none = await admin.call("GET", "auth/tokens")
    assert none.json() == error(404, "Not Found", "No token in the request")


async def test_revoke(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    other = await keystone.token("alice")
    given_back = await alice.call("DELETE", "auth/tokens", **{"x-subject-token": alice.token})
    assert (given_back.status_code, given_back.content) == (204, b"")
    assert keystone.caller(alice.token) is None
    assert keystone.caller(other) is not None
    assert (await alice.call("GET", "auth/projects")).json() == NOBODY
    again = await admin.call("GET", "auth/tokens", **{"x-subject-token": alice.token})
    assert again.json() == error(404, "Not Found", "Failed to validate token")


async def test_a_token_is_refused_after_what_it_depends_on_is_deleted(keystone: Keystone, admin: Session) -> None:
    async def lost(name: str, method: str, path: str, body: Any = None) -> bool:
        someone = await admin.member(name)
        assert keystone.caller(someone.token) is not None
        path = path.format(user=someone.user_id, project=someone.project_id, grant=someone.grant_path)
        assert (await admin.call(method, path, body)).status_code in (200, 204)
        return keystone.caller(someone.token) is None

    assert await lost("a", "PATCH", "users/{user}", {"user": {"enabled": False}})
    assert await lost("b", "DELETE", "users/{user}")
    assert await lost("c", "PATCH", "projects/{project}", {"project": {"enabled": False}})
    assert await lost("d", "DELETE", "projects/{project}")
    assert await lost("e", "DELETE", "{grant}")
    assert await lost("f", "PATCH", "users/{user}", {"user": {"password": "new"}})
    assert not await lost("g", "PATCH", "users/{user}", {"user": {"description": "new"}})


async def test_disabled_and_enabled_again_needs_a_new_login(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    for enabled in (False, True):
        await admin.call("PATCH", f"users/{alice.user_id}", {"user": {"enabled": enabled}})
    assert keystone.caller(alice.token) is None
    assert keystone.caller(await keystone.token("alice")) is not None


async def test_expiry(keystone: Keystone, admin: Session) -> None:
    keystone.clock.advance(hours=2, seconds=-1)
    assert keystone.caller(admin.token) is not None
    keystone.clock.advance(seconds=1)
    assert keystone.caller(admin.token) is None


async def test_a_change_by_another_server_counts_after_the_cache_expires(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    assert keystone.caller(alice.token) is not None
    # As another server does whose hint is lost.
    keystone.database.transact(lambda tx: tx.delete(Assignment, columns(Assignment).user_id == alice.user_id))
    keystone.clock.advance(seconds=6)
    assert keystone.caller(alice.token) is None


async def test_a_validated_token_is_cached(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    assert keystone.caller(alice.token) is not None

    def look(transaction: Transaction) -> Caller | None:
        transaction.delete(Assignment, columns(Assignment).user_id == alice.user_id)
        return keystone.identity.resolve(transaction, alice.token)

    assert keystone.database.transact(look) is not None


async def test_tokens_of_another_key_are_refused(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = Keystone(tmp_path_factory.mktemp("stranger"))
    async with stranger.http:
        token = await stranger.token("admin", project="admin")
    stranger.database.close()
    for bad in (token, token[:-4] + "AAAA", "", "ü", "x" * 5000):
        assert keystone.caller(bad) is None


async def test_own_catalogue_and_projects(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    assert len(await alice.list("auth/catalog")) == 4
    assert [project["name"] for project in await alice.list("auth/projects")] == ["alices"]
    unscoped = Session(keystone, await keystone.token("alice"))
    assert [project["name"] for project in await unscoped.list("auth/projects")] == ["alices"]
    assert (await unscoped.call("GET", "auth/catalog")).json() == error(
        403, "Forbidden", "A project-scoped token is required to produce a service catalog."
    )


async def test_bootstrap_again_changes_nothing(keystone: Keystone, admin: Session) -> None:
    assert keystone.bootstrap("another") == keystone.project_id
    assert keystone.caller(admin.token) is not None
    assert (await keystone.login(by_password("admin", "another"))).status_code == 401
    assert sorted(user["name"] for user in await admin.list("users")) == ["admin", "demo"]
    assert [role["name"] for role in await admin.list("roles")] == ["admin", "member", "reader", "service"]
    demo = (await admin.list("users", "name=demo"))[0]
    assert (await admin.call("DELETE", f"users/{demo['id']}")).status_code == 204
    keystone.bootstrap()
    assert await admin.list("users", "name=demo") == []
