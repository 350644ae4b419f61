"""Application credentials: making, using and losing them."""

from typing import Any

import httpx

from tests.homecloud.identity.cloud import Keystone, Member, Session

INVALID = "Invalid application credential: "


async def create(someone: Member, status: int = 201, **values: Any) -> Any:
    path = f"users/{someone.user_id}/application_credentials"
    answer = await someone.call("POST", path, {"application_credential": {"name": "robot", **values}})
    assert answer.status_code == status, answer.text
    return answer.json()["application_credential"] if status == 201 else answer.json()["error"]["message"]


async def login(keystone: Keystone, **proof: Any) -> httpx.Response:
    auth = {"identity": {"methods": ["application_credential"], "application_credential": proof}}
    return await keystone.login(auth)


async def robot(keystone: Keystone, credential: Any) -> Session:
    answer = await login(keystone, id=credential["id"], secret=credential["secret"])
    assert answer.status_code == 201, answer.text
    return Session(keystone, answer.headers["x-subject-token"])


async def test_a_credential_logs_in(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    made = await create(alice, description="ci")
    assert len(made["secret"]) == 86
    assert sorted(role["name"] for role in made["roles"]) == ["member", "reader"]
    assert (made["project_id"], made["unrestricted"], made["expires_at"]) == (alice.project_id, False, None)
    path = f"users/{alice.user_id}/application_credentials"
    shown = (await alice.call("GET", f"{path}/{made['id']}")).json()["application_credential"]
    assert shown == {key: value for key, value in made.items() if key != "secret"}
    assert await alice.list(path, "name=robot") == [shown]
    assert await alice.list(path, "name=other") == []

    by_id = await login(keystone, id=made["id"], secret=made["secret"])
    token = by_id.json()["token"]
    assert token["methods"] == ["application_credential"]
    assert token["project"]["name"] == "alices"
    assert token["application_credential"] == {"id": made["id"], "name": "robot", "restricted": True}
    caller = keystone.caller(by_id.headers["x-subject-token"])
    assert caller is not None
    assert (caller.user_id, caller.project_id) == (alice.user_id, alice.project_id)

    user = {"name": "alice", "domain": {"id": "default"}}
    assert (await login(keystone, name="robot", user=user, secret=made["secret"])).status_code == 201
    assert (await login(keystone, name="robot", user={"id": alice.user_id}, secret=made["secret"])).status_code == 201
    assert (await login(keystone, id=made["id"], secret="wrong")).status_code == 401
    assert (await login(keystone, id="nothing", secret=made["secret"])).status_code == 401


async def test_a_credential_has_its_roles_only(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member(role="admin")
    made = await create(alice, roles=[{"name": "reader"}], secret="chosen")
    assert made["secret"] == "chosen"
    token = (await robot(keystone, made)).token
    caller = keystone.caller(token)
    assert caller is not None
    assert caller.roles == {"reader"}
    by_role_id = await create(alice, name="second", roles=[{"id": await admin.role("member")}])
    caller = keystone.caller((await robot(keystone, by_role_id)).token)
    assert caller is not None
    assert caller.roles == {"member", "reader"}


async def test_refused_credentials(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    unassigned = INVALID + "Cannot create an application credential with unassigned role"
    assert await create(alice, 400, roles=[{"name": "admin"}]) == unassigned
    assert "Could not find role" in await create(alice, 404, roles=[{"name": "nothing"}])
    assert "required" in (await alice.call("POST", f"users/{alice.user_id}/application_credentials", {})).text
    assert "must not be before now" in await create(alice, 400, expires_at="2026-01-01T00:00:00")
    assert "Timestamp not in expected format." in await create(alice, 400, expires_at="soon")
    assert "not been implemented" in await create(alice, 501, access_rules=[{"path": "/x"}])
    await create(alice)
    assert "Duplicate entry found with name robot" in await create(alice, 409)
    other = Member(keystone, admin.token, alice.project_id, alice.user_id, "")
    assert "for another user" in await create(other, 403)


async def test_the_scope_is_the_credentials_project(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    made = await create(alice)
    await admin.grant(keystone.project_id, alice.user_id, "member")
    proof = {"id": made["id"], "secret": made["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": proof}
    answer = await keystone.login({"identity": identity, "scope": {"project": {"id": alice.project_id}}})
    assert answer.json()["error"]["message"] == "Application credentials cannot request a scope."
    # Nor does changing its token for another lead out of the project, or get rid of the credential.
    token = (await robot(keystone, made)).token
    by_token = {"identity": {"methods": ["token"], "token": {"id": token}}}
    assert (await keystone.login({**by_token, "scope": {"project": {"id": keystone.project_id}}})).status_code == 401
    assert (await keystone.login({**by_token, "scope": "unscoped"})).json()["token"]["application_credential"]
    again = await keystone.login(by_token)
    assert again.json()["token"]["application_credential"]["id"] == made["id"]
    await alice.call("DELETE", f"users/{alice.user_id}/application_credentials/{made['id']}")
    assert keystone.caller(again.headers["x-subject-token"]) is None


async def test_a_restricted_credential_makes_no_others(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    bound = await robot(keystone, await create(alice, name="bound"))
    free = await robot(keystone, await create(alice, name="free", unrestricted=True))
    for session, status in ((bound, 403), (free, 201)):
        path = f"users/{alice.user_id}/application_credentials"
        answer = await session.call("POST", path, {"application_credential": {"name": "child"}})
        assert answer.status_code == status
    assert (await bound.call("DELETE", f"{path}/x")).status_code == 403
    assert (await free.call("DELETE", f"{path}/x")).status_code == 404


async def test_a_credential_expires(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    made = await create(alice, expires_at="2026-03-01T13:00:00")
    assert made["expires_at"] == "2026-03-01T13:00:00.000000"
    answer = await login(keystone, id=made["id"], secret=made["secret"])
    assert answer.json()["token"]["expires_at"] == "2026-03-01T13:00:00.000000Z"
    keystone.clock.advance(minutes=59, seconds=58)
    assert keystone.caller(answer.headers["x-subject-token"]) is not None
    keystone.clock.advance(seconds=2)
    assert keystone.caller(answer.headers["x-subject-token"]) is None
    assert (await login(keystone, id=made["id"], secret=made["secret"])).status_code == 401


async def test_a_credential_is_lost_with_its_user_role_or_project(keystone: Keystone, admin: Session) -> None:
    async def lost(name: str, method: str, path: str, body: Any = None) -> bool:
        someone = await admin.member(name)
        made = await create(someone)
        session = await robot(keystone, made)
        path = path.format(user=someone.user_id, project=someone.project_id, grant=someone.grant_path, id=made["id"])
        assert (await admin.call(method, path, body)).status_code in (200, 204)
        gone = (await login(keystone, id=made["id"], secret=made["secret"])).status_code == 401
        return gone and keystone.caller(session.token) is None

    assert await lost("a", "DELETE", "users/{user}/application_credentials/{id}")
    assert await lost("b", "DELETE", "{grant}")
    assert await lost("c", "DELETE", "users/{user}")
    assert await lost("d", "PATCH", "users/{user}", {"user": {"enabled": False}})
    assert await lost("e", "PATCH", "projects/{project}", {"project": {"enabled": False}})
    assert await lost("f", "DELETE", "projects/{project}")


async def test_other_users_cannot_use_it(keystone: Keystone, admin: Session) -> None:
    alice, bob = await admin.member("alice"), await admin.member("bob")
    made = await create(alice)
    assert (await bob.call("GET", f"users/{alice.user_id}/application_credentials/{made['id']}")).status_code == 403
    # Saying that it is one's own does not help.
    for method in ("GET", "DELETE"):
        assert (await bob.call(method, f"users/{bob.user_id}/application_credentials/{made['id']}")).status_code == 404
    assert (await admin.call("GET", f"users/{alice.user_id}/application_credentials/{made['id']}")).status_code == 200
