"""The stock client's commands for secrets and containers, with a server in noop mode."""

import base64
import uuid
from pathlib import Path

from hydria.store import Database, columns
from hydria.store.certificates import AcmeOrder
from tests.support import certificates
from tests.support.client import Client, expect
from tests.support.served import Served


def test_a_bundle_is_stored_and_fetched(openstack: Client, tmp_path: Path) -> None:
    bundle = certificates.leaf("www.example.org").pkcs12()
    octets = "--payload-content-type application/octet-stream --payload-content-encoding base64"
    made = openstack.get(f"secret store --name bundle {octets} --payload {base64.b64encode(bundle).decode()}")
    reference = made["Secret href"]
    shown = openstack.get(f"secret get {reference}")
    expect(shown, Name="bundle", Status="ACTIVE", **{"Secret type": "opaque"})
    out = tmp_path / "out.p12"
    openstack.do(f"secret get {reference} --payload_content_type application/octet-stream --file {out}")
    assert out.read_bytes() == bundle
    openstack.do(f"secret delete {reference}")
    assert "not found" in openstack.fail(f"secret get {reference}").lower()


def test_texts_containers_consumers_and_access(openstack: Client) -> None:
    text = openstack.get("secret store --name greeting --payload hello --secret-type passphrase")["Secret href"]
    assert openstack.get(f"secret get --payload {text}") == {"Payload": "hello"}
    empty = openstack.get("secret store --name empty")["Secret href"]
    openstack.do(f"secret update {empty} later")
    assert openstack.get(f"secret get --payload {empty}") == {"Payload": "later"}
    names = {each["Name"] for each in openstack.get("secret list --limit 100")}
    assert {"greeting", "empty"} <= names
    made = openstack.get(f"secret container create --name both --type generic --secret a={text} --secret b={empty}")
    container = made["Container href"]
    assert openstack.get(f"secret container get {container}")["Name"] == "both"
    assert container in [each["Container href"] for each in openstack.get("secret container list")]
    openstack.do(f"secret consumer create --service-type-name octavia --resource-type lb --resource-id 1 {text}")
    (consumer,) = openstack.get(f"secret consumer list {text}")
    expect(consumer, **{"Service": "octavia", "Resource type": "lb", "Resource id": "1"})
    assert "someone" in str(openstack.get(f"acl user add --user someone {text}"))
    assert "someone" in str(openstack.get(f"acl get {text}"))
    openstack.do(f"secret container delete {container}")
    openstack.do(f"secret delete {text}")
    openstack.do(f"secret delete {empty}")


def test_orders_show_the_state_of_acme_certificates(openstack: Client, server: Served) -> None:
    order = AcmeOrder(
        id=str(uuid.uuid4()),
        project_id=openstack.get("token issue")["project_id"],
        reference="acme:www.example.org",
        created_at="2026-01-01T00:00:00",
        updated_at="2026-01-01T00:00:00",
        due=0,
        reason="Nobody answers.",
    )
    database = Database(server.database_url)
    database.transact(lambda transaction: transaction.insert(order))
    (listed,) = openstack.get("secret order list")
    assert openstack.get(f"secret order get {listed['Order href']}") == listed
    expect(
        listed,
        **{"Container href": order.reference, "Status": "ERROR", "Error message": "Nobody answers."},
    )
    database.transact(lambda transaction: transaction.delete(AcmeOrder, columns(AcmeOrder).id == order.id))
    assert openstack.get("secret order list") == []
    assert "not found" in openstack.fail(f"secret order get {listed['Order href']}").lower()
    database.close()
