"""Wrong passwords: how many may be tried, from where, and who still gets in meanwhile."""

import asyncio
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.homecloud.identity.cloud import PASSWORD, PER_MINUTE, Keystone, Session, by_password

LONG = "a passphrase beyond guessing"


def from_address(keystone: Keystone, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(keystone.app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://cloud")


async def log_in(client: httpx.AsyncClient, user: str, password: str) -> httpx.Response:
    return await client.post("/identity/v3/auth/tokens", json={"auth": by_password(user, password, None)})


async def exhaust(client: httpx.AsyncClient, user: str) -> None:
    for number in range(PER_MINUTE):
        assert (await log_in(client, user, f"wrong {number}")).status_code == 401


@pytest.mark.parametrize("user", ["alice", "nobody-of-that-name"])
async def test_wrong_passwords_have_a_limit_for_users_that_exist_and_others(
    keystone: Keystone, admin: Session, user: str
) -> None:
    await admin.member()
    with capture_logs() as logs:
        async with from_address(keystone, "192.0.2.1") as attacker:
            await exhaust(attacker, user)
            refused = [await log_in(attacker, user, "wrong again") for _ in range(5)]
            assert {answer.status_code for answer in refused} == {429}
            error = refused[0].json()["error"]
            assert (error["code"], error["title"]) == (429, "Too Many Requests")
            keystone.clock.advance(seconds=int(refused[0].headers["retry-after"]))
            assert (await log_in(attacker, user, "wrong still")).status_code == 401
            assert (await log_in(attacker, user, "wrong still")).status_code == 429
    assert [entry["source"] for entry in logs if entry["event"] == "passwords_limited"] == ["192.0.2.1"]


async def test_others_cannot_lock_a_user_out(keystone: Keystone, admin: Session) -> None:
    await admin.member()
    async with from_address(keystone, "192.0.2.1") as attacker, from_address(keystone, "192.0.2.2") as home:
        await exhaust(attacker, "alice")
        assert (await log_in(attacker, "alice", PASSWORD)).status_code == 429
        assert (await log_in(home, "alice", PASSWORD)).status_code == 201


async def test_a_long_remembered_password_is_never_limited(keystone: Keystone, admin: Session) -> None:
    alice = await admin.member()
    change = {"user": {"original_password": PASSWORD, "password": LONG}}
    async with from_address(keystone, "192.0.2.1") as shared:
        changed = await shared.post(f"/identity/v3/users/{alice.user_id}/password", json=change)
        assert changed.status_code == 204
        assert (await log_in(shared, "alice", LONG)).status_code == 201
        await exhaust(shared, "alice")
        assert (await log_in(shared, "alice", "wrong")).status_code == 429
        assert (await log_in(shared, "alice", LONG)).status_code == 201
        # A password that was right before it was changed is a wrong one.
        assert (await log_in(shared, "alice", PASSWORD)).status_code == 401


async def test_the_first_admin_is_not_limited(keystone: Keystone) -> None:
    keystone.identity.expect(keystone.database, PASSWORD)
    async with from_address(keystone, "192.0.2.1") as attacker, from_address(keystone, "192.0.2.2") as home:
        await exhaust(attacker, "admin")
        assert (await log_in(home, "admin", PASSWORD)).status_code == 201


async def test_one_address_cannot_try_all_users(keystone: Keystone, admin: Session) -> None:
    await admin.member()
    async with from_address(keystone, "2001:db8::1") as attacker, from_address(keystone, "2001:db8::ffff") as beside:
        for number in range(3 * PER_MINUTE):
            assert (await log_in(attacker, f"user-{number}", "wrong")).status_code == 401
        assert (await log_in(attacker, "another", "wrong")).status_code == 429
        # All of a /64 is one machine's.
        assert (await log_in(beside, "another", "wrong")).status_code == 429


async def test_many_addresses_cannot_guess_one_users_password(keystone: Keystone, admin: Session) -> None:
    await admin.member()
    async with from_address(keystone, "192.0.2.200") as home:
        assert (await log_in(home, "alice", PASSWORD)).status_code == 201
        for number in range(5 * PER_MINUTE):
            async with from_address(keystone, f"192.0.2.{number}") as attacker:
                assert (await log_in(attacker, "alice", "wrong")).status_code == 401
        async with from_address(keystone, "192.0.2.201") as attacker:
            assert (await log_in(attacker, "alice", "wrong")).status_code == 429
        assert (await log_in(home, "alice", PASSWORD)).status_code == 201


async def test_a_right_password_resets_the_limit(keystone: Keystone, admin: Session) -> None:
    await admin.member()
    async with from_address(keystone, "192.0.2.1") as home:
        for _ in range(2):
            for number in range(PER_MINUTE - 1):
                assert (await log_in(home, "alice", f"wrong {number}")).status_code == 401
            assert (await log_in(home, "alice", PASSWORD)).status_code == 201


async def test_concurrent_right_logins_succeed(keystone: Keystone, admin: Session) -> None:
    await admin.member()
    async with from_address(keystone, "192.0.2.1") as home:
        answers = await asyncio.gather(*(log_in(home, "alice", PASSWORD) for _ in range(4 * PER_MINUTE)))
    assert {answer.status_code for answer in answers} == {201}


@pytest.mark.parametrize("way", ["change", "credential"])
async def test_all_methods_are_limited(keystone: Keystone, admin: Session, way: str) -> None:
    alice = await admin.member()
    change: dict[str, Any] = {"user": {"original_password": "wrong", "password": "new"}}
    secret = {"identity": {"methods": ["application_credential"], "application_credential": {"id": "x", "secret": "y"}}}
    async with from_address(keystone, "192.0.2.1") as attacker:
        tries = [
            await attacker.post(f"/identity/v3/users/{alice.user_id}/password", json=change)
            if way == "change"
            else await attacker.post("/identity/v3/auth/tokens", json={"auth": secret})
            for _ in range(PER_MINUTE + 1)
        ]
    assert [answer.status_code for answer in tries] == [401] * PER_MINUTE + [429]
