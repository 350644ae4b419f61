"""The stock client's commands for projects, users, roles, credentials and networks, with a server in noop mode."""

from tests.support.client import Client, expect

# The variables of the first admin's login are unset.
NO_LOGIN: dict[str, str | None] = dict.fromkeys(
    f"OS_{name}" for name in ("USERNAME", "PASSWORD", "USER_DOMAIN_ID", "PROJECT_NAME", "PROJECT_DOMAIN_ID")
)


def test_token(openstack: Client) -> None:
    token = openstack.get("token issue")
    assert token["project_id"] == openstack.get("project show admin")["id"]
    assert token["user_id"] == openstack.get("user show admin")["id"]
    as_token = NO_LOGIN | {"OS_AUTH_TYPE": "token", "OS_TOKEN": token["id"], "OS_PROJECT_ID": token["project_id"]}
    assert openstack.get("token issue", **as_token)["user_id"] == token["user_id"]
    openstack.do(f"token revoke {token['id']}")
    assert "HTTP 401" in openstack.fail("token issue", **as_token)


def test_projects(openstack: Client) -> None:
    made = openstack.get("project create red --description d")
    expect(made, name="red", description="d", enabled=True, domain_id="default", is_domain=False)
    assert {"ID": made["id"], "Name": "red"} in openstack.get("project list")
    openstack.do("project set red --name crimson --description e --disable")
    changed = made | {"name": "crimson", "description": "e", "enabled": False}
    assert openstack.get("project show crimson") == changed
    assert "Conflict occurred" in openstack.fail("project create crimson")
    openstack.do("project delete crimson")
    assert "No Project found for crimson" in openstack.fail("project show crimson")


def test_users_and_roles(openstack: Client) -> None:
    project = openstack.get("project create team")["id"]
    made = openstack.get("user create alice --password first --project team --email a@example.org --description d")
    expect(made, name="alice", email="a@example.org", description="d", enabled=True, default_project_id=project)
    assert {"ID": made["id"], "Name": "alice"} in openstack.get("user list")
    openstack.do("user set alice --name alicia --email b@example.org --password second")
    assert openstack.get("user show alicia") == made | {"name": "alicia", "email": "b@example.org"}

    alicia = {"OS_USERNAME": "alicia", "OS_PASSWORD": "second", "OS_PROJECT_NAME": "team"}
    assert "HTTP 401" in openstack.fail("loadbalancer list", **alicia)
    openstack.do("role add --user alicia --project team member")
    held = {"Role": "member", "User": "alicia@Default", "Project": "team@Default", "Inherited": False}
    (found,) = openstack.get("role assignment list --user alicia --names")
    expect(found, **held)
    (found,) = openstack.get("role assignment list --project team --role member --names")
    expect(found, **held)
    assert openstack.get("user list --project team") == [{"ID": made["id"], "Name": "alicia"}]
    assert openstack.get("loadbalancer list", **alicia) == []
    assert "HTTP 403" in openstack.fail("loadbalancer amphora list", **alicia)
    openstack.do("user password set --password third --original-password second", **alicia)
    alicia["OS_PASSWORD"] = "third"
    assert openstack.get("token issue", **alicia)["project_id"] == project

    openstack.do("role remove --user alicia --project team member")
    assert openstack.get("role assignment list --user alicia") == []
    assert "HTTP 401" in openstack.fail("loadbalancer list", **alicia)
    openstack.do("user delete alicia")
    openstack.do("project delete team")
    assert "alicia" not in [each["Name"] for each in openstack.get("user list")]


def test_roles(openstack: Client) -> None:
    made = openstack.get("role create auditor --description d")
    expect(made, name="auditor", description="d", domain_id=None)
    assert {each["Name"] for each in openstack.get("role list")} >= {"admin", "auditor", "member", "reader"}
    openstack.do("role set auditor --name checker")
    assert openstack.get("role show checker") == made | {"name": "checker"}
    openstack.do("role delete checker")
    assert "checker" not in [each["Name"] for each in openstack.get("role list")]


def test_application_credentials(openstack: Client) -> None:
    made = openstack.get("application credential create ci --secret hidden --role member --description d")
    expect(made, Name="ci", Secret="hidden", Description="d", Unrestricted=False)
    assert [role["name"] for role in made["Roles"]] == ["member"]
    (found,) = [each for each in openstack.get("application credential list") if each["Name"] == "ci"]
    expect(found, ID=made["ID"], Name="ci", Description="d")
    shown = openstack.get("application credential show ci")
    expect(shown, ID=made["ID"], Name="ci", Roles=made["Roles"])
    assert "Secret" not in shown
    robot = NO_LOGIN | {
        "OS_AUTH_TYPE": "v3applicationcredential",
        "OS_APPLICATION_CREDENTIAL_ID": made["ID"],
        "OS_APPLICATION_CREDENTIAL_SECRET": "hidden",
    }
    assert openstack.get("token issue", **robot)["project_id"] == made["Project ID"]
    openstack.get("loadbalancer list", **robot)
    openstack.do("application credential delete ci")
    assert "HTTP 401" in openstack.fail("token issue", **robot)


