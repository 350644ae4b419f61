"""The configuration files of Keystone, Neutron and Barbican, and `clouds.yaml`."""

import base64
import json
import secrets
from pathlib import Path

from stack.plan import BARBICAN, CONTROL, ENVIRONMENT, KEYSTONE, PHYSICAL_NETWORK, RABBIT, Plan, management_address, url

TRANSPORT = f"rabbit://guest:guest@{management_address(CONTROL)}:{RABBIT}/"

_KEYSTONE = """\
[DEFAULT]
use_stderr = true
[database]
connection = {database}
[token]
provider = fernet
[fernet_tokens]
key_repository = {keys}/fernet
[fernet_receipts]
key_repository = {keys}/fernet
[credential]
key_repository = {keys}/credential
# In one process a cache in its memory is always true; without it each look at a token costs a dozen queries.
[cache]
enabled = true
backend = dogpile.cache.memory
[api]
response_validation = ignore
[identity]
# The least that bcrypt takes, because every login computes it.
password_hash_rounds = 4
"""

_AUTHENTICATION = """\
[keystone_authtoken]
www_authenticate_uri = {keystone}/v3
auth_url = {keystone}/v3
auth_type = password
username = {user}
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
service_token_roles = service
service_token_roles_required = true
"""

_NEUTRON = """\
[DEFAULT]
core_plugin = ml2
service_plugins = {plugins}
auth_strategy = keystone
api_paste_config = {environment}/etc/neutron/api-paste.ini
transport_url = {transport}
state_path = {state}
use_stderr = true
# With the default domain Neutron ignores the names of ports.
dns_domain = cloud.test.
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
[database]
connection = {database}
[oslo_concurrency]
lock_path = {state}/lock
"""

_ML2 = """\
[ml2]
type_drivers = geneve,flat,vlan
project_network_types = geneve
mechanism_drivers = ovn
extension_drivers = port_security,qos,dns
overlay_ip_version = 4
[ml2_type_geneve]
vni_ranges = 1:10000
max_header_size = 38
[ml2_type_flat]
flat_networks = {physical}
[securitygroup]
enable_security_group = true
[ovn]
ovn_nb_connection = {north}
ovn_sb_connection = {south}
enable_distributed_floating_ip = false
# One SNAT rule for everything (the default since 2025) breaks floating IPs asked for from behind their own router,
# with OVN 23.03.
ovn_router_indirect_snat = false
"""

_ML2_OVS = """\
[ml2]
type_drivers = vxlan,flat
project_network_types = vxlan
mechanism_drivers = openvswitch
extension_drivers = port_security,qos,dns
[ml2_type_vxlan]
vni_ranges = 1:1000
[ml2_type_flat]
flat_networks = {physical}
[securitygroup]
enable_security_group = true
firewall_driver = openvswitch
"""

_BARBICAN = """\
[DEFAULT]
host_href = {barbican}
use_stderr = true
transport_url = fake:/
sql_connection = {database}
db_auto_create = false
[database]
connection = {database}
[secretstore]
enabled_secretstore_plugins = store_crypto
[crypto]
enabled_crypto_plugins = simple_crypto
[simple_crypto_plugin]
kek = '{kek}'
[queue]
enable = false
"""

# Barbican's own module has the path of its pipeline built in.
_BARBICAN_API = """\
from paste.deploy import loadapp

application = loadapp("config:{environment}/etc/barbican/barbican-api-paste.ini")
"""


def write(plan: Plan) -> None:
    """Write all files. The password and the keys are made at random, unless they are there."""
    keys, there = plan.control / "keys", plan.configuration
    for directory in (
        keys / "fernet",
        keys / "credential",
        there / "barbican/.barbican",
        plan.control / "neutron/lock",
    ):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _keep(plan.password_file, secrets.token_urlsafe(18))
    # As keystone-manage makes them, whose starts cost seconds.
    for name in ("fernet/0", "fernet/1", "credential/0", "credential/1"):
        _keep(keys / name, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    _keep(keys / "barbican", base64.b64encode(secrets.token_bytes(32)).decode())
    values = {"environment": ENVIRONMENT, "keystone": url(KEYSTONE), "barbican": url(BARBICAN)}
    own = {"password": plan.password, **values}
    texts = {
        "keystone.conf": _KEYSTONE.format(database=database(plan, "keystone"), keys=keys),
        "neutron.conf": (_NEUTRON + _AUTHENTICATION).format(
            database=database(plan, "neutron"),
            state=plan.control / "neutron",
            user="neutron",
            plugins="ovn-router,qos" if plan.ml2 == "ovn" else "router,qos",
            # No agent of ML2/OVN speaks RPC.
            transport="fake:/" if plan.ml2 == "ovn" else TRANSPORT,
            **own,
        ),
        "ml2.ini": (_ML2 if plan.ml2 == "ovn" else _ML2_OVS).format(
            physical=PHYSICAL_NETWORK, north=plan.ovn_socket("nb"), south=plan.ovn_socket("sb")
        ),
        # It is looked for there in the home directory.
        "barbican/.barbican/barbican.conf": (_BARBICAN + _AUTHENTICATION).format(
            database=database(plan, "barbican"), kek=(keys / "barbican").read_text(), user="barbican", **own
        ),
        "barbican/api.py": _BARBICAN_API.format(**values),
    }
    for name, text in texts.items():
        _private(there / name, text)
    _private(plan.clouds, _clouds(plan))


def database(plan: Plan, name: str) -> str:
    """Return the SQLAlchemy URL of a service's database."""
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={plan.database_socket}&charset=utf8mb4"


def _clouds(plan: Plan) -> str:
    """Return `clouds.yaml`; JSON is YAML."""

    def cloud(user: str, project: str) -> dict[str, object]:
        names = {"username": user, "password": plan.password, "project_name": project}
        domains = {"user_domain_id": "default", "project_domain_id": "default"}
        return {"auth": {"auth_url": f"{url(KEYSTONE)}/v3", **names, **domains}, "region_name": "RegionOne"}

    clouds = {name: cloud(name, project) for name, project in (("admin", "admin"), ("demo", "demo"))}
    return json.dumps({"clouds": {**clouds, "hydria": cloud("hydria", "service")}}, indent=2)


def _keep(path: Path, text: str) -> None:
    if not path.exists():
        _private(path, text)


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
