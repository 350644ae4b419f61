"""All 82 `openstack loadbalancer` commands of the stock client, with a server in noop mode."""

import ast
import json
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from hydria.contract import Counters
from hydria.store import Database
from hydria.store.resources import Traffic
from tests.support.client import Client, expect
from tests.support.served import Served

COMMANDS = (Path(__file__).parent / "loadbalancer_commands.txt").read_text().splitlines()

LoadBalancer = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def subnets(openstack: Client) -> tuple[str, str]:
    """Two subnets of one network, `first` and `second`, by id."""
    openstack.get("network create private-of-commands")
    first = openstack.get("subnet create first --network private-of-commands --subnet-range 10.9.0.0/24")
    second = openstack.get("subnet create second --network private-of-commands --subnet-range 10.10.0.0/24")
    return first["id"], second["id"]


@pytest.fixture
def load_balancer(openstack: Client, subnets: tuple[str, str]) -> Iterator[LoadBalancer]:
    """Create a load balancer with this name; it is deleted with everything below it."""
    made = []

    def make(name: str) -> dict[str, Any]:
        found: dict[str, Any] = openstack.get(f"loadbalancer create --name {name} --vip-subnet-id first --wait")
        made.append(found["id"])
        return found

    yield make
    for key in made:
        openstack.do(f"loadbalancer delete --cascade {key} --wait")


def test_load_balancers(openstack: Client, subnets: tuple[str, str]) -> None:
    group = openstack.get("security group create web")["id"]
    made = openstack.get(
        "loadbalancer create --name lb --description d --vip-subnet-id first --vip-address 10.9.0.9 "
        "--additional-vip subnet-id=second,ip-address=10.10.0.77 --vip-sg-id web --provider octavia --tag red"
    )
    expect(
        made,
        name="lb",
        description="d",
        vip_subnet_id=subnets[0],
        vip_address="10.9.0.9",
        vip_sg_ids=[group],
        provider="octavia",
        provisioning_status="PENDING_CREATE",
        operating_status="OFFLINE",
        admin_state_up=True,
        tags=["red"],
        additional_vips=[{"subnet_id": subnets[1], "ip_address": "10.10.0.77", "port_id": made["vip_port_id"]}],
    )
    assert openstack.get("loadbalancer show lb") == made | {
        "provisioning_status": "ACTIVE",
        "updated_at": openstack.get(f"loadbalancer show {made['id']}")["updated_at"],
    }
    listed = {"id": made["id"], "name": "lb", "vip_address": "10.9.0.9", "provisioning_status": "ACTIVE"}
    filters = ("--name lb", "--vip-subnet-id first", "--provider octavia", "--tags red", "--project admin")
    for filter_ in filters:
        (found,) = openstack.get(f"loadbalancer list {filter_}")
        expect(found, **listed)
    assert openstack.get("loadbalancer list --name lb --disable") == []

    openstack.do("loadbalancer set lb --name lb2 --description e --disable --vip-sg-id web --tag blue --wait")
    changed = openstack.get("loadbalancer show lb2")
    expect(changed, id=made["id"], description="e", admin_state_up=False, provisioning_status="ACTIVE")
    assert sorted(changed["tags"]) == ["blue", "red"]
    openstack.do("loadbalancer unset lb2 --description --vip-sg-id --all-tag --wait")
    expect(openstack.get("loadbalancer show lb2"), description="", vip_sg_ids=[], tags=[])
    openstack.do("loadbalancer unset lb2 --name")
    expect(openstack.get(f"loadbalancer show {made['id']}"), name="")

    openstack.do(f"loadbalancer failover {made['id']} --wait")
    openstack.do(f"loadbalancer delete {made['id']} --wait")
    assert made["id"] not in [each["id"] for each in openstack.get("loadbalancer list")]
    openstack.do("security group delete web")


