"""Projects, users, roles, assignments and the catalogue's parts: shapes, filters, faults, and who may."""

from typing import Any

import pytest
from sqlalchemy import text

from hydria.homecloud.identity import member_password
from tests.homecloud.identity.cloud import PASSWORD, Keystone, Session, by_password


def message(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == status
    return str(answer.json()["error"]["message"])


async def test_project(keystone: Keystone, admin: Session) -> None:
    made = await admin.create("project", name="red", tags=["a", "b"], colour="crimson")
    assert made == {
        "id": made["id"],
        "name": "red",
        "description": "",
        "enabled": True,
        "domain_id": "default",
        "parent_id": "default",
        "is_domain": False,
        "tags": ["a", "b"],
        "options": {},
        "colour": "crimson",
        "links": {"self": f"http://cloud/identity/v3/projects/{made['id']}"},
    }
    path = f"projects/{made['id']}"
    assert (await admin.call("GET", path)).json() == {"project": made}
    change = {"description": "x", "enabled": False, "colour": None, "size": 3, "links": {}}
    changed = (await admin.call("PATCH", path, {"project": change})).json()["project"]
    assert (changed["description"], changed["enabled"], changed["size"]) == ("x", False, 3)
    assert "colour" not in changed
    assert (await admin.call("DELETE", path)).status_code == 204
    assert message(await admin.call("GET", path), 404) == f"Could not find project: {made['id']}."


async def test_project_filters(keystone: Keystone, admin: Session) -> None:
    await admin.create("project", name="red", tags=["a"])
    await admin.create("project", name="blue", enabled=False)

    async def names(query: str) -> list[str]:
        return [project["name"] for project in await admin.list("projects", query)]

    assert await names("") == ["admin", "blue", "demo", "red"]
    assert await names("name=red") == ["red"]
    assert await names("name=nothing") == []
    assert await names("enabled=False") == ["blue"]
    assert await names("enabled") == ["admin", "demo", "red"]
    assert await names("domain_id=default&tags=a") == ["red"]
    assert await names("tags=A") == []
    assert await names("tags-any=a,b") == ["red"]
    assert await names("not-tags=a") == ["admin", "blue", "demo"]
    assert await names("domain_id=other") == []
    assert await names("is_domain=True") == []
    whole = (await admin.call("GET", "projects?name=red")).json()
    assert whole["links"] == {
        "next": None,
        "previous": None,
        "self": "http://cloud/identity/v3/projects?name=red",
    }


async def test_project_tree(keystone: Keystone, admin: Session) -> None:
    parent = await admin.create("project", name="parent")
    child = await admin.create("project", name="child", parent_id=parent["id"])
    assert child["parent_id"] == parent["id"]
    refused = await admin.call("DELETE", f"projects/{parent['id']}")
    assert "not a leaf" in message(refused, 403)
    moved = await admin.call("PATCH", f"projects/{child['id']}", {"project": {"parent_id": "default"}})
    assert message(moved, 403) == "Update of `parent_id` is not allowed."
    nowhere = await admin.call("POST", "projects", {"project": {"name": "x", "parent_id": "nowhere"}})
    assert message(nowhere, 400) == "Could not find project: nowhere."


async def test_project_immutable(keystone: Keystone, admin: Session) -> None:
    made = await admin.create("project", name="kept", options={"immutable": True})
    path = f"projects/{made['id']}"
    assert "immutable" in message(await admin.call("DELETE", path), 403)
    assert "immutable" in message(await admin.call("PATCH", path, {"project": {"name": "x"}}), 403)
    freed = await admin.call("PATCH", path, {"project": {"options": {"immutable": None}}})
    assert freed.json()["project"]["options"] == {}
    assert (await admin.call("DELETE", path)).status_code == 204


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "'name' is a required property"),
        ({"name": None}, "Invalid input for field 'name': None is not of type 'string'"),
        ({"name": 5}, "Invalid input for field 'name': 5 is not of type 'string'"),
        ({"name": ""}, "Invalid input for field 'name': '' is too short"),
        ({"name": "x" * 65}, f"Invalid input for field 'name': '{'x' * 65}' is too long"),
        ({"name": " "}, "Invalid input for field 'name': ' ' does not match '[\\\\S]+'"),
        ({"name": "x", "enabled": "true"}, "Invalid input for field 'enabled': 'true' is not of type 'boolean'"),
        ({"name": "x", "tags": ["a,b"]}, "Invalid input for field 'tags/0': 'a,b' does not match '^[^,/]*$'"),
        (
            {"name": "x", "description": 1},
            "Invalid input for field 'description': 1 is not of type 'string', 'null'",
        ),
        (
            {"name": "x", "options": {"colour": 1}},
            "Invalid input for field 'options': Additional properties are not allowed ('colour' was unexpected)",
        ),
    ],
)
async def test_project_malformed(admin: Session, values: dict[str, Any], why: str) -> None:
    assert message(await admin.call("POST", "projects", {"project": values}), 400) == why


