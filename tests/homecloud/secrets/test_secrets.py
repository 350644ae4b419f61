"""Secrets, containers, consumers and access lists, as clients of Barbican use them."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from hydria.store.certificates import AcmeOrder
from tests.homecloud.secrets.barbican import DEMO, ROOT, Barbican


async def test_versions(barbican: Barbican) -> None:
    answer = await barbican.ask("GET", "/key-manager", who=None)
    assert answer.status_code == 300
    (version,) = answer.json()["versions"]
    assert version["status"] == "CURRENT"
    assert version["links"][0]["href"] == f"http://barbican{ROOT}/"
    assert (await barbican.ask("GET", "/key-manager/v1/", who=None)).json()["version"] == version


async def test_a_text_comes_back_as_it_was(barbican: Barbican) -> None:
    reference = await barbican.store("grüße", name="greeting", secret_type="passphrase", algorithm="aes")
    shown = await barbican.get(reference)
    assert shown["secret_ref"] == reference
    assert {name: shown[name] for name in ("name", "secret_type", "algorithm", "status", "content_types")} == {
        "name": "greeting",
        "secret_type": "passphrase",
        "algorithm": "aes",
        "status": "ACTIVE",
        "content_types": {"default": "text/plain"},
    }
    answer = await barbican.ask("GET", f"{reference}/payload", headers={"Accept": "text/plain"})
    assert answer.text == "grüße"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    # As clients of old ask.
    assert (await barbican.ask("GET", reference, headers={"Accept": "text/plain"})).text == "grüße"


async def test_bytes_come_back_as_they_were(barbican: Barbican) -> None:
    content = bytes(range(256))
    reference = await barbican.store(content)
    answer = await barbican.ask("GET", f"{reference}/payload")
    assert (answer.content, answer.headers["content-type"]) == (content, "application/octet-stream")


async def test_a_backslash_before_u0000_is_stored_and_a_nul_is_refused(barbican: Barbican) -> None:
    reference = await barbican.store("a \\u0000 in a text")
    assert (await barbican.ask("GET", f"{reference}/payload")).text == "a \\u0000 in a text"
    body = {"name": "nul", "payload": "\0", "payload_content_type": "text/plain"}
    assert (await barbican.refused("POST", "/secrets", json=body))[0] == 400


async def test_a_payload_may_come_later_and_only_once(barbican: Barbican) -> None:
    reference = await barbican.store(name="later")
    assert "content_types" not in await barbican.get(reference)
    assert await barbican.refused("GET", f"{reference}/payload") == (404, "Secret payload not found.")
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "base64"}
    assert (await barbican.ask("PUT", reference, content=b"AAEC\n", headers=headers)).status_code == 204
    assert (await barbican.ask("GET", f"{reference}/payload")).content == b"\0\1\2"
    status, why = await barbican.refused("PUT", reference, content=b"x", headers={"Content-Type": "text/plain"})
    assert (status, why) == (409, "Secret already has data, cannot modify it.")


async def test_the_database_shows_no_payload(barbican: Barbican) -> None:
    await barbican.store("open sesame")
    await barbican.store(b"open sesame in bytes")
    files = [file for file in barbican.file.parent.iterdir() if file.is_file()]
    assert files
    assert all(b"open sesame" not in file.read_bytes() and b"b3BlbiBzZXNhbW" not in file.read_bytes() for file in files)


async def test_other_projects_see_nothing_and_readers_no_payload(barbican: Barbican) -> None:
    reference = await barbican.store("mine")
    for path in (reference, f"{reference}/payload", f"{reference}/metadata", f"{reference}/acl"):
        assert (await barbican.refused("GET", path, who="other"))[0] == 404
    assert (await barbican.refused("DELETE", reference, who="other"))[0] == 404
    assert await barbican.get("/secrets", who="other") == {"secrets": [], "total": 0}
    assert (await barbican.get(reference, who="reader"))["status"] == "ACTIVE"
    assert (await barbican.refused("GET", f"{reference}/payload", who="reader"))[0] == 403
    assert (await barbican.refused("DELETE", reference, who="reader"))[0] == 403
    assert (await barbican.refused("POST", "/secrets", json={}, who="reader"))[0] == 403
    assert (await barbican.ask("GET", reference, who=None)).status_code == 401


async def test_access_lists(barbican: Barbican) -> None:
    reference = await barbican.store("mine")
    acl = f"{reference}/acl"
    assert await barbican.get(acl) == {"read": {"project-access": True}}
    answer = await barbican.ask("PUT", acl, json={"read": {"users": ["u-other"], "project-access": False}})
    assert answer.json() == {"acl_ref": acl}
    assert (await barbican.ask("GET", f"{reference}/payload", who="other")).text == "mine"
    assert (await barbican.refused("GET", reference, who="friend"))[0] == 403
    assert (await barbican.get(reference))["secret_ref"] == reference
    await barbican.ask("PATCH", acl, json={"read": {"project-access": True}})
    assert (await barbican.get(acl))["read"]["users"] == ["u-other"]
    assert (await barbican.get(reference, who="friend"))["secret_ref"] == reference
    assert (await barbican.ask("DELETE", acl)).status_code == 200
    assert (await barbican.refused("GET", reference, who="other"))[0] == 404


async def test_lists_are_filtered_and_paged(barbican: Barbican) -> None:
    made = [await barbican.store("x", name=f"s{number % 2}") for number in range(5)]
    page = await barbican.get("/secrets?limit=2")
    seen = [each["secret_ref"] for each in page["secrets"]]
    assert page["total"] == 5
    while "next" in page:
        page = await barbican.get(page["next"])
        seen += [each["secret_ref"] for each in page["secrets"]]
    assert sorted(seen) == sorted(made)
    assert "previous" in page
    assert (await barbican.get("/secrets?name=s1"))["total"] == 2
    assert (await barbican.get("/secrets?alg=none"))["total"] == 0


async def test_expired_secrets_are_gone(barbican: Barbican) -> None:
    soon = (barbican.clock.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    reference = await barbican.store("x", expiration=soon)
    assert (await barbican.ask("GET", f"{reference}/payload")).text == "x"
    barbican.clock.advance(3601)
    assert (await barbican.refused("GET", f"{reference}/payload"))[0] == 404
    assert (await barbican.get("/secrets"))["total"] == 0
    status, why = await barbican.refused("POST", "/secrets", json={"expiration": soon})
    assert (status, why) == (400, "Provided object does not match schema: 'expiration' is before current time.")


@pytest.mark.parametrize(
    ("body", "status", "what"),
    [
        ({"payload": "x"}, 400, "payload_content_type"),
        ({"payload": "", "payload_content_type": "text/plain"}, 400, "non empty"),
        ({"payload_content_type": "text/plain"}, 400, "payload must be provided"),
        ({"payload": "x", "payload_content_type": "image/png"}, 400, "image/png"),
        ({"payload": "x", "payload_content_type": "application/octet-stream"}, 400, "payload_content_encoding"),
        (
            {
                "payload": "???",
                "payload_content_type": "application/octet-stream",
                "payload_content_encoding": "base64",
            },
            400,
            "base64",
        ),
        ({"payload": "x" * 20001, "payload_content_type": "text/plain"}, 413, "20000"),
        ({"secret_type": "odd"}, 400, "odd"),
        ({"bit_length": -1}, 400, "bit_length"),
        ({"name": "a\0b"}, 400, "NUL"),
        ({"expiration": "soon"}, 400, "expiration"),
        ({"expiration": "0001-01-01T00:00:00+23:59"}, 400, "expiration"),
        ({"expiration": "9999-12-31T23:59:59-23:59"}, 400, "expiration"),
        ({"expiration": "0003-01-01T00:00:00"}, 400, "before current time"),
    ],
)
async def test_malformed_secrets_are_refused(barbican: Barbican, body: Any, status: int, what: str) -> None:
    found, why = await barbican.refused("POST", "/secrets", json=body)
    assert found == status
    assert what in why
    assert (await barbican.get("/secrets"))["total"] == 0


async def test_metadata(barbican: Barbican) -> None:
    reference = f"{await barbican.store('x')}/metadata"
    assert await barbican.get(reference) == {"metadata": {}}
    answer = await barbican.ask("PUT", reference, json={"metadata": {"Place": "here"}})
    assert (answer.status_code, answer.json()) == (201, {"metadata_ref": reference})
    added = await barbican.ask("POST", reference, json={"key": "use", "value": "test"})
    assert added.status_code == 201
    assert (await barbican.refused("POST", reference, json={"key": "use", "value": "x"}))[0] == 409
    await barbican.ask("PUT", f"{reference}/use", json={"key": "use", "value": "proof"})
    assert await barbican.get(f"{reference}/use") == {"key": "use", "value": "proof"}
    assert (await barbican.ask("DELETE", f"{reference}/place")).status_code == 204
    assert await barbican.get(reference) == {"metadata": {"use": "proof"}}
    assert (await barbican.refused("GET", f"{reference}/place"))[0] == 404


async def test_containers(barbican: Barbican) -> None:
    one, two = await barbican.store("1"), await barbican.store("2")
    reference = await barbican.contain("certificate", certificate=one, private_key=two)
    shown = await barbican.get(reference)
    assert shown["container_ref"] == reference
    assert shown["type"] == "certificate"
    assert {part["name"]: part["secret_ref"] for part in shown["secret_refs"]} == {
        "certificate": one,
        "private_key": two,
    }
    assert [each["container_ref"] for each in (await barbican.get("/containers"))["containers"]] == [reference]
    assert (await barbican.refused("GET", reference, who="other"))[0] == 404
    assert (await barbican.refused("POST", f"{reference}/secrets", json={"name": "x", "secret_ref": one}))[0] == 400
    assert (await barbican.ask("DELETE", reference)).status_code == 204
    assert (await barbican.refused("GET", reference))[0] == 404


async def test_generic_containers_change(barbican: Barbican) -> None:
    one, two = await barbican.store("1"), await barbican.store("2")
    reference = await barbican.contain("generic", a=one)
    part = {"name": "b", "secret_ref": two}
    assert (await barbican.ask("POST", f"{reference}/secrets", json=part)).status_code == 201
    assert len((await barbican.get(reference))["secret_refs"]) == 2
    assert (await barbican.ask("DELETE", f"{reference}/secrets", json=part)).status_code == 204
    assert [each["name"] for each in (await barbican.get(reference))["secret_refs"]] == ["a"]
    assert (await barbican.refused("DELETE", f"{reference}/secrets", json=part))[0] == 404


@pytest.mark.parametrize(
    ("kind", "names", "what"),
    [
        ("certificate", ["private_key"], "certificate"),
        ("rsa", ["public_key"], "private_key"),
        ("certificate", ["certificate", "odd"], "intermediates"),
        ("generic", ["a", "a"], "Duplicate"),
    ],
)
async def test_malformed_containers_are_refused(barbican: Barbican, kind: str, names: list[str], what: str) -> None:
    refs = [{"name": name, "secret_ref": await barbican.store("x")} for name in names]
    status, why = await barbican.refused("POST", "/containers", json={"type": kind, "secret_refs": refs})
    assert status == 400
    assert what in why


async def test_a_container_of_another_projects_secret_is_refused(barbican: Barbican) -> None:
    theirs = await barbican.store("x", who="other")
    refs = [{"name": "a", "secret_ref": theirs}]
    status, why = await barbican.refused("POST", "/containers", json={"type": "generic", "secret_refs": refs})
    assert status == 404
    assert theirs in why


async def test_consumers(barbican: Barbican) -> None:
    secret = await barbican.store("x")
    container = await barbican.contain("generic", a=secret)
    for reference, consumer in (
        (container, {"name": "lb", "URL": "http://x/lb/1"}),
        (secret, {"service": "octavia", "resource_type": "listener", "resource_id": "1"}),
    ):
        path = f"{reference}/consumers"
        for _ in range(2):
            answer = await barbican.ask("POST", path, json=consumer)
            assert (answer.status_code, answer.json()["consumers"]) == (200, [consumer])
        assert (await barbican.get(path)) == {"consumers": [consumer], "total": 1}
        assert (await barbican.ask("DELETE", path, json=consumer)).json()["consumers"] == []
        assert (await barbican.refused("DELETE", path, json=consumer))[0] == 404


async def test_orders_are_limited_to_the_project(barbican: Barbican) -> None:
    order = AcmeOrder(
        id="b" * 32,
        project_id=DEMO,
        reference="acme:www.example.org",
        created_at="2026-01-01T00:00:00",
        updated_at="2026-01-01T00:00:00",
        due=0,
    )
    barbican.database.transact(lambda transaction: transaction.insert(order))
    (listed,) = (await barbican.get("/orders"))["orders"]
    assert (listed["status"], listed["container_ref"]) == ("PENDING", "acme:www.example.org")
    assert await barbican.get(listed["order_ref"]) == listed
    assert (await barbican.get("/orders", who="other"))["orders"] == []
    assert await barbican.refused("GET", listed["order_ref"], who="other") == (404, "Order not found.")
    sealed = structs.replace(order, sealed=barbican.vault.seal(b"a key"), not_after="2026-03-01T00:00:00")
    barbican.database.transact(lambda transaction: transaction.update(sealed))
    after = await barbican.get(listed["order_ref"])
    assert (after["status"], after["meta"]["expiration"]) == ("ACTIVE", "2026-03-01T00:00:00")
    assert "a key" not in str(after)
    assert str(sealed.sealed) not in str(after)