def test_statuses_and_statistics(openstack: Client, load_balancer: LoadBalancer, server: Served) -> None:
    lb = load_balancer("busy")
    listener = openstack.get("loadbalancer listener create --name door --protocol TCP --protocol-port 25 busy --wait")
    status = json.loads(openstack.answer("loadbalancer status show busy").out)["loadbalancer"]
    expect(status, id=lb["id"], name="busy", provisioning_status="ACTIVE", operating_status="OFFLINE")
    assert [each["id"] for each in status["listeners"]] == [listener["id"]]

    (amphora,) = openstack.get("loadbalancer amphora list --loadbalancer busy")
    missing = openstack.fail(f"loadbalancer amphora stats show {amphora['id']}")
    assert f"Amphora stats for {amphora['id']} not found." in missing
    counters = Counters(bytes_in=1, bytes_out=2, active_connections=3, total_connections=4, request_errors=5)
    _report(server, amphora["id"], listener["id"], lb["id"], counters)
    expected = {name: getattr(counters, name) for name in Counters.__struct_fields__}
    assert openstack.get("loadbalancer stats show busy") == expected
    assert openstack.get("loadbalancer listener stats show door") == expected
    expect(openstack.get(f"loadbalancer amphora stats show {amphora['id']}"), **expected)


def test_amphorae(openstack: Client, load_balancer: LoadBalancer) -> None:
    lb = load_balancer("light")
    (listed,) = openstack.get("loadbalancer amphora list --loadbalancer light --long")
    expected = {"loadbalancer_id": lb["id"], "status": "ALLOCATED", "role": "STANDALONE", "ha_ip": lb["vip_address"]}
    expect(listed, **expected)
    amphora = openstack.get(f"loadbalancer amphora show {listed['id']}")
    expect(amphora, id=listed["id"], ha_port_id=lb["vip_port_id"], vrrp_ip=lb["vip_address"], **expected)
    openstack.do(f"loadbalancer amphora configure {amphora['id']}")
    openstack.do(f"loadbalancer amphora failover {amphora['id']}")
    (successor,) = openstack.get("loadbalancer amphora list --loadbalancer light")
    assert successor["id"] != amphora["id"]
    refusal = openstack.fail(f"loadbalancer amphora delete {successor['id']}")
    assert f"amphora {successor['id']} is immutable and cannot be updated. (HTTP 409)" in refusal


def test_listeners(openstack: Client, load_balancer: LoadBalancer) -> None:
    lb = load_balancer("lb-of-listeners")
    made = openstack.get(
        "loadbalancer listener create --name web --description d --protocol HTTP --protocol-port 80 "
        "--connection-limit 100 --insert-headers X-Forwarded-For=true,X-Forwarded-Port=true --allowed-cidr 10.0.0.0/8 "
        "--timeout-client-data 1001 --timeout-member-connect 1002 --timeout-member-data 1003 "
        "--timeout-tcp-inspect 1004 --tag red lb-of-listeners --wait"
    )
    expect(
        made,
        name="web",
        description="d",
        protocol="HTTP",
        protocol_port=80,
        connection_limit=100,
        insert_headers={"X-Forwarded-For": "true", "X-Forwarded-Port": "true"},
        allowed_cidrs=["10.0.0.0/8"],
        timeout_client_data=1001,
        timeout_member_connect=1002,
        timeout_member_data=1003,
        timeout_tcp_inspect=1004,
        loadbalancers=[{"id": lb["id"]}],
        provisioning_status="ACTIVE",
        operating_status="OFFLINE",
        tags=["red"],
    )
    (found,) = openstack.get("loadbalancer listener list --loadbalancer lb-of-listeners")
    expect(found, id=made["id"], name="web", protocol="HTTP", protocol_port=80, admin_state_up=True)
    pool = openstack.get(
        "loadbalancer pool create --name spare --protocol HTTP --lb-algorithm ROUND_ROBIN "
        "--loadbalancer lb-of-listeners"
    )
    openstack.do(
        "loadbalancer listener set web --name web2 --default-pool spare --connection-limit 7 --timeout-client-data 7 "
        "--insert-headers X-Forwarded-For=false --allowed-cidr 192.0.2.0/24 --disable --tag blue --wait"
    )
    changed = openstack.get("loadbalancer listener show web2")
    expect(
        changed,
        default_pool_id=pool["id"],
        connection_limit=7,
        timeout_client_data=7,
        insert_headers={"X-Forwarded-For": "false"},
        allowed_cidrs=["192.0.2.0/24"],
        admin_state_up=False,
    )
    openstack.do(
        "loadbalancer listener unset web2 --name --description --default-pool --connection-limit --insert-headers "
        "--allowed-cidrs --timeout-client-data --timeout-member-connect --timeout-member-data --timeout-tcp-inspect "
        "--all-tag --wait"
    )
    expect(
        openstack.get(f"loadbalancer listener show {made['id']}"),
        name="",
        description="",
        default_pool_id=None,
        connection_limit=-1,
        insert_headers={},
        allowed_cidrs=None,
        timeout_client_data=50000,
        timeout_member_connect=5000,
        timeout_member_data=50000,
        timeout_tcp_inspect=0,
        tags=[],
    )
    openstack.do(f"loadbalancer listener delete {made['id']} --wait")
    assert openstack.get("loadbalancer listener list --loadbalancer lb-of-listeners") == []


