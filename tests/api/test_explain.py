"""Explanations: why a load balancer is as it is, and where a request would go."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hydria.contract import Report
from hydria.store.certificates import AcmeOrder
from hydria.store.resources import Amphora
from tests.support.api import Api, make_tree
from tests.support.certificates import authority, leaf
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases


async def explained(api: Api, lb: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"loadbalancers/{lb}/explain"))["explain"]
    return found


async def asked(api: Api, lb: str, **request: Any) -> dict[str, Any]:
    body = {"request": request}
    found: dict[str, Any] = (await api.post(f"loadbalancers/{lb}/explain", body, status=200))["explanation"]
    return found


async def test_what_a_pending_load_balancer_waits_for(cloud: Cloud, api: Api) -> None:
    lb = (await make_tree(api, cloud.subnet.id))["loadbalancer"]
    nowhere = await explained(api, lb)
    assert (nowhere["provisioning_status"], nowhere["failure"]) == ("PENDING_CREATE", None)
    assert [each["kind"] for each in nowhere["waiting_for"]] == ["host"]
    worker = Worker(cloud, "node-1")
    worker.fetch()
    pending = await explained(cloud.api("admin"), lb)
    (wait,) = pending["waiting_for"]
    assert (wait["kind"], wait["host"]) == ("amphora", "node-1")
    assert wait["sentence"] == "Host node-1 serves nothing and has not reported revision 7 yet."
    assert pending["summary"].endswith(wait["sentence"])
    hidden = (await explained(api, lb))["waiting_for"][0]
    assert (hidden["host"], hidden["amphora_id"]) == (None, None)
    assert "node-1" not in hidden["sentence"]


async def test_one_that_is_served(cloud: Cloud, api: Api) -> None:
    lb = (await make_tree(api, cloud.subnet.id))["loadbalancer"]
    Worker(cloud).step()
    found = await explained(api, lb)
    assert (found["provisioning_status"], found["revision"], found["served_revision"]) == ("ACTIVE", 7, 7)
    assert (found["waiting_for"], found["failure"], found["members"], found["troubles"]) == ([], None, [], [])
    assert found["summary"] == "Every amphora serves revision 7."
    assert found["since"] == "2026-01-01T00:00:00"


async def test_one_that_failed(cloud: Cloud, api: Api) -> None:
    tree = await make_tree(api, cloud.subnet.id)
    worker = Worker(cloud)
    worker.step()
    await api.change("pool", tree["pool"], name="x")
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    worker.send(Report(amphora_id=amphora.id, generation=7, attempted=8, reason="The disk is full."))
    found = await explained(api, tree["loadbalancer"])
    assert found["summary"] == "Revision 8 is not served: The disk is full."
    assert found["failure"] == {"revision": 8, "at": "2026-01-01T00:00:00", "reason": "The disk is full."}


async def test_members_that_fail_and_what_their_checks_saw(cloud: Cloud, api: Api) -> None:
    tree = await make_tree(api, cloud.subnet.id)
    worker = Worker(cloud, "node-1")
    worker.down.add(tree["member"])
    worker.step()
    found = await explained(cloud.api("admin"), tree["loadbalancer"])
    (member,) = found["members"]
    assert (member["id"], member["operating_status"]) == (tree["member"], "ERROR")
    assert member["sentence"] == "The check of host node-1 fails: Connection refused."
    (check,) = member["checks"]
    assert (check["state"], check["result"], check["latency_ms"], check["seconds"]) == ("down", "L4CON", 1, 0)
    address = "10.0.0.11:80 does not pass its checks (1 of 1 members)"
    assert found["summary"] == f"Member {address}: {member['sentence']}"
    worker.down.clear()
    worker.report(next(iter(worker.serving)))
    assert (await explained(api, tree["loadbalancer"]))["members"] == []


async def test_the_end_of_a_load_balancer(cloud: Cloud, api: Api) -> None:
    lb = (await make_tree(api, cloud.subnet.id))["loadbalancer"]
    Worker(cloud, "node-1").step()
    await api.delete(f"loadbalancers/{lb}", cascade=True)
    found = await explained(api, lb)
    assert [each["kind"] for each in found["waiting_for"]] == ["removal"]
    assert found["summary"].startswith("The deletion is being carried out.")


async def test_a_request_is_followed_to_its_member(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    shop = await api.create("pool", loadbalancer_id=lb, name="shop", protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    await api.add_member(shop["id"], "10.0.0.20", weight=3)
    await api.add_member(shop["id"], "10.0.0.21", backup=True)
    policy = await api.create(
        "l7policy",
        listener_id=tree["listener"],
        name="cart",
        action="REDIRECT_TO_POOL",
        redirect_pool_id=shop["id"],
    )
    await api.add_rule(policy["id"], value="/cart")
    await api.add_rule(policy["id"], type="HEADER", key="X-Tag", compare_type="EQUAL_TO", value="b")
    found = await asked(api, lb, path="/cart?id=1", headers={"X-Tag": ["a", "b"]}, host="example.org")
    assert (found["outcome"], found["pool"]["name"], found["status"]) == ("pool", "shop", None)
    reject, cart = found["policies"]
    assert (reject["matched"], reject["decides"], cart["matched"], cart["decides"]) == (False, False, True, True)
    by_type = {each["type"]: each for each in cart["rules"]}
    assert by_type["PATH"]["sentence"] == "The path /cart starts with /cart."
    assert by_type["HEADER"]["seen"] == ["a", "b"]
    regular, backup = sorted(found["members"], key=lambda each: each["address"])
    assert (regular["takes"], backup["takes"]) == (True, False)
    assert backup["sentence"] == "It is a backup member, and others are up."
    rejected = await asked(api, lb, path="/images/1.png")
    assert (rejected["outcome"], rejected["status"]) == ("reject", 403)
    other = await asked(api, lb)
    assert (other["outcome"], other["pool"]["id"]) == ("pool", tree["pool"])
    refused = await asked(api, lb, port=81)
    assert (refused["outcome"], refused["listener"]) == ("refused", None)
    wrong = await asked(api, lb, scheme="https", port=80)
    assert wrong["outcome"] == "wrong_protocol"


async def test_sources_and_switches(api: Api, tree: dict[str, str]) -> None:
    lb = tree["loadbalancer"]
    await api.change("listener", tree["listener"], allowed_cidrs=["192.0.2.0/24"])
    assert (await asked(api, lb, source="198.51.100.1"))["outcome"] == "denied"
    assert (await asked(api, lb, source="192.0.2.1"))["outcome"] == "pool"
    await api.change("pool", tree["pool"], session_persistence={"type": "SOURCE_IP"})
    assert (await asked(api, lb))["persistence"]["type"] == "SOURCE_IP"
    await api.put(f"pools/{tree['pool']}/members/{tree['member']}", {"member": {"weight": 0}})
    empty = await asked(api, lb)
    assert (empty["outcome"], empty["status"]) == ("no_member", 503)
    await api.change("pool", tree["pool"], admin_state_up=False)
    assert (await asked(api, lb))["outcome"] == "no_pool"
    await api.change("listener", tree["listener"], admin_state_up=False)
    assert (await asked(api, lb))["outcome"] == "refused"


async def test_sentences_have_codes_and_values(cloud: Cloud, api: Api) -> None:
    lb = (await make_tree(api, cloud.subnet.id))["loadbalancer"]
    Worker(cloud, "node-1").fetch()
    (wait,) = (await explained(cloud.api("admin"), lb))["waiting_for"]
    host = {"code": "host", "values": {"name": "node-1"}}
    assert wait["words"] == [{"code": "first_unreported", "values": {"host": host, "revision": 7}}]
    found = await asked(api, lb)
    assert [each["code"] for each in found["words"]] == ["no_policy_matches", "to_pool"]
    (rule,) = found["policies"][0]["rules"]
    (word,) = rule["words"]
    assert (word["code"], word["values"]["subject"]) == ("starts_not", {"code": "path", "values": {}})


async def test_a_failure_that_is_over_is_named(cloud: Cloud, api: Api) -> None:
    tree = await make_tree(api, cloud.subnet.id)
    worker = Worker(cloud)
    worker.step()
    assert (await explained(api, tree["loadbalancer"]))["last_failure"] is None
    await api.change("pool", tree["pool"], name="x")
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    worker.send(Report(amphora_id=amphora.id, generation=7, attempted=8, reason="The disk is full."))
    failing = await explained(api, tree["loadbalancer"])
    assert (failing["failure"]["revision"], failing["last_failure"]) == (8, None)
    worker.step()
    found = await explained(api, tree["loadbalancer"])
    over = found["last_failure"]
    assert (found["failure"], over["revision"], over["reason"]) == (None, 8, "The disk is full.")
    assert (over["at"], over["resolved_at"]) == ("2026-01-01T00:00:00", "2026-01-01T00:00:00")
    assert over["sentence"] == "Revision 8 failed once, and is served now: The disk is full."
    newest = (await api.get(f"loadbalancers/{tree['loadbalancer']}/revisions", limit=1))["revisions"][0]
    assert (newest["served"]["state"], newest["served"]["failure"]) == ("served", "The disk is full.")


async def test_the_state_of_an_ordered_certificate(cloud: Cloud, api: Api) -> None:
    lb = (await make_tree(api, cloud.subnet.id))["loadbalancer"]
    reference = "acme:www.example.org,shop.example.org"

    def order(**values: Any) -> AcmeOrder:
        stamps: dict[str, Any] = {"created_at": "2026-01-01T00:00:00", "updated_at": "2026-01-01T00:00:00"}
        return AcmeOrder(id="o", project_id="p-red", reference=reference, due=1767229200, **stamps, **values)

    sealed = cloud.vault.seal(leaf("www.example.org").bundle.encode())
    cloud.database.transact(lambda tx: tx.insert(order(sealed=sealed)))
    listener = {"loadbalancer_id": lb, "protocol": "TERMINATED_HTTPS", "protocol_port": 443}
    await api.create("listener", default_tls_container_ref=reference, **listener)

    async def state(**values: Any) -> dict[str, Any]:
        cloud.database.transact(lambda tx: tx.update(order(**values)))
        (found,) = (await explained(api, lb))["certificates"]
        return dict(found)

    ordering = await state()
    assert (ordering["state"], ordering["reference"]) == ("ordering", reference)
    assert ordering["sentence"].startswith("The certificate of www.example.org, shop.example.org is being ordered")
    failed = await state(failures=2, reason="The authority refuses it.", not_after="2026-02-01T00:00:00")
    assert (failed["state"], failed["reason"]) == ("failed", "The authority refuses it.")
    assert [each["code"] for each in failed["words"]] == ["acme_failed", "acme_kept"]
    issued = await state(not_after="2026-02-01T00:00:00")
    assert (issued["state"], issued["next_at"]) == ("issued", "2026-01-01T01:00:00")


async def test_a_request_over_tls(cloud: Cloud, api: Api) -> None:
    lb = (await make_tree(api, cloud.subnet.id))["loadbalancer"]
    # Certificates of these tests are valid today, not in the time of the manual clock.
    cloud.clock.advance((datetime.now(UTC) - cloud.clock.now()).total_seconds())
    url = "http://keys.test/key-manager/v1/secrets/"
    references = {name: f"{url}{name}" for name in ("default", "shop")}
    for name, reference in references.items():
        cloud.secrets.texts[reference] = leaf(f"{'www' if name == 'default' else name}.example.org").bundle
    authorities = f"{url}ca"
    cloud.secrets.texts[authorities] = authority().pem
    tls = {
        "default_tls_container_ref": references["default"],
        "sni_container_refs": [references["shop"]],
        "client_authentication": "MANDATORY",
        "client_ca_tls_container_ref": authorities,
    }
    await api.create("listener", loadbalancer_id=lb, protocol="TERMINATED_HTTPS", protocol_port=443, **tls)
    bare = await asked(api, lb, scheme="https", host="shop.example.org")
    assert (bare["outcome"], bare["tls"]["certificate"]) == ("handshake", references["shop"])
    client = leaf(client=True, common_name="alice").pem
    known = await asked(api, lb, scheme="https", host="x.example.org", client_certificate=client)
    assert (known["outcome"], known["tls"]["certificate"]) == ("no_pool", references["default"])
    assert [each["code"] for each in known["tls"]["words"]] == ["sni_default", "client_certificate_accepted"]
    stranger = leaf(client=True, by=authority("another")).pem
    refused = await asked(api, lb, scheme="https", client_certificate=stranger)
    assert refused["outcome"] == "handshake"
    assert "is not from the listener's authority (20)" in refused["sentence"]
    path, wrong = f"loadbalancers/{lb}/explain", {"scheme": "https", "client_certificate": "x"}
    assert "no PEM text" in await api.fault("POST", path, 400, {"request": wrong})


async def test_refusals(cloud: Cloud, api: Api, tree: dict[str, str]) -> None:
    path = f"loadbalancers/{tree['loadbalancer']}/explain"
    await cloud.api("bob").fault("GET", path, 403)
    await cloud.api("bob").fault("POST", path, 403, {"request": {}})
    assert "needs a port" in await api.fault("POST", path, 400, {"request": {"scheme": "tcp"}})
    assert "must be a text" in await api.fault("POST", path, 400, {"request": {"headers": {"A": 1}}})
    assert "each a line" in await api.fault("POST", path, 400, {"request": {"headers": {"A": "1\r\nB: 2"}}})
    await api.fault("GET", "loadbalancers/00000000-0000-4000-8000-000000000000/explain", 404)
