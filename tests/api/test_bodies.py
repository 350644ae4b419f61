"""Every attribute of every answer, with Octavia's defaults."""

import re

from tests.support.api import Api
from tests.support.cloud import Cloud

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def test_load_balancer(cloud: Cloud, api: Api) -> None:
    made = await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)
    assert UUID.fullmatch(made["id"])
    port = cloud.networking.ports[made["vip_port_id"]]
    assert (port.device_id, port.device_owner) == (f"lb-{made['id']}", "Octavia")
    assert made == {
        "id": made["id"],
        "name": "lb",
        "description": "",
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "admin_state_up": True,
        "project_id": "p-red",
        "tenant_id": "p-red",
        "created_at": "2026-01-01T00:00:00",
        "updated_at": None,
        "vip_address": "10.0.0.2",
        "vip_port_id": port.id,
        "vip_subnet_id": cloud.subnet.id,
        "vip_network_id": cloud.network_id,
        "vip_sg_ids": [],
        "additional_vips": [],
        "listeners": [],
        "pools": [],
        "provider": "amphora",
        "flavor_id": None,
        "vip_qos_policy_id": None,
        "tags": [],
        "availability_zone": None,
        "vip_vnic_type": "normal",
    }
    assert await api.show("loadbalancer", made["id"]) == made