def test_pools(openstack: Client, load_balancer: LoadBalancer) -> None:
    lb = load_balancer("lb-of-pools")
    listener = openstack.get("loadbalancer listener create --name front --protocol HTTP --protocol-port 80 lb-of-pools")
    made = openstack.get(
        "loadbalancer pool create --name po --description d --protocol HTTP --lb-algorithm LEAST_CONNECTIONS "
        "--listener front --session-persistence type=APP_COOKIE,cookie_name=c --enable-tls --tls-version TLSv1.2 "
        "--tls-ciphers ECDHE-RSA-AES128-GCM-SHA256 --alpn-protocol h2 --tag red --wait"
    )
    session = {"type": "APP_COOKIE", "cookie_name": "c", "persistence_timeout": None, "persistence_granularity": None}
    expect(
        made,
        name="po",
        description="d",
        protocol="HTTP",
        lb_algorithm="LEAST_CONNECTIONS",
        listeners=[{"id": listener["id"]}],
        loadbalancers=[{"id": lb["id"]}],
        session_persistence=session,
        tls_enabled=True,
        tls_versions=["TLSv1.2"],
        tls_ciphers="ECDHE-RSA-AES128-GCM-SHA256",
        alpn_protocols=["h2"],
        members=[],
        healthmonitor_id="",
        provisioning_status="ACTIVE",
        tags=["red"],
    )
    (found,) = openstack.get("loadbalancer pool list --loadbalancer lb-of-pools")
    expect(found, id=made["id"], name="po", lb_algorithm="LEAST_CONNECTIONS", provisioning_status="ACTIVE")
    openstack.do(
        "loadbalancer pool set po --name po2 --lb-algorithm SOURCE_IP --session-persistence type=SOURCE_IP "
        "--disable-tls --disable --no-tag --wait"
    )
    changed = openstack.get("loadbalancer pool show po2")
    expect(changed, lb_algorithm="SOURCE_IP", tls_enabled=False, admin_state_up=False, tags=[])
    assert changed["session_persistence"]["type"] == "SOURCE_IP"
    openstack.do("loadbalancer pool unset po2 --description --session-persistence --alpn-protocols --wait")
    cleared = openstack.get("loadbalancer pool show po2")
    expect(cleared, description="", session_persistence=None, alpn_protocols=None)
    openstack.do("loadbalancer pool delete po2 --wait")
    assert openstack.get("loadbalancer pool list --loadbalancer lb-of-pools") == []
    assert openstack.get("loadbalancer listener show front")["default_pool_id"] is None


def test_members(openstack: Client, load_balancer: LoadBalancer, subnets: tuple[str, str]) -> None:
    load_balancer("lb-of-members")
    _pool(openstack, "lb-of-members", "crew")
    made = openstack.get(
        "loadbalancer member create --name m --address 10.9.0.11 --protocol-port 80 --subnet-id first --weight 5 "
        "--enable-backup --monitor-port 8080 --monitor-address 10.9.0.12 --tag red crew --wait"
    )
    expect(
        made,
        name="m",
        address="10.9.0.11",
        protocol_port=80,
        subnet_id=subnets[0],
        weight=5,
        backup=True,
        monitor_port=8080,
        monitor_address="10.9.0.12",
        provisioning_status="ACTIVE",
        operating_status="NO_MONITOR",
        tags=["red"],
    )
    (found,) = openstack.get("loadbalancer member list crew")
    expect(found, id=made["id"], name="m", address="10.9.0.11", weight=5, operating_status="NO_MONITOR")
    openstack.do(
        "loadbalancer member set crew m --name m2 --weight 6 --monitor-port 8081 --monitor-address 10.9.0.13 "
        "--disable --wait"
    )
    changed = openstack.get("loadbalancer member show crew m2")
    expect(changed, weight=6, monitor_port=8081, monitor_address="10.9.0.13", admin_state_up=False)
    openstack.do(
        "loadbalancer member unset crew m2 --weight --backup --monitor-port --monitor-address --all-tag --wait"
    )
    cleared = openstack.get("loadbalancer member show crew m2")
    expect(cleared, weight=1, backup=False, monitor_port=None, monitor_address=None, tags=[])
    openstack.do("loadbalancer member delete crew m2 --wait")
    assert openstack.get("loadbalancer member list crew") == []