async def test_malformed_bodies(keystone: Keystone, admin: Session) -> None:
    assert message(await admin.call("POST", "users", {"name": "x"}), 400) == "'user' is a required property"
    assert "is not of type 'object'" in message(await admin.call("POST", "users", {"user": []}), 400)
    made = await admin.create("user", name="x")
    nothing = await admin.call("PATCH", f"users/{made['id']}", {"user": {}})
    assert message(nothing, 400) == "{} does not have enough properties"
    assert "NUL" in message(await admin.call("POST", "users", {"user": {"name": "a\0b"}}), 400)
    assert (await admin.create("user", name="a\\u0000b"))["name"] == "a\\u0000b"
    large = await admin.call("POST", "users", {"user": {"name": "y", "note": "z" * 70000}})
    assert large.status_code == 413


async def test_user(keystone: Keystone, admin: Session) -> None:
    made = await admin.create(
        "user",
        name="alice",
        password=PASSWORD,
        domain_id="default",
        email="alice@example.org",
        default_project_id=keystone.project_id,
        description="who",
    )
    assert made == {
        "id": made["id"],
        "name": "alice",
        "domain_id": "default",
        "enabled": True,
        "email": "alice@example.org",
        "description": "who",
        "default_project_id": keystone.project_id,
        "options": {},
        "password_expires_at": None,
        "links": {"self": f"http://cloud/identity/v3/users/{made['id']}"},
    }
    path = f"users/{made['id']}"
    assert (await admin.call("GET", path)).json() == {"user": made}
    assert [user["name"] for user in await admin.list("users", "name=alice&domain_id=default&enabled=true")] == [
        "alice"
    ]
    assert await admin.list("users", "name=alice&enabled=0") == []
    change = {"name": "alicia", "email": None, "default_project_id": None}
    changed = (await admin.call("PATCH", path, {"user": change})).json()["user"]
    assert changed["name"] == "alicia"
    assert not {"email", "default_project_id"} & set(changed)
    assert message(await admin.call("PATCH", path, {"user": {"domain_id": "x"}}), 400) == "Cannot change Domain ID"
    assert message(await admin.call("PATCH", path, {"user": {"id": "x"}}), 400) == "Cannot change user ID"
    assert (await admin.call("DELETE", path)).status_code == 204
    assert message(await admin.call("DELETE", path), 404) == f"Could not find user: {made['id']}."


async def test_names_are_unique(keystone: Keystone, admin: Session) -> None:
    for kind, where in (("user", " at domain ID default"), ("role", "")):
        await admin.create(kind, name="one")
        two = await admin.create(kind, name="two")
        said = f"Conflict occurred attempting to store {kind} - Duplicate entry found with name one{where}."
        assert message(await admin.call("POST", f"{kind}s", {kind: {"name": "one"}}), 409) == said
        assert message(await admin.call("PATCH", f"{kind}s/{two['id']}", {kind: {"name": "one"}}), 409) == said
    taken = message(await admin.call("POST", "projects", {"project": {"name": "admin"}}), 409)
    assert f"name is admin, project id {keystone.project_id}" in taken


