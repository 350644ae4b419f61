"""Listeners whose certificates are in a Barbican: read by its access lists, kept, read again, and while it is away."""

from functools import partial

import pytest
from msgspec import structs

from hydria.barbican.rows import CachedSecret
from hydria.barbican.situation import REFRESH
from hydria.errors import Invalid, Unavailable
from hydria.homecloud.secrets import Vault, new_key
from hydria.store import Transaction, columns
from tests.support import certificates
from tests.support.api import Api, Body
from tests.support.barbican import BarbicanCloud
from tests.support.worker import Worker

AWAY = Unavailable("Barbican does not answer. Please try again.")
LEAF = certificates.leaf("www.example.org", by=certificates.intermediate())


async def make(cloud: BarbicanCloud, api: Api, reference: str, **attributes: object) -> tuple[Body, Body]:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    return lb, await add(api, lb, reference, 443, **attributes)


async def add(api: Api, lb: Body, reference: str, port: int, **attributes: object) -> Body:
    return await api.create("listener", **form(lb, reference, port), **attributes)


def form(lb: Body, reference: str, port: int = 443) -> Body:
    return {
        "loadbalancer_id": lb["id"],
        "protocol": "TERMINATED_HTTPS",
        "protocol_port": port,
        "default_tls_container_ref": reference,
    }


async def refused(api: Api, cloud: BarbicanCloud, reference: str, status: int = 400) -> str:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    fault = await api.fault("POST", "listeners", status, {"listener": form(lb, reference)})
    return str(fault)


def rows(cloud: BarbicanCloud) -> list[CachedSecret]:
    return cloud.database.read(partial(Transaction.find, kind=CachedSecret))


def container(cloud: BarbicanCloud, *, readable: bool = True) -> str:
    add_secret = partial(cloud.barbican.add_secret, readable=readable)
    return cloud.barbican.add_container(
        {
            "certificate": add_secret(LEAF.pem.encode()),
            "private_key": add_secret(LEAF.locked_key_pem("open").encode()),
            "private_key_passphrase": add_secret(b"open"),
            "intermediates": add_secret(LEAF.chain_pem.encode()),
        },
        "alice",
        readable=readable,
    )


async def test_a_host_gets_what_a_pkcs12_secret_holds(cloud: BarbicanCloud, api: Api) -> None:
    host = Worker(cloud)
    reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    await make(cloud, api, reference)
    host.step()
    (instance,) = host.serving.values()
    assert (instance.secrets, instance.lost) == ({reference: LEAF.bundle}, {})
    (row,) = rows(cloud)
    assert "PRIVATE" not in row.sealed


async def test_a_host_gets_what_a_container_holds(cloud: BarbicanCloud, api: Api) -> None:
    host = Worker(cloud)
    reference = container(cloud)
    await make(cloud, api, reference)
    host.step()
    (instance,) = host.serving.values()
    assert instance.secrets == {reference: LEAF.bundle}


async def test_authorities_and_revocations_are_read_too(cloud: BarbicanCloud, api: Api) -> None:
    host = Worker(cloud)
    reference = cloud.barbican.add_secret((LEAF.pem + LEAF.key_pem).encode(), "alice")
    authority = cloud.barbican.add_secret(certificates.authority().pem.encode(), "alice")
    revoked = cloud.barbican.add_secret(certificates.revoked(certificates.leaf()).encode(), "alice")
    given = {"client_ca_tls_container_ref": authority, "client_crl_container_ref": revoked}
    await make(cloud, api, reference, client_authentication="MANDATORY", **given)
    host.step()
    (instance,) = host.serving.values()
    assert set(instance.secrets) == {reference, authority, revoked}


