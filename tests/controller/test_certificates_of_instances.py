"""Secrets reach the hosts that need them; a lost one is shown, and replaced by naming another."""

from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker

POOL = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}


async def test_an_instance_carries_its_certificates(cloud: Cloud, api: Api, worker: Worker) -> None:
    cloud.secrets.texts = {"first": "PEM 1", "second": "PEM 2", "ca": "PEM CA", "unused": "PEM X"}
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "first"}
    off = listener | {"protocol_port": 8443, "default_tls_container_ref": "unused", "admin_state_up": False}
    pool = {
        "name": "p",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "tls_enabled": True,
        "ca_tls_container_ref": "unused",
    }
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener, off], pools=[pool])
    (instance,) = (orders := worker.fetch()).serve
    assert instance.secrets == {"first": "PEM 1"}
    worker.serve(orders)
    key = next(each["id"] for each in lb["listeners"] if each["protocol_port"] == 443)
    await api.put(
        f"listeners/{key}", {"listener": {"sni_container_refs": ["second"], "client_ca_tls_container_ref": "ca"}}
    )
    (instance,) = worker.fetch().serve
    assert instance.secrets == {"first": "PEM 1", "second": "PEM 2", "ca": "PEM CA"}


async def test_a_lost_secret_troubles_only_its_listener_until_another_is_named(
    cloud: Cloud, api: Api, worker: Worker
) -> None:
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "first"}
    plain = {"protocol": "HTTP", "protocol_port": 80, "default_pool": POOL}
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener, plain])
    worker.serve(worker.fetch())
    cloud.secrets.lost = {"first"}
    (pool,) = lb["pools"]
    member = await api.add_member(pool["id"], "10.0.0.9")
    orders = worker.fetch()
    assert orders.serve[0].lost.keys() == {"first"}
    worker.serve(orders)
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    shown = (await api.get(f"pools/{pool['id']}/members/{member['id']}"))["member"]
    assert shown["provisioning_status"] == "ACTIVE"
    tree = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    (one,) = [each for each in tree["listeners"] if each["provisioning_status"] == "ERROR"]
    assert one["provisioning_status_reason"].startswith("first cannot be read any more: Secret first not found.")
    assert one["operating_status"] == "ERROR"
    assert tree["operating_status"] == "DEGRADED"
    found = (await api.get("listeners", provisioning_status="ERROR"))["listeners"]
    assert [each["id"] for each in found] == [one["id"]]
    await api.put(f"listeners/{one['id']}", {"listener": {"default_tls_container_ref": "second"}})
    assert (await api.show("listener", one["id"]))["provisioning_status"] == "PENDING_UPDATE"
    worker.serve(worker.fetch())
    assert (await api.show("listener", one["id"]))["provisioning_status"] == "ACTIVE"
    tree = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    assert tree["operating_status"] == "ONLINE"


async def test_a_load_balancer_that_is_switched_off_needs_no_secrets(cloud: Cloud, api: Api, worker: Worker) -> None:
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "first"}
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener], admin_state_up=False)
    cloud.secrets.lost = {"first"}
    worker.serve(worker.fetch())
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    assert (await api.show("listener", lb["listeners"][0]["id"]))["provisioning_status"] == "ACTIVE"


async def test_a_load_balancer_that_is_switched_off_survives_the_loss_of_its_secret(
    cloud: Cloud, api: Api, worker: Worker
) -> None:
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "first"}
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener])
    await api.put(f"loadbalancers/{lb['id']}", {"loadbalancer": {"admin_state_up": False}})
    worker.serve(worker.fetch())
    cloud.secrets.lost = {"first"}
    await api.put(f"loadbalancers/{lb['id']}", {"loadbalancer": {"name": "renamed"}})
    orders = worker.fetch()
    assert (orders.serve[0].secrets, orders.serve[0].lost) == ({}, {})
    worker.serve(orders)
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    assert (await api.show("listener", lb["listeners"][0]["id"]))["provisioning_status"] == "ACTIVE"