def test_health_monitors(openstack: Client, load_balancer: LoadBalancer) -> None:
    load_balancer("lb-of-monitors")
    pool = _pool(openstack, "lb-of-monitors", "watched")
    made = openstack.get(
        "loadbalancer healthmonitor create --name hm --delay 5 --timeout 4 --max-retries 3 --max-retries-down 2 "
        "--type HTTP --http-method HEAD --http-version 1.1 --domain-name a.example --url-path /x "
        "--expected-codes 200,201 --tag red watched --wait"
    )
    times = {"delay": 5, "timeout": 4, "max_retries": 3, "max_retries_down": 2}
    http = {"http_method": "HEAD", "http_version": 1.1, "domain_name": "a.example", "url_path": "/x"}
    statuses = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE"}
    pools = [{"id": pool["id"]}]
    expect(made, name="hm", type="HTTP", expected_codes="200,201", pools=pools, tags=["red"])
    expect(made, **times, **http, **statuses)
    (found,) = [each for each in openstack.get("loadbalancer healthmonitor list") if each["name"] == "hm"]
    expect(found, id=made["id"], name="hm", type="HTTP", admin_state_up=True)
    openstack.do(
        "loadbalancer healthmonitor set hm --name hm2 --delay 6 --timeout 5 --max-retries 4 --max-retries-down 5 "
        "--http-method OPTIONS --domain-name b.example --url-path /y --expected-codes 202 --disable --wait"
    )
    changed = openstack.get("loadbalancer healthmonitor show hm2")
    expect(changed, delay=6, timeout=5, max_retries=4, max_retries_down=5, operating_status="OFFLINE")
    expect(changed, http_method="OPTIONS", domain_name="b.example", url_path="/y", expected_codes="202")
    openstack.do(
        "loadbalancer healthmonitor unset hm2 --domain-name --expected-codes --http-method --http-version "
        "--max-retries-down --url-path --all-tag --wait"
    )
    cleared = openstack.get("loadbalancer healthmonitor show hm2")
    expect(cleared, domain_name=None, http_version=None, http_method="GET", url_path="/", tags=[])
    expect(cleared, expected_codes="200", max_retries_down=3)
    openstack.do("loadbalancer healthmonitor delete hm2 --wait")
    assert openstack.get("loadbalancer healthmonitor list") == []


def test_l7_policies(openstack: Client, load_balancer: LoadBalancer) -> None:
    load_balancer("lb-of-policies")
    listener = openstack.get(
        "loadbalancer listener create --name gate --protocol HTTP --protocol-port 80 lb-of-policies"
    )
    pool = _pool(openstack, "lb-of-policies", "aside")
    made = openstack.get(
        "loadbalancer l7policy create --name first --description d --action REDIRECT_TO_URL "
        "--redirect-url http://a.example/ --redirect-http-code 301 --tag red gate --wait"
    )
    expect(made, name="first", description="d", action="REDIRECT_TO_URL", redirect_url="http://a.example/")
    expect(made, redirect_http_code=301, position=1, listener_id=listener["id"], rules=[], tags=["red"])
    other = openstack.get(
        "loadbalancer l7policy create --name other --action REDIRECT_TO_POOL --redirect-pool aside --position 1 gate"
    )
    expect(other, redirect_pool_id=pool["id"], position=1)
    listed = openstack.get("loadbalancer l7policy list --listener gate")
    assert {each["name"]: each["position"] for each in listed} == {"other": 1, "first": 2}
    openstack.do(
        "loadbalancer l7policy set first --name second --action REDIRECT_PREFIX --redirect-prefix https://b.example "
        "--redirect-http-code 308 --position 1 --disable --wait"
    )
    changed = openstack.get("loadbalancer l7policy show second")
    expect(changed, action="REDIRECT_PREFIX", redirect_prefix="https://b.example", redirect_url=None)
    expect(changed, redirect_http_code=308, position=1, admin_state_up=False, operating_status="OFFLINE")
    openstack.do("loadbalancer l7policy unset second --description --redirect-http-code --all-tag --wait")
    cleared = openstack.get("loadbalancer l7policy show second")
    expect(cleared, description="", redirect_http_code=None, tags=[])
    openstack.do("loadbalancer l7policy delete second --wait")
    (left,) = openstack.get("loadbalancer l7policy list --listener gate")
    expect(left, name="other", position=1)