async def test_password_change(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    path = f"/identity/v3/users/{alice.user_id}/password"

    async def change(old: str, new: str) -> int:
        body = {"user": {"original_password": old, "password": new}}
        return (await keystone.http.post(path, json=body)).status_code

    assert await change("wrong", "new") == 401
    assert keystone.caller(alice.token) is not None
    assert await change(PASSWORD, "new") == 204
    assert keystone.caller(alice.token) is None
    assert (await keystone.login(by_password("alice"))).status_code == 401
    assert (await keystone.login(by_password("alice", "new"))).status_code == 201
    await admin.call("PATCH", f"users/{alice.user_id}", {"user": {"options": {"lock_password": True}}})
    assert await change("new", "newer") == 403
    statement = text("SELECT password_hash FROM identity_users WHERE name = 'alice'")
    kept = keystone.database.read(lambda transaction: transaction.execute(statement).scalar())
    assert str(kept).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_roles(keystone: Keystone, admin: Session) -> None:
    made = await admin.create("role", name="auditor")
    assert made == {
        "id": made["id"],
        "name": "auditor",
        "description": None,
        "domain_id": None,
        "options": {},
        "links": {"self": f"http://cloud/identity/v3/roles/{made['id']}"},
    }
    path = f"roles/{made['id']}"
    assert (await admin.call("PATCH", path, {"role": {"name": "checker"}})).json()["role"]["name"] == "checker"
    assert (await admin.call("GET", path)).json()["role"]["name"] == "checker"
    assert (await admin.call("DELETE", path)).status_code == 204
    assert message(await admin.call("GET", path), 404) == f"Could not find role: {made['id']}."
    built_in = f"roles/{await admin.role('member')}"
    assert "immutable" in message(await admin.call("DELETE", built_in), 403)
    assert "immutable" in message(await admin.call("PATCH", built_in, {"role": {"name": "x"}}), 403)


async def test_deleting_a_role_deletes_its_assignments(keystone: Keystone, admin: Session) -> None:
    made = await admin.create("role", name="auditor")
    alice = await admin.member(role="auditor")
    await admin.call("DELETE", f"roles/{made['id']}")
    assert await admin.list("role_assignments", f"user.id={alice.user_id}") == []
    assert keystone.caller(alice.token) is None


async def test_grants(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    path = alice.grant_path
    assert (await admin.call("PUT", path)).status_code == 204
    assert (await admin.call("HEAD", path)).status_code == 204
    assert (await admin.call("GET", path)).status_code == 204
    granted = await admin.list(path.rpartition("/")[0])
    assert [role["name"] for role in granted] == ["member"]
    assert (await admin.call("DELETE", path)).status_code == 204
    assert (await admin.call("HEAD", path)).status_code == 404
    assert "Could not find role assignment with role:" in message(await admin.call("DELETE", path), 404)
    for missing in (path.replace(alice.user_id, "x"), path.replace(alice.project_id, "x"), path + "x"):
        assert "Could not find" in message(await admin.call("PUT", missing), 404)


async def test_role_assignments(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    mine = f"user.id={alice.user_id}"
    member, reader = await admin.role("member"), await admin.role("reader")
    granted = f"http://cloud/identity/v3/{alice.grant_path}"
    plain = {
        "user": {"id": alice.user_id},
        "role": {"id": member},
        "scope": {"project": {"id": alice.project_id}},
        "links": {"assignment": granted},
    }
    assert await admin.list("role_assignments", mine) == [plain]
    implied = {
        **plain,
        "role": {"id": reader},
        "links": {
            "assignment": granted,
            "prior_role": f"http://cloud/identity/v3/prior_role/{member}/implies/{reader}",
        },
    }
    assert await admin.list("role_assignments", mine + "&effective") == [plain, implied]
    assert await admin.list("role_assignments", f"{mine}&effective=true&role.id={reader}") == [implied]
    assert await admin.list("role_assignments", f"{mine}&role.id={reader}") == []
    assert await admin.list("role_assignments", "scope.system=all") == []
    assert len(await admin.list("role_assignments", f"scope.project.id={keystone.project_id}")) == 1
    domain = {"id": "default", "name": "Default"}
    assert await alice.list("role_assignments", mine + "&include_names=True") == [
        {
            "user": {"id": alice.user_id, "name": "alice", "domain": domain},
            "role": {"id": member, "name": "member"},
            "scope": {"project": {"id": alice.project_id, "name": "alices", "domain": domain}},
            "links": {"assignment": granted},
        }
    ]
    both = await admin.call("GET", "role_assignments?scope.project.id=a&scope.domain.id=b")
    assert message(both, 400) == "Specify a domain or project, not both"


async def test_domain_and_catalogue(keystone: Keystone, admin: Session) -> None:
    assert [domain["name"] for domain in await admin.list("domains", "name=Default")] == ["Default"]
    assert (await admin.call("GET", "domains/default")).json()["domain"]["id"] == "default"
    assert message(await admin.call("GET", "domains/x"), 404) == "Could not find domain: x."
    assert [region["id"] for region in await admin.list("regions")] == ["RegionOne"]
    service = (await admin.list("services", "type=network"))[0]
    assert (await admin.call("GET", f"services/{service['id']}")).json()["service"] == service
    endpoints = await admin.list("endpoints", f"service_id={service['id']}&interface=public")
    assert [endpoint["url"] for endpoint in endpoints] == ["http://cloud/network"]
    assert (await admin.call("GET", f"endpoints/{endpoints[0]['id']}")).json()["endpoint"] == endpoints[0]


async def test_rights_of_a_member(keystone: Keystone, admin: Session) -> None:
    alice, bob = await admin.member("alice"), await admin.member("bob")
    for path in (
        f"users/{alice.user_id}",
        f"users/{alice.user_id}/projects",
        f"users/{alice.user_id}/application_credentials",
        f"projects/{alice.project_id}",
        f"role_assignments?user.id={alice.user_id}",
        "domains/default",
        "regions",
    ):
        assert (await alice.call("GET", path)).status_code == 200, path
    assert (await alice.call("HEAD", alice.grant_path)).status_code == 204
    for method, path, rule in (
        ("GET", "users", "list_users"),
        ("GET", f"users/{bob.user_id}", "get_user"),
        ("GET", "users/nobody", "get_user"),
        ("GET", f"users/{bob.user_id}/projects", "list_user_projects"),
        ("GET", f"users/{bob.user_id}/application_credentials", "list_application_credentials"),
        ("GET", "projects", "list_projects"),
        ("GET", f"projects/{bob.project_id}", "get_project"),
        ("GET", "role_assignments", "list_role_assignments"),
        ("GET", "roles", "list_roles"),
        ("GET", "services", "list_services"),
        ("GET", "domains", "list_domains"),
        ("DELETE", f"users/{alice.user_id}", "delete_user"),
        ("DELETE", f"projects/{alice.project_id}", "delete_project"),
        ("PUT", alice.grant_path, "create_grant"),
        ("DELETE", bob.grant_path, "revoke_grant"),
    ):
        said = message(await alice.call(method, path), 403)
        assert said == f"You are not authorized to perform the requested action: identity:{rule}."
    for method, path, body in (
        ("POST", "projects", {"project": {"name": "x"}}),
        ("POST", "users", {"user": {"name": "x"}}),
        ("POST", "roles", {"role": {"name": "x"}}),
        ("PATCH", f"users/{alice.user_id}", {"user": {"enabled": True}}),
        ("PATCH", f"projects/{alice.project_id}", {"project": {"name": "x"}}),
    ):
        assert (await alice.call(method, path, body)).status_code == 403


async def test_demo_is_a_member(keystone: Keystone) -> None:
    demo = Session(keystone, await keystone.token("demo", member_password(PASSWORD), "demo"))
    caller = keystone.caller(demo.token)
    assert caller is not None
    assert caller.roles == {"member", "reader"}


async def test_requests_without_a_token_are_refused(keystone: Keystone) -> None:
    for path in ("users", "projects", "roles", "auth/tokens", "role_assignments", "regions", "auth/catalog"):
        answer = await keystone.http.get(f"/identity/v3/{path}")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Keystone")