@pytest.mark.parametrize("kind", ["secret", "container"])
async def test_what_the_access_list_does_not_allow_is_refused_as_by_octavia(
    cloud: BarbicanCloud, api: Api, kind: str
) -> None:
    if kind == "secret":
        reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice", readable=False)
    else:
        reference = container(cloud, readable=False)
    sentence = f"Could not retrieve certificate: ['{reference}']"
    assert sentence in await refused(api, cloud, reference)
    assert rows(cloud) == []
    for each in (reference, *(part for parts in cloud.barbican.containers.values() for part in parts.values())):
        cloud.barbican.allow(each)
    await make(cloud, api, reference)
    assert len(rows(cloud)) == 1


async def test_what_the_user_does_not_see_is_refused_although_hydria_may_read_it(
    cloud: BarbicanCloud, api: Api
) -> None:
    theirs = cloud.barbican.add_secret(LEAF.pkcs12(), "bob")
    assert "Could not retrieve certificate" in await refused(api, cloud, theirs)
    assert rows(cloud) == []
    # Nor although the row of another project has it.
    network = cloud.networking.add_network("p-blue", physical="physnet")
    subnet = cloud.networking.add_subnet(network, "10.1.0.0/24")
    bob = cloud.api("bob")
    lb = await bob.create("loadbalancer", vip_subnet_id=subnet.id)
    await add(bob, lb, theirs, port=443)
    assert "Could not retrieve certificate" in await refused(api, cloud, theirs)
    assert [row.project_id for row in rows(cloud)] == ["p-blue"]


@pytest.mark.parametrize(
    "reference",
    [
        "http://barbican.test:9311/v1/secrets/00000000-0000-0000-0000-000000000000",
        "http://barbican.test:9311/v1/containers/00000000-0000-0000-0000-000000000000",
        "http://barbican.test:9311/v1/secrets/nothing",
    ],
)
async def test_what_does_not_exist_is_refused_as_by_octavia(cloud: BarbicanCloud, api: Api, reference: str) -> None:
    assert f"Could not retrieve certificate: ['{reference}']" in await refused(api, cloud, reference)


async def test_content_that_cannot_be_used_is_refused(cloud: BarbicanCloud, api: Api) -> None:
    reference = cloud.barbican.add_secret(LEAF.pkcs12("locked"), "alice")
    assert "The PKCS12 bundle is unreadable" in await refused(api, cloud, reference)


@pytest.mark.parametrize("verb", ["check_visible", "payload"])
async def test_while_barbican_is_away_listeners_go_on_and_new_ones_say_why(
    cloud: BarbicanCloud, api: Api, verb: str
) -> None:
    host = Worker(cloud)
    known = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    lb, listener = await make(cloud, api, known)
    new = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    cloud.barbican.faults.set(verb, AWAY)
    assert AWAY.message in await refused(api, cloud, new, status=503)
    # A known certificate is used, also by another listener and by a host that comes later.
    await api.change("listener", listener["id"], name="changed")
    await add(api, lb, known, port=8443)
    host.step()
    instance = next(each for each in host.serving.values() if each.tree.load_balancer.id == lb["id"])
    assert (len(instance.tree.listeners), instance.secrets) == (2, {known: LEAF.bundle})
    cloud.barbican.faults.clear()
    await add(api, lb, new, port=9443)


async def test_calls_ask_barbican_only_for_new_references(cloud: BarbicanCloud, api: Api) -> None:
    reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    lb, listener = await make(cloud, api, reference)
    asked = len(cloud.barbican.calls)
    await api.show("listener", listener["id"])
    await api.change("listener", listener["id"], name="changed")
    assert len(cloud.barbican.calls) == asked == 2
    assert lb["id"]


@pytest.mark.both_databases
async def test_a_changed_secret_is_served(cloud: BarbicanCloud, api: Api) -> None:
    host = Worker(cloud)
    reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    lb, _ = await make(cloud, api, reference)
    host.step()
    other = certificates.leaf("www.example.org")
    cloud.barbican.secrets[reference.rpartition("/")[2]] = other.pkcs12()
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    host.step()
    (instance,) = host.serving.values()
    assert instance.secrets == {reference: other.bundle}
    generation = instance.generation
    # Nothing changes without a change.
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    host.step()
    assert [each.generation for each in host.serving.values()] == [generation]
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"