def test_l7_rules(openstack: Client, load_balancer: LoadBalancer) -> None:
    load_balancer("lb-of-rules")
    openstack.get("loadbalancer listener create --name arch --protocol HTTP --protocol-port 80 lb-of-rules")
    openstack.get("loadbalancer l7policy create --name no --action REJECT arch")
    made = openstack.get(
        "loadbalancer l7rule create --type HEADER --key X-A --value a --compare-type EQUAL_TO --invert --tag red no "
        "--wait"
    )
    expect(made, type="HEADER", key="X-A", value="a", compare_type="EQUAL_TO", invert=True, tags=["red"])
    expect(made, provisioning_status="ACTIVE", operating_status="ONLINE")
    key = made["id"]
    (found,) = openstack.get("loadbalancer l7rule list no")
    expect(found, id=key, type="HEADER", key="X-A", value="a", invert=True, provisioning_status="ACTIVE")
    openstack.do(f"loadbalancer l7rule set no {key} --type COOKIE --key c --value b --compare-type CONTAINS --wait")
    changed = openstack.get(f"loadbalancer l7rule show no {key}")
    expect(changed, type="COOKIE", key="c", value="b", compare_type="CONTAINS", invert=True)
    openstack.do(f"loadbalancer l7rule unset no {key} --invert --all-tag --wait")
    expect(openstack.get(f"loadbalancer l7rule show no {key}"), invert=False, tags=[])
    openstack.do(f"loadbalancer l7rule delete no {key} --wait")
    assert openstack.get("loadbalancer l7rule list no") == []


def test_quotas(openstack: Client) -> None:
    project = openstack.get("project create thrifty")["id"]
    defaults = openstack.get("loadbalancer quota defaults show")
    assert set(defaults.values()) == {-1}
    asked = dict(zip(defaults, range(1, 8), strict=True))
    options = " ".join(f"--{name.replace('_', '')} {value}" for name, value in asked.items())
    assert openstack.get(f"loadbalancer quota set thrifty {options}") == asked
    assert openstack.get("loadbalancer quota show thrifty") == asked
    assert openstack.get("loadbalancer quota list --project thrifty") == [{"project_id": project, **asked}]
    openstack.do("loadbalancer quota unset thrifty --loadbalancer --healthmonitor")
    assert openstack.get("loadbalancer quota show thrifty") == asked | {"load_balancer": -1, "health_monitor": -1}
    openstack.do("loadbalancer quota reset thrifty")
    assert openstack.get("loadbalancer quota show thrifty") == defaults
    openstack.do("project delete thrifty")


def test_providers(openstack: Client) -> None:
    providers = openstack.get("loadbalancer provider list")
    assert [each["name"] for each in providers] == ["amphora", "octavia"]
    capabilities = openstack.get("loadbalancer provider capability list amphora")
    assert {each["type"] for each in capabilities} == {"flavor", "availability_zone"}
    flavor = openstack.get("loadbalancer provider capability list amphora --flavor")
    assert "loadbalancer_topology" in [each["name"] for each in flavor]
    zone = openstack.get("loadbalancer provider capability list amphora --availability-zone")
    assert flavor + zone == capabilities


def test_flavors(openstack: Client, subnets: tuple[str, str]) -> None:
    data = '{"loadbalancer_topology": "SINGLE"}'
    profile = openstack.get(f"loadbalancer flavorprofile create --name fp --provider amphora --flavor-data '{data}'")
    expect(profile, name="fp", provider_name="amphora", flavor_data=data)
    openstack.do("loadbalancer flavorprofile set fp --name fp2 --provider octavia")
    changed = openstack.get("loadbalancer flavorprofile show fp2")
    assert changed == profile | {"name": "fp2", "provider_name": "octavia"}
    (found,) = openstack.get("loadbalancer flavorprofile list --name fp2")
    expect(found, id=profile["id"], provider_name="octavia")

    made = openstack.get("loadbalancer flavor create --name small --flavorprofile fp2 --description d --enable")
    expect(made, name="small", flavor_profile_id=profile["id"], enabled=True, description="d")
    openstack.do("loadbalancer flavor set small --name tiny --description e --disable")
    assert openstack.get("loadbalancer flavor show tiny") == made | {
        "name": "tiny",
        "description": "e",
        "enabled": False,
    }
    openstack.do("loadbalancer flavor unset tiny --description")
    assert openstack.get("loadbalancer flavor show tiny")["description"] == ""
    (found,) = openstack.get("loadbalancer flavor list --flavorprofile fp2 --disable")
    expect(found, id=made["id"], name="tiny", enabled=False)

    openstack.do("loadbalancer flavor set tiny --enable")
    lb = openstack.get("loadbalancer create --name of-flavor --flavor tiny --vip-subnet-id first")
    assert lb["flavor_id"] == made["id"]
    assert openstack.fail("loadbalancer flavorprofile delete fp2")
    openstack.do("loadbalancer delete of-flavor")
    openstack.do("loadbalancer flavor delete tiny")
    openstack.do("loadbalancer flavorprofile delete fp2")
    assert openstack.get("loadbalancer flavorprofile list") == []


