"""What references lead to reaches the hosts that need it; one that is lost is said, and mended by another."""

from support.api import Api
from support.cloud import Cloud
from support.worker import Worker


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


async def test_a_lost_reference_is_said_and_another_mends_it(cloud: Cloud, api: Api, worker: Worker) -> None:
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": "first"}
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener])
    worker.serve(worker.fetch())
    cloud.secrets.lost = {"first"}
    await api.put(f"listeners/{lb['listeners'][0]['id']}", {"listener": {"name": "x"}})
    assert worker.fetch().serve == ()
    shown = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    assert shown["provisioning_status"] == "ERROR"
    assert shown["provisioning_status_reason"].startswith("first cannot be read any more: Secret first not found.")
    await api.put(f"listeners/{lb['listeners'][0]['id']}", {"listener": {"default_tls_container_ref": "second"}})
    worker.serve(worker.fetch())
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