async def test_a_deleted_secret_stays_with_its_listeners_and_gets_no_new_ones(cloud: BarbicanCloud, api: Api) -> None:
    host = Worker(cloud)
    reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    lb, listener = await make(cloud, api, reference)
    cloud.barbican.secrets.clear()
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    (row,) = rows(cloud)
    assert row.reason == "Not Found. Sorry but your secret is in another castle."
    await api.change("listener", listener["id"], name="changed")
    host.step()
    (instance,) = host.serving.values()
    assert instance.secrets == {reference: LEAF.bundle}
    await api.fault("POST", "listeners", 400, {"listener": form(lb, reference, 8443)})


@pytest.mark.parametrize("mishap", ["deleted", "withdrawn"])
async def test_what_cannot_be_read_any_more_is_named_with_what_to_do(
    cloud: BarbicanCloud, api: Api, mishap: str
) -> None:
    host = Worker(cloud)
    reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    lb, listener = await make(cloud, api, reference)
    host.step()
    there, readable = dict(cloud.barbican.secrets), set(cloud.barbican.readable)
    (cloud.barbican.secrets if mishap == "deleted" else cloud.barbican.readable).clear()
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    host.step()
    asked = len(cloud.barbican.calls)

    shown = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    reason = shown["listeners"][0]["provisioning_status_reason"]
    assert shown["listeners"][0]["provisioning_status"] == shown["provisioning_status"] == "ACTIVE"
    assert reason.startswith(f"{reference} cannot be read any more: ")
    assert "store it again and name the new reference" in reason
    assert ("another castle" in reason) == (mishap == "deleted")
    assert ("openstack acl user add" in reason) == (mishap == "withdrawn")
    found = (await api.get(f"loadbalancers/{lb['id']}/explain"))["explain"]
    assert [(each["id"], each["reason"]) for each in found["troubles"]] == [(listener["id"], reason)]
    assert reason in found["summary"]
    (listed,) = (await api.get(f"/dashboard/v1/loadbalancers/{lb['id']}/certificates"))["certificates"]
    assert (listed["names"], listed["doubt"]) == (["www.example.org"], reason)
    assert len(cloud.barbican.calls) == asked

    cloud.barbican.secrets, cloud.barbican.readable = there, readable
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    shown = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    assert "provisioning_status_reason" not in shown["listeners"][0]
    (listed,) = (await api.get(f"/dashboard/v1/loadbalancers/{lb['id']}/certificates"))["certificates"]
    assert "doubt" not in listed


async def test_a_failure_in_the_middle_keeps_what_was_read(cloud: BarbicanCloud, api: Api) -> None:
    lb, _ = await make(cloud, api, cloud.barbican.add_secret(LEAF.pkcs12(), "alice"))
    await add(api, lb, cloud.barbican.add_secret(LEAF.pkcs12(), "alice"), port=8443)
    cloud.clock.advance(REFRESH + 1)
    cloud.barbican.faults.set("payload", AWAY)
    with pytest.raises(Unavailable):
        await cloud.worker.step()
    assert [row.reason for row in rows(cloud)] == [None, None]


@pytest.mark.both_databases
async def test_what_nothing_refers_to_is_removed(cloud: BarbicanCloud, api: Api) -> None:
    _, listener = await make(cloud, api, cloud.barbican.add_secret(LEAF.pkcs12(), "alice"))
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    assert len(rows(cloud)) == 1
    await api.delete(f"listeners/{listener['id']}")
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    assert rows(cloud) == []