def test_networks_and_subnets(openstack: Client) -> None:
    network = openstack.get("network create net --description d --mtu 1400 --disable-port-security --tag x")
    expect(network, name="net", description="d", mtu=1400, port_security_enabled=False, status="ACTIVE", tags=["x"])
    openstack.do("network set net --name grid --description e --enable-port-security")
    openstack.do("network unset grid --tag x")
    subnet = openstack.get(
        "subnet create sub --network grid --subnet-range 10.20.0.0/24 --gateway 10.20.0.254 "
        "--allocation-pool start=10.20.0.10,end=10.20.0.20 --dns-nameserver 192.0.2.53 --no-dhcp "
        "--host-route destination=192.0.2.0/24,gateway=10.20.0.9"
    )
    expect(subnet, name="sub", cidr="10.20.0.0/24", gateway_ip="10.20.0.254", ip_version=4, enable_dhcp=False)
    expect(subnet, allocation_pools=[{"start": "10.20.0.10", "end": "10.20.0.20"}], network_id=network["id"])
    expect(subnet, host_routes=[{"destination": "192.0.2.0/24", "nexthop": "10.20.0.9"}])
    shown = openstack.get("network show grid")
    expect(shown, id=network["id"], description="e", port_security_enabled=True, tags=[], subnets=[subnet["id"]])
    assert {"ID": network["id"], "Name": "grid", "Subnets": [subnet["id"]]} in openstack.get("network list")
    assert [each["Name"] for each in openstack.get("network list --external")] == ["provider"]

    openstack.do("subnet set sub --name part --description x --dhcp --dns-nameserver 192.0.2.54")
    openstack.do(
        "subnet unset part --dns-nameserver 192.0.2.53 --host-route destination=192.0.2.0/24,gateway=10.20.0.9"
    )
    changed = openstack.get("subnet show part")
    expect(changed, description="x", enable_dhcp=True, dns_nameservers=["192.0.2.54"], host_routes=[])
    (found,) = openstack.get("subnet list --network grid")
    assert found == {"ID": subnet["id"], "Name": "part", "Network": network["id"], "Subnet": "10.20.0.0/24"}
    assert "Invalid input for operation" in openstack.fail(
        "subnet create twice --network grid --subnet-range 10.20.0.0/25"
    )
    openstack.do("subnet delete part")
    openstack.do("network delete grid")
    assert [each["Name"] for each in openstack.get("network list --name grid")] == []


def test_routers_ports_and_floating_ips(openstack: Client) -> None:
    openstack.get("network create inner")
    subnet = openstack.get("subnet create range --network inner --subnet-range 10.30.0.0/24")["id"]
    made = openstack.get("router create way --description d")
    expect(made, name="way", description="d", status="ACTIVE", external_gateway_info=None, admin_state_up=True)
    openstack.do("router set way --name path --external-gateway provider")
    openstack.do("router add subnet path range")
    router = openstack.get("router show path")
    assert router["external_gateway_info"]["enable_snat"] is True
    assert [(each["subnet_id"], each["ip_address"]) for each in router["interfaces_info"]] == [(subnet, "10.30.0.1")]
    (found,) = openstack.get("router list --name path")
    expect(found, ID=made["id"], Name="path", Status="ACTIVE", State=True)

    port = openstack.get("port create socket --network inner --fixed-ip subnet=range,ip-address=10.30.0.15")
    address = {"subnet_id": subnet, "ip_address": "10.30.0.15"}
    expect(port, name="socket", status="DOWN", admin_state_up=True, fixed_ips=[address], device_id="")
    openstack.do("port set socket --name plug --description e --device machine --no-security-group")
    expect(openstack.get("port show plug"), id=port["id"], description="e", device_id="machine", status="ACTIVE")
    openstack.do("port unset plug --device")
    assert port["id"] in [each["ID"] for each in openstack.get("port list --network inner")]
    assert len(openstack.get("port list --router path")) == 2
    (found,) = openstack.get("port list --fixed-ip ip-address=10.30.0.15")
    assert found["ID"] == port["id"]

    floating = openstack.get("floating ip create provider --floating-ip-address 203.0.113.77 --description d")
    expect(floating, floating_ip_address="203.0.113.77", status="DOWN", port_id=None, description="d")
    openstack.do("floating ip set --port plug 203.0.113.77")
    shown = openstack.get("floating ip show 203.0.113.77")
    expect(shown, fixed_ip_address="10.30.0.15", port_id=port["id"], router_id=made["id"], status="ACTIVE")
    (found,) = openstack.get("floating ip list --port plug")
    expect(found, **{"ID": floating["id"], "Floating IP Address": "203.0.113.77", "Fixed IP Address": "10.30.0.15"})
    refusal = openstack.fail("router remove subnet path range")
    assert "cannot be deleted, as it is required by one or more floating IPs" in refusal
    openstack.do("floating ip unset --port 203.0.113.77")
    openstack.do("floating ip delete 203.0.113.77")
    assert floating["id"] not in [each["ID"] for each in openstack.get("floating ip list")]

    openstack.do("port delete plug")
    openstack.do("router remove subnet path range")
    openstack.do("router unset --external-gateway path")
    assert openstack.get("router show path")["external_gateway_info"] is None
    openstack.do("router delete path")
    openstack.do("network delete inner")
    assert made["id"] not in [each["ID"] for each in openstack.get("router list")]
    assert port["id"] not in [each["ID"] for each in openstack.get("port list")]


