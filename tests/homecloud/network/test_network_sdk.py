"""The stock SDK against the service, over HTTP on loopback."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
import uvicorn
from keystoneauth1 import session
from keystoneauth1.token_endpoint import Token
from openstack import exceptions

from tests.homecloud.network.neutron import Cloud

DEADLINE = 60.0


def _wait_until_started(server: uvicorn.Server) -> int:
    end = time.monotonic() + DEADLINE
    while not server.started:
        assert time.monotonic() < end, "uvicorn did not start"
        time.sleep(0.01)
    return int(server.servers[0].sockets[0].getsockname()[1])


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    """The SDK's network proxy as `demo`."""
    cloud = Cloud(tmp_path)
    server = uvicorn.Server(uvicorn.Config(cloud.app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{_wait_until_started(server)}/network"
    made = session.Session(Token(endpoint, "demo"))
    yield openstack.connection.Connection(session=made, network_endpoint_override=endpoint).network
    server.should_exit = True
    thread.join(DEADLINE)
    cloud.database.close()


def test_the_tutorials_surroundings_with_the_sdk(client: Any) -> None:
    external = client.find_network("provider", ignore_missing=False)
    assert external.is_router_external
    network = client.create_network(name="n1", is_admin_state_up=True)
    subnet = client.create_subnet(
        network_id=network.id,
        name="s1",
        ip_version=4,
        cidr="10.0.0.0/24",
        allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.250"}],
    )
    assert client.find_subnet("s1").gateway_ip == "10.0.0.1"
    router = client.create_router(name="r1", external_gateway_info={"network_id": external.id})
    client.add_interface_to_router(router, subnet=subnet.id)
    assert client.find_extension("external-gateway-multihoming") is None
    port = client.create_port(network_id=network.id, name="p2")
    assert [each.id for each in client.ports(network_id=network.id, name="p2")] == [port.id]
    assert port.fixed_ips == [{"subnet_id": subnet.id, "ip_address": "10.0.0.10"}]
    floating = client.create_ip(floating_network_id=external.id)
    assert (floating.status, floating.name) == ("DOWN", floating.floating_ip_address)
    found = client.find_ip(floating.floating_ip_address, ignore_missing=False)
    assert client.update_ip(found, port_id=port.id).status == "ACTIVE"
    assert client.update_ip(found, port_id=None).status == "DOWN"
    client.set_tags(network, ["red"])
    assert [each.name for each in client.networks(tags="red")] == ["n1"]
    assert len(list(client.networks(limit=1))) == 2
    client.delete_ip(floating)
    client.delete_port(port)
    client.remove_interface_from_router(router, subnet=subnet.id)
    client.delete_router(router)
    client.delete_subnet(subnet)
    client.delete_network(network)
    assert [each.name for each in client.networks()] == ["provider"]


def test_refusals_reach_the_sdk_in_neutrons_words(client: Any) -> None:
    external = client.find_network("provider")
    network = client.create_network(name="n1")
    subnet = client.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24")
    port = client.create_port(network_id=network.id)
    floating = client.create_ip(floating_network_id=external.id)
    with pytest.raises(exceptions.NotFoundException) as caught:
        client.update_ip(floating, port_id=port.id)
    assert caught.value.details == (
        f"External network {external.id} is not reachable from subnet {subnet.id}. Therefore, cannot associate Port "
        f"{port.id} with a Floating IP."
    )
    with pytest.raises(exceptions.ConflictException, match="One or more ports have an IP allocation"):
        client.delete_subnet(subnet, ignore_missing=False)