async def test_listener(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    made = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    assert made == {
        "id": made["id"],
        "name": "",
        "description": "",
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "admin_state_up": True,
        "protocol": "HTTP",
        "protocol_port": 80,
        "connection_limit": -1,
        "default_tls_container_ref": None,
        "sni_container_refs": [],
        "project_id": "p-red",
        "tenant_id": "p-red",
        "default_pool_id": None,
        "l7policies": [],
        "insert_headers": {},
        "created_at": "2026-01-01T00:00:00",
        "updated_at": None,
        "loadbalancers": [{"id": lb["id"]}],
        "timeout_client_data": 50000,
        "timeout_member_connect": 5000,
        "timeout_member_data": 50000,
        "timeout_tcp_inspect": 0,
        "tags": [],
        "client_ca_tls_container_ref": None,
        "client_authentication": "NONE",
        "client_crl_container_ref": None,
        "allowed_cidrs": None,
        "tls_ciphers": None,
        "tls_versions": None,
        "alpn_protocols": None,
        "hsts_max_age": None,
        "hsts_include_subdomains": False,
        "hsts_preload": False,
    }
    assert await api.show("listener", made["id"]) == made
    assert (await api.show("loadbalancer", lb["id"]))["listeners"] == [{"id": made["id"]}]


async def test_pool(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    made = await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    assert made == {
        "id": made["id"],
        "name": "",
        "description": "",
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "admin_state_up": True,
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "session_persistence": None,
        "project_id": "p-red",
        "tenant_id": "p-red",
        "loadbalancers": [{"id": lb["id"]}],
        "listeners": [],
        "created_at": "2026-01-01T00:00:00",
        "updated_at": None,
        "members": [],
        "tags": [],
        "tls_container_ref": None,
        "ca_tls_container_ref": None,
        "crl_container_ref": None,
        "tls_enabled": False,
        "tls_ciphers": None,
        "tls_versions": None,
        "alpn_protocols": None,
    }
    assert await api.show("pool", made["id"]) == made
    assert (await api.show("loadbalancer", lb["id"]))["pools"] == [{"id": made["id"]}]


async def test_pool_behind_a_listener(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="SOURCE_IP")
    assert pool["listeners"] == [{"id": listener["id"]}]
    assert pool["loadbalancers"] == [{"id": lb["id"]}]
    assert (await api.show("listener", listener["id"]))["default_pool_id"] == pool["id"]


async def test_member(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    pool = await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    made = await api.add_member(pool["id"], "10.0.0.11", subnet_id=cloud.subnet.id)
    assert made == {
        "id": made["id"],
        "name": "",
        "operating_status": "NO_MONITOR",
        "provisioning_status": "PENDING_CREATE",
        "admin_state_up": True,
        "address": "10.0.0.11",
        "protocol_port": 80,
        "weight": 1,
        "backup": False,
        "subnet_id": cloud.subnet.id,
        "project_id": "p-red",
        "tenant_id": "p-red",
        "created_at": "2026-01-01T00:00:00",
        "updated_at": None,
        "monitor_address": None,
        "monitor_port": None,
        "tags": [],
        "vnic_type": "normal",
    }
    found = await api.get(f"pools/{pool['id']}/members/{made['id']}")
    assert found == {"member": made}
    assert (await api.show("pool", pool["id"]))["members"] == [{"id": made["id"]}]
    assert await api.get(f"pools/{pool['id']}/members") == {"members": [made], "members_links": []}


async def test_health_monitor(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    pool = await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    made = await api.create("healthmonitor", pool_id=pool["id"], type="HTTP", delay=5, timeout=10, max_retries=2)
    assert made == {
        "id": made["id"],
        "name": "",
        "type": "HTTP",
        "delay": 5,
        "timeout": 10,
        "max_retries": 2,
        "max_retries_down": 3,
        "http_method": "GET",
        "url_path": "/",
        "expected_codes": "200",
        "admin_state_up": True,
        "project_id": "p-red",
        "tenant_id": "p-red",
        "pools": [{"id": pool["id"]}],
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "created_at": "2026-01-01T00:00:00",
        "updated_at": None,
        "tags": [],
        "http_version": None,
        "domain_name": None,
    }
    assert await api.show("healthmonitor", made["id"]) == made
    assert (await api.show("pool", pool["id"]))["healthmonitor_id"] == made["id"]
    # A new member waits for its first check.
    assert (await api.add_member(pool["id"], "10.0.0.12"))["operating_status"] == "OFFLINE"


async def test_monitors_of_other_types_have_no_http_attributes(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    pool = await api.create("pool", loadbalancer_id=lb["id"], protocol="TCP", lb_algorithm="LEAST_CONNECTIONS")
    made = await api.create("healthmonitor", pool_id=pool["id"], type="TCP", delay=1, timeout=1, max_retries=1)
    assert [made[name] for name in ("http_method", "url_path", "expected_codes")] == [None, None, None]


async def test_given_attributes_are_kept(cloud: Cloud, api: Api) -> None:
    lb = await api.create(
        "loadbalancer",
        vip_subnet_id=cloud.subnet.id,
        vip_address="10.0.0.77",
        description="for tests",
        admin_state_up=False,
        tags=["b", "a"],
        provider="octavia",
        tenant_id="p-red",
    )
    assert (lb["vip_address"], lb["description"], lb["admin_state_up"]) == ("10.0.0.77", "for tests", False)
    assert (lb["tags"], lb["provider"]) == (["b", "a"], "octavia")
    listener = await api.create(
        "listener",
        loadbalancer_id=lb["id"],
        protocol="TCP",
        protocol_port="8080",
        connection_limit=100,
        timeout_client_data=1,
        timeout_tcp_inspect=2,
        admin_state_up="no",
    )
    assert (listener["protocol_port"], listener["connection_limit"], listener["admin_state_up"]) == (8080, 100, False)
    assert (listener["timeout_client_data"], listener["timeout_tcp_inspect"]) == (1, 2)
    pool = await api.create("pool", listener_id=listener["id"], protocol="TCP", lb_algorithm="LEAST_CONNECTIONS")
    member = await api.add_member(
        pool["id"], "10.0.0.11", weight=0, backup="yes", monitor_port=81, monitor_address="10.0.0.99"
    )
    assert (member["weight"], member["backup"]) == (0, True)
    assert (member["monitor_port"], member["monitor_address"]) == (81, "10.0.0.99")
    monitor = await api.create(
        "healthmonitor",
        pool_id=pool["id"],
        type="HTTP",
        delay=5,
        timeout=3,
        max_retries=2,
        http_method="HEAD",
        url_path="/up?deep=1",
        expected_codes="200-204",
        http_version="1.1",
        domain_name="www.example.com",
    )
    assert (monitor["http_version"], monitor["domain_name"]) == (1.1, "www.example.com")
    assert (monitor["http_method"], monitor["url_path"], monitor["expected_codes"]) == ("HEAD", "/up?deep=1", "200-204")


async def test_version_document_is_open_to_all(cloud: Cloud) -> None:
    for path in ("/load-balancer", "/load-balancer/"):
        found = await cloud.api(None).get(path)
        assert len(found["versions"]) == 31
        assert found["versions"][-1] == {
            "id": "v2.30",
            "status": "CURRENT",
            "updated": "2025-02-26T00:00:00Z",
            "links": [{"href": "http://cloud.test/load-balancer/v2", "rel": "self"}],
        }


async def test_every_mount_answers(cloud: Cloud, api: Api) -> None:
    await api.create("loadbalancer", name="lb", vip_subnet_id=cloud.subnet.id)
    for prefix in ("/v2.0/lbaas", "/v2/lbaas", "/v2.0", "/v2"):
        found = await api.get(f"/load-balancer{prefix}/loadbalancers")
        assert [each["name"] for each in found["loadbalancers"]] == ["lb"]


async def test_providers(cloud: Cloud, api: Api) -> None:
    found = await api.get("providers")
    assert [provider["name"] for provider in found["providers"]] == ["amphora", "octavia"]
    assert all(set(provider) == {"name", "description"} for provider in found["providers"])
    await cloud.api("nobody").fault("GET", "providers", 403)