def test_security_groups(openstack: Client) -> None:
    made = openstack.get("security group create web --description d")
    expect(made, name="web", description="d", stateful=True)
    assert {rule["direction"] for rule in made["rules"]} == {"egress"}
    rule = openstack.get("security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 192.0.2.0/24")
    expect(rule, direction="ingress", ether_type="IPv4", protocol="tcp", port_range_min=80, port_range_max=81)
    expect(rule, remote_ip_prefix="192.0.2.0/24", security_group_id=made["id"])
    listed = {each["ID"]: each for each in openstack.get("security group rule list web")}
    expect(listed[rule["id"]], **{"IP Protocol": "tcp", "Port Range": "80:81", "Direction": "ingress"})
    assert openstack.get(f"security group rule show {rule['id']}")["protocol"] == "tcp"
    openstack.do("security group set web --name site --description e")
    shown = openstack.get("security group show site")
    expect(shown, id=made["id"], description="e")
    assert len(shown["rules"]) == 3
    assert {"default", "site"} <= {each["Name"] for each in openstack.get("security group list")}
    openstack.do(f"security group rule delete {rule['id']}")
    openstack.do("security group delete site")
    assert "No SecurityGroup found for site" in openstack.fail("security group show site")


def test_qos_policies(openstack: Client) -> None:
    made = openstack.get("network qos policy create gold --description d")
    expect(made, name="gold", description="d", shared=False, is_default=False, rules=[])
    limits = "--type bandwidth-limit --max-kbps 8000 --max-burst-kbits 800"
    rule = openstack.get(f"network qos rule create gold {limits} --egress")
    expect(rule, max_kbps=8000, max_burst_kbps=800, direction="egress")
    assert "Conflict" in openstack.fail(f"network qos rule create gold {limits} --egress")
    openstack.get(f"network qos rule create gold {limits} --ingress")
    (listed, _) = openstack.get("network qos rule list gold")
    expect(listed, **{"ID": rule["id"], "Type": "bandwidth_limit", "Max Kbps": 8000, "Direction": "egress"})
    openstack.do(f"network qos rule set gold {rule['id']} --max-kbps 9000")
    assert openstack.get(f"network qos rule show gold {rule['id']}")["max_kbps"] == 9000
    openstack.do("network qos policy set gold --name silver --description e")
    shown = openstack.get("network qos policy show silver")
    expect(shown, id=made["id"], description="e")
    assert [each["direction"] for each in shown["rules"]] == ["ingress", "egress"]
    assert "silver" in [each["Name"] for each in openstack.get("network qos policy list")]
    assert openstack.get("network qos rule type list") == [{"Type": "bandwidth_limit"}]
    openstack.get("network create shaped")
    openstack.get("subnet create shaped --network shaped --subnet-range 10.9.0.0/24")
    openstack.get("port create held --network shaped --qos-policy silver")
    assert openstack.get("port show held")["qos_policy_id"] == made["id"]
    assert "is used by port" in openstack.fail("network qos policy delete silver")
    openstack.do("port unset held --qos-policy")
    openstack.do(f"network qos rule delete silver {rule['id']}")
    openstack.do("network qos policy delete silver")
    assert "No QoSPolicy found for silver" in openstack.fail("network qos policy show silver")
    openstack.do("port delete held")
    openstack.do("network delete shaped")


def test_catalogue_domains_extensions_and_versions(openstack: Client) -> None:
    services = {"barbican": "key-manager", "keystone": "identity", "neutron": "network", "octavia": "load-balancer"}
    assert {each["Name"]: each["Type"] for each in openstack.get("catalog list")} == services
    assert {each["Name"]: each["Type"] for each in openstack.get("service list")} == services
    assert {each["Service Type"] for each in openstack.get("endpoint list")} == set(services.values())
    assert [each["Name"] for each in openstack.get("domain list")] == ["Default"]
    assert "router" in [each["Alias"] for each in openstack.get("extension list --network")]
    versions = [(each["Service Type"], each["Version"], each["Status"]) for each in openstack.get("versions show")]
    assert {("identity", "3.14", "CURRENT"), ("network", "2.0", "CURRENT")} <= set(versions)
    assert ("load-balancer", "2.30", "CURRENT") in versions