def test_availability_zones(openstack: Client, subnets: tuple[str, str]) -> None:
    data = '{"compute_zone": "nova"}'
    profile = openstack.get(
        f"loadbalancer availabilityzoneprofile create --name ap --provider amphora --availability-zone-data '{data}'"
    )
    expect(profile, name="ap", provider_name="amphora", availability_zone_data=data)
    openstack.do("loadbalancer availabilityzoneprofile set ap --name ap2 --provider octavia")
    changed = openstack.get("loadbalancer availabilityzoneprofile show ap2")
    assert changed == profile | {"name": "ap2", "provider_name": "octavia"}
    (found,) = openstack.get("loadbalancer availabilityzoneprofile list --provider octavia")
    expect(found, id=profile["id"], name="ap2")

    made = openstack.get("loadbalancer availabilityzone create --name z --availabilityzoneprofile ap2 --description d")
    expect(made, name="z", availability_zone_profile_id=profile["id"], enabled=True, description="d")
    openstack.do("loadbalancer availabilityzone set z --description e --disable")
    assert openstack.get("loadbalancer availabilityzone show z") == made | {"description": "e", "enabled": False}
    openstack.do("loadbalancer availabilityzone unset z --description")
    assert openstack.get("loadbalancer availabilityzone show z")["description"] == ""
    (found,) = openstack.get("loadbalancer availabilityzone list --availabilityzoneprofile ap2 --disable")
    expect(found, name="z", enabled=False)

    openstack.do("loadbalancer availabilityzone set z --enable")
    lb = openstack.get("loadbalancer create --name of-zone --availability-zone z --vip-subnet-id first")
    assert lb["availability_zone"] == "z"
    openstack.do("loadbalancer delete of-zone")
    openstack.do("loadbalancer availabilityzone delete z")
    openstack.do("loadbalancer availabilityzoneprofile delete ap2")
    assert openstack.get("loadbalancer availabilityzoneprofile list") == []


def test_the_installed_client_has_the_commands(openstack: Client) -> None:
    answer = openstack.cold.type("openstack loadbalancer provider list -f value -c name")
    assert (answer.status, answer.out) == (0, "amphora\noctavia\n")


def test_every_command_is_used() -> None:
    known = distribution("python-octaviaclient").entry_points.select(group="openstack.load_balancer.v2")
    assert sorted(each.name.replace("_", " ") for each in known) == COMMANDS
    assert len(COMMANDS) == 82
    texts = [node.value for node in ast.walk(ast.parse(Path(__file__).read_text())) if isinstance(node, ast.Constant)]
    typed = {_command(text) for text in texts if isinstance(text, str)}
    assert sorted(typed - {""}) == COMMANDS


def _command(line: str) -> str:
    """Return the longest command name that a command line begins with, or an empty text."""
    return max((name for name in COMMANDS if f"{line} ".startswith(f"{name} ")), key=len, default="")


def _pool(openstack: Client, load_balancer: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = openstack.get(
        f"loadbalancer pool create --name {name} --protocol HTTP --lb-algorithm ROUND_ROBIN "
        f"--loadbalancer {load_balancer}"
    )
    return found


def _report(server: Served, amphora: str, listener: str, load_balancer: str, counters: Counters) -> None:
    """Write counters as a host would report them, because noop mode has no traffic."""
    traffic = Traffic(amphora_id=amphora, listener_id=listener, load_balancer_id=load_balancer, counters=counters)
    database = Database(server.database_url, synchronous="off")
    try:
        database.transact(lambda transaction: transaction.insert(traffic))
    finally:
        database.close()