@pytest.mark.parametrize("after", [False, True])
async def test_load_balancers_are_consumers(cloud: BarbicanCloud, api: Api, *, after: bool) -> None:
    reference = container(cloud)
    key = reference.rpartition("/")[2]
    one, listener = await make(cloud, api, reference)
    two, _ = await make(cloud, api, reference)
    cloud.barbican.faults.set("register", AWAY, after=after, times=1)
    with pytest.raises(Unavailable):
        await cloud.worker.step()
    await cloud.worker.step()
    assert cloud.barbican.consumers == {key: {one["id"], two["id"]}}
    asked = len(cloud.barbican.calls)
    await cloud.worker.step()
    assert len(cloud.barbican.calls) == asked
    await api.delete(f"listeners/{listener['id']}")
    cloud.barbican.faults.set("unregister", AWAY, after=after, times=1)
    with pytest.raises(Unavailable):
        await cloud.worker.step()
    await cloud.worker.step()
    assert cloud.barbican.consumers == {key: {two["id"]}}


async def test_a_barbican_without_consumers_of_secrets_is_asked_once(cloud: BarbicanCloud, api: Api) -> None:
    await make(cloud, api, cloud.barbican.add_secret(LEAF.pkcs12(), "alice"))
    cloud.barbican.faults.set("register", Invalid("Not acceptable"))
    await cloud.worker.step()
    await cloud.worker.step()
    assert cloud.barbican.calls.count("register") == 1


@pytest.mark.both_databases
async def test_what_pools_and_sni_refer_to_stays(cloud: BarbicanCloud, api: Api) -> None:
    default, sni, client, authority = (
        cloud.barbican.add_secret(each, "alice")
        for each in (LEAF.pkcs12(), LEAF.pkcs12(), LEAF.pkcs12(), certificates.authority().pem.encode())
    )
    lb, _ = await make(cloud, api, default, sni_container_refs=[sni])
    pool = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_enabled": True}
    await api.create("pool", **pool, tls_container_ref=client, ca_tls_container_ref=authority)
    cloud.barbican.secrets.clear()
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    assert {row.reference for row in rows(cloud) if row.reason} == {default, sni, client, authority}


async def test_a_missing_row_is_read_again(cloud: BarbicanCloud, api: Api) -> None:
    host = Worker(cloud)
    reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    await make(cloud, api, reference)
    (row,) = rows(cloud)
    cloud.database.transact(lambda tx: tx.delete(CachedSecret, columns(CachedSecret).id == row.id))
    host.step()
    (instance,) = host.serving.values()
    assert set(instance.lost) == {reference}
    await cloud.worker.step()
    host.step()
    (instance,) = host.serving.values()
    assert (instance.secrets, instance.lost) == ({reference: LEAF.bundle}, {})


async def test_what_was_never_read_is_not_tried_all_the_time(cloud: BarbicanCloud, api: Api) -> None:
    await make(cloud, api, cloud.barbican.add_secret(LEAF.pkcs12(), "alice"))
    (row,) = rows(cloud)
    cloud.database.transact(lambda tx: tx.delete(CachedSecret, columns(CachedSecret).id == row.id))
    there = dict(cloud.barbican.secrets)
    cloud.barbican.secrets.clear()
    await cloud.worker.step()
    asked = len(cloud.barbican.calls)
    await cloud.worker.step()
    assert (len(cloud.barbican.calls), rows(cloud)) == (asked, [])
    cloud.barbican.secrets = there
    cloud.clock.advance(61)
    await cloud.worker.step()
    assert [each.reference for each in rows(cloud)] == [row.reference]


async def test_a_text_that_was_sealed_with_a_lost_key_is_replaced(cloud: BarbicanCloud, api: Api) -> None:
    host = Worker(cloud)
    reference = cloud.barbican.add_secret(LEAF.pkcs12(), "alice")
    await make(cloud, api, reference)
    (row,) = rows(cloud)
    cloud.database.transact(lambda tx: tx.update(structs.replace(row, sealed=Vault(new_key()).seal(b"x"))))
    cloud.clock.advance(REFRESH + 1)
    await cloud.worker.step()
    host.step()
    (instance,) = host.serving.values()
    assert instance.secrets == {reference: LEAF.bundle}
