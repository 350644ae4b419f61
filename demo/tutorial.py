"""The tutorial: its commands in order, with their expected answers. `$names` come from earlier answers."""

from demo.answers import Lines, Names, Record, Rows, Says
from demo.steps import Chapter, Close, Hear, Open, Type, silent

_BOTH = ("webserver1", "webserver2")
# A failing check takes up to 5 s; three (max_retries_down) at intervals of 5 s take a member down, two bring it back.
_NOTICED = 60.0
_SETTLED = 20.0


def _member(address: str, operating_status: str) -> str:
    return f"""
        id <id>
        name
        project_id $project
        provisioning_status ACTIVE
        address {address}
        protocol_port 80
        operating_status {operating_status}
        weight 1
    """


def _members(first: str, second: str) -> Rows:
    return Rows((_member("10.0.0.11", first), _member("10.0.0.12", second)))


def _new_member(address: str, name: str) -> Type:
    return Type(
        command=f"openstack loadbalancer member create --subnet-id $subnet --address {address} --protocol-port 80"
        " Beispiel-pool",
        shows=Record(f"""
            address {address}
            admin_state_up True
            created_at <time>
            id <id>
            name
            operating_status NO_MONITOR
            project_id $project
            protocol_port 80
            provisioning_status PENDING_CREATE
            subnet_id $subnet
            updated_at None
            weight 1
            monitor_port None
            monitor_address None
            backup False
        """),
        keeps={name: "id"},
    )


def _monitor(provisioning_status: str, operating_status: str, updated_at: str) -> Record:
    return Record(f"""
        project_id $project
        name Beispielmonitor
        admin_state_up True
        pools $pool
        created_at <time>
        provisioning_status {provisioning_status}
        updated_at {updated_at}
        delay 5
        expected_codes 200
        max_retries 2
        http_method GET
        timeout 10
        max_retries_down 3
        url_path /
        type HTTP
        id <id>
        operating_status {operating_status}
        http_version
        domain_name
    """)


START = Chapter(
    title="Hydria starts",
    text="Two processes: the server (API, home cloud, controller) and this machine's agent.",
    steps=(
        Type(command="hydria doctor", before="Can this machine run Hydria?"),
        Type(command="hydria up --detach", shows=Says("Hydria runs")),
    ),
)

LOAD_BALANCER = Chapter(
    title="A load balancer",
    text="Its virtual IP (VIP) is in the subnet of the web servers. Hydria makes a network namespace for it.",
    steps=(
        Type(
            command="openstack subnet show BeispielSubnet -f value -c id",
            shows=Lines((r"[0-9a-f-]{36}",)),
            answer="subnet",
        ),
        Type(
            command="openstack loadbalancer create --name Beispiel-LB --vip-subnet-id $subnet",
            shows=Record("""
                admin_state_up True
                created_at <time>
                description
                flavor_id
                id <id>
                listeners
                name Beispiel-LB
                operating_status OFFLINE
                pools
                project_id <project>
                provider amphora
                provisioning_status PENDING_CREATE
                updated_at None
                vip_address 10.0.0.10
                vip_network_id <id>
                vip_port_id <id>
                vip_qos_policy_id None
                vip_subnet_id $subnet
            """),
            keeps={"lb": "id", "project": "project_id", "network": "vip_network_id", "vip": "vip_port_id"},
        ),
        Type(
            command="openstack loadbalancer list",
            shows=Rows(
                (
                    """
                    id $lb
                    name Beispiel-LB
                    project_id $project
                    vip_address 10.0.0.10
                    provisioning_status ACTIVE
                    provider amphora
                    """,
                )
            ),
            within=_SETTLED,
            before="ACTIVE means that it serves. That takes about 0.1 s; the client itself needs longer.",
        ),
    ),
)

LISTENER = Chapter(
    title="A listener",
    text="The port of the front end: HTTP on port 80.",
    steps=(
        Type(
            command="openstack loadbalancer listener create --name Beispiel-listener --protocol HTTP"
            " --protocol-port 80 Beispiel-LB",
            shows=Record("""
                admin_state_up True
                connection_limit -1
                created_at <time>
                default_pool_id None
                default_tls_container_ref None
                description
                id <id>
                insert_headers None
                l7policies
                loadbalancers $lb
                name Beispiel-listener
                operating_status OFFLINE
                project_id $project
                protocol HTTP
                protocol_port 80
                provisioning_status PENDING_CREATE
                sni_container_refs []
                timeout_client_data 50000
                timeout_member_connect 5000
                timeout_member_data 50000
                timeout_tcp_inspect 0
                updated_at None
                client_ca_tls_container_ref
                client_authentication <any>
                client_crl_container_ref
            """),
            keeps={"listener": "id"},
        ),
        Type(
            command="openstack loadbalancer listener list",
            shows=Rows(
                (
                    """
                    id $listener
                    default_pool_id None
                    name Beispiel-listener
                    project_id $project
                    protocol HTTP
                    protocol_port 80
                    admin_state_up True
                    """,
                )
            ),
        ),
    ),
)

POOL = Chapter(
    title="A pool",
    text="The pool is where the listener sends its requests: to its members in turn.",
    steps=(
        Type(
            command="openstack loadbalancer pool create --name Beispiel-pool --lb-algorithm ROUND_ROBIN"
            " --listener Beispiel-listener --protocol HTTP",
            shows=Record("""
                admin_state_up True
                created_at <time>
                description
                healthmonitor_id
                id <id>
                lb_algorithm ROUND_ROBIN
                listeners $listener
                loadbalancers $lb
                members
                name Beispiel-pool
                operating_status OFFLINE
                project_id $project
                protocol HTTP
                provisioning_status PENDING_CREATE
                session_persistence None
                updated_at None
                tls_container_ref
                ca_tls_container_ref
                crl_container_ref
                tls_enabled <any>
            """),
            keeps={"pool": "id"},
        ),
        Type(
            command="openstack loadbalancer pool list",
            shows=Rows(
                (
                    """
                    id $pool
                    name Beispiel-pool
                    project_id $project
                    provisioning_status ACTIVE
                    protocol HTTP
                    lb_algorithm ROUND_ROBIN
                    admin_state_up True
                    """,
                )
            ),
            within=_SETTLED,
        ),
    ),
)

MEMBERS = Chapter(
    title="Two members",
    text="The web servers that the lab made: 10.0.0.11 and 10.0.0.12.",
    steps=(
        _new_member("10.0.0.11", "member1"),
        _new_member("10.0.0.12", "member2"),
        Type(
            command="openstack loadbalancer member list Beispiel-pool",
            shows=_members("NO_MONITOR", "NO_MONITOR"),
            within=_SETTLED,
            before="NO_MONITOR: the members are not checked yet.",
        ),
    ),
)

FLOATING_IP = Chapter(
    title="A floating IP",
    text="An address on the external network for the VIP, so that clients outside reach the load balancer.",
    steps=(
        Type(
            command="openstack floating ip create provider",
            # The client of 2019 showed `location` too; today's hides it.
            shows=Record("""
                created_at <time>
                description
                dns_domain None
                dns_name None
                fixed_ip_address None
                floating_ip_address <address>
                floating_network_id <id>
                id <id>
                name <address>
                port_details None
                port_id None
                project_id $project
                qos_policy_id None
                revision_number 0
                router_id None
                status DOWN
                subnet_id None
                tags []
                updated_at <time>
            """),
            keeps={"fip": "floating_ip_address", "provider": "floating_network_id"},
        ),
        Type(
            command="openstack loadbalancer show Beispiel-LB -f value -c vip_port_id",
            shows=Lines((r"[0-9a-f-]{36}",)),
            answer="port",
        ),
        silent("openstack floating ip set --port $port $fip"),
        Type(
            command="hydria lab run client bash -c 'for ((i=1;i<=10;i++)); do curl -s http://$fip; sleep 1; done'",
            shows=Lines(("you hit: webserver1", "you hit: webserver2"), times=5),
            before="`client` is a host on the external network. Ten requests, strictly in turn:",
        ),
        Type(
            command="curl -s http://$fip",
            shows=Lines(("you hit: webserver1",)),
            before="This machine has a link to the external network, so its own curl works as well:",
        ),
    ),
)

HEALTH_MONITOR = Chapter(
    title="A health monitor",
    text="It takes a failing member out of the pool, and back in when it has recovered.",
    steps=(
        Type(
            command="openstack loadbalancer healthmonitor create --delay 5 --max-retries 2 --timeout 10 --type HTTP"
            " --name Beispielmonitor --url-path / Beispiel-pool",
            shows=_monitor("PENDING_CREATE", "OFFLINE", "None"),
        ),
        Type(
            command="openstack loadbalancer healthmonitor show Beispielmonitor",
            shows=_monitor("ACTIVE", "ONLINE", "<time>"),
            within=_SETTLED,
        ),
    ),
)

OUTAGE = Chapter(
    title="A web server fails",
    text="webserver2 loses its network, then it answers 500. The client sends a request each second and sees no error.",
    steps=(
        Open(
            command="hydria lab run client bash -c 'while sleep 1; do echo $(date +%T) $(curl -sS http://$fip); done'",
            before="In a second terminal, until the end of this chapter:",
        ),
        Hear(hosts=_BOTH, hits=4),
        silent("hydria lab stop webserver2"),
        Type(
            command="openstack loadbalancer member list Beispiel-pool",
            shows=_members("ONLINE", "ERROR"),
            within=_NOTICED,
            before="Requests for webserver2 try it for 5 s, then webserver1 answers them; after three failed"
            " checks it is out:",
        ),
        Type(
            command="openstack loadbalancer show Beispiel-LB -f value -c operating_status",
            shows=Lines(("DEGRADED",)),
            within=_SETTLED,
        ),
        Hear(hosts=("webserver1",), hits=2),
        silent("hydria lab start webserver2"),
        Type(
            command="openstack loadbalancer member list Beispiel-pool",
            shows=_members("ONLINE", "ONLINE"),
            within=_NOTICED,
            before="After two successful checks it is back:",
        ),
        Hear(hosts=_BOTH, hits=2),
        silent("hydria lab stop webserver2 --how error", before="Now it answers each request with 500:"),
        Type(
            command="openstack loadbalancer member list Beispiel-pool",
            shows=_members("ONLINE", "ERROR"),
            within=_NOTICED,
        ),
        Hear(hosts=("webserver1",), hits=2),
        silent("hydria lab start webserver2"),
        Type(
            command="openstack loadbalancer member list Beispiel-pool",
            shows=_members("ONLINE", "ONLINE"),
            within=_NOTICED,
        ),
        Hear(hosts=_BOTH, hits=2),
        Close(),
    ),
)

# A connection that sends nothing for two seconds, then a request.
_IDLE = (
    "hydria lab run client bash -c 'exec 3<>/dev/tcp/$fip/80; sleep 2;"
    ' printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3 2>/dev/null; cat <&3\''
)

TIMEOUTS = Chapter(
    title="Known problem: idle connections",
    text="A listener closes connections that are idle for 50 s: here for 1 s, to see it; then for four hours.",
    steps=(
        silent("openstack loadbalancer listener set --timeout-client-data 1000 Beispiel-listener"),
        Type(
            command=_IDLE,
            shows=Says("408 Request Time-out"),
            within=_SETTLED,
            before="This connection is idle for two seconds before its request:",
        ),
        silent("openstack loadbalancer listener set --timeout-client-data 14400000 Beispiel-listener"),
        silent("openstack loadbalancer listener set --timeout-member-data 14400000 Beispiel-listener"),
        Type(
            command="openstack loadbalancer listener show Beispiel-listener -f value -c timeout_client_data"
            " -c timeout_member_data -c provisioning_status",
            shows=Lines(("ACTIVE", "14400000", "14400000")),
            within=_SETTLED,
        ),
        Type(command=_IDLE, shows=Says("you hit: webserver")),
    ),
)

NO_ROUTER = Chapter(
    title="Known problem: no route to the external network",
    text="The subnet of this load balancer has no router, so its VIP cannot have a floating IP.",
    steps=(
        Type(
            command="openstack network create InselNetzwerk -f value -c name",
            shows=Lines(("InselNetzwerk",)),
        ),
        Type(
            command="openstack subnet create --network InselNetzwerk --subnet-range 10.1.0.0/24 InselSubnet"
            " -f value -c id",
            answer="island",
        ),
        Type(
            command="openstack loadbalancer create --name Insel-LB --vip-subnet-id InselSubnet -f value -c vip_port_id",
            answer="island_port",
        ),
        Type(
            command="openstack floating ip create provider -f value -c floating_ip_address",
            answer="island_fip",
        ),
        Type(
            command="openstack floating ip set --port $island_port $island_fip",
            refused=True,
            shows=Says(
                "External network $provider is not reachable from subnet $island. Therefore, cannot associate"
                " Port $island_port with a Floating IP."
            ),
        ),
        silent("openstack router add subnet BeispielRouter InselSubnet", before="What was missing:"),
        silent("openstack floating ip set --port $island_port $island_fip"),
        Type(
            command="openstack loadbalancer listener create --name Insel-listener --protocol TCP --protocol-port 5432"
            " Insel-LB -f value -c protocol",
            shows=Lines(("TCP",)),
            before="Create children, and delete everything at once:",
        ),
        Type(
            command="openstack loadbalancer pool create --name Insel-pool --lb-algorithm SOURCE_IP"
            " --listener Insel-listener --protocol TCP -f value -c lb_algorithm",
            shows=Lines(("SOURCE_IP",)),
        ),
        silent("openstack loadbalancer delete --cascade --wait Insel-LB"),
        silent("openstack floating ip delete $island_fip"),
        silent("openstack router remove subnet BeispielRouter InselSubnet"),
        silent("openstack network delete InselNetzwerk"),
    ),
)

NO_PORT_SECURITY = Chapter(
    title="Known problem: a network without port security",
    text="A VIP on it puts the load balancer into ERROR, with the reason in `provisioning_status_reason`.",
    steps=(
        Type(
            command="openstack network create --disable-port-security OffenNetzwerk -f value -c port_security_enabled",
            shows=Lines(("False",)),
        ),
        Type(
            command="openstack subnet create --network OffenNetzwerk --subnet-range 10.2.0.0/24 OffenSubnet"
            " -f value -c name",
            shows=Lines(("OffenSubnet",)),
        ),
        Type(
            command="openstack loadbalancer create --name Offen-LB --vip-subnet-id OffenSubnet -f value -c name",
            shows=Lines(("Offen-LB",)),
        ),
        Type(
            command="openstack loadbalancer show Offen-LB -f value -c provisioning_status",
            shows=Lines(("ERROR",)),
            within=_SETTLED,
        ),
        Type(
            command="openstack loadbalancer status show Offen-LB",
            shows=Says('"provisioning_status_reason": "Port security is disabled on the network'),
        ),
        silent(
            "openstack network set --enable-port-security OffenNetzwerk",
            before="Hydria tries again by itself, so fixing the cause is enough:",
        ),
        Type(
            command="openstack loadbalancer show Offen-LB -f value -c provisioning_status",
            shows=Lines(("ACTIVE",)),
            within=_NOTICED,
        ),
        silent("openstack loadbalancer delete --wait Offen-LB"),
        silent("openstack network delete OffenNetzwerk"),
    ),
)

DELETION = Chapter(
    title="All of it removed",
    text="One by one; the listener before its pool (the API also allows the other order).",
    steps=(
        Type(
            command="openstack loadbalancer delete Beispiel-LB",
            refused=True,
            shows=Says("children"),
            before="A load balancer with children is deleted only with --cascade:",
        ),
        silent("openstack loadbalancer healthmonitor delete Beispielmonitor"),
        silent("openstack loadbalancer member delete Beispiel-pool $member1"),
        silent("openstack loadbalancer listener delete Beispiel-listener"),
        silent("openstack loadbalancer pool delete Beispiel-pool"),
        silent("openstack loadbalancer delete Beispiel-LB"),
        silent("openstack floating ip delete $fip"),
        Type(command="openstack loadbalancer list", shows=Rows(()), within=_SETTLED),
        Type(
            command="openstack port list --device-owner Octavia -f value -c id",
            shows=Lines(()),
            before="Its ports are gone too:",
        ),
    ),
)

SURROUNDINGS = Chapter(
    title="The surroundings",
    text="A network with a subnet, a router to the external network, two web servers, and a client outside.",
    steps=(
        Type(command='eval "$(hydria env)"', sources=True, before="The credentials, for the stock client:"),
        Type(
            command="hydria lab up",
            shows=Lines((r"The lab is ready: webserver1, webserver2, client\.",)),
        ),
    ),
)

SURROUNDINGS_REMOVED = Chapter(
    title="The surroundings removed",
    text="The hosts, the router, the subnet and the network.",
    steps=(
        Type(command="hydria lab down", shows=Lines((r"The lab is removed\.",))),
        Type(command="openstack network list -f value -c Name", shows=Names(("provider",))),
        Type(command="openstack floating ip list -f value -c ID", shows=Lines(())),
    ),
)

STOP = Chapter(
    title="Hydria stops",
    text="Remove processes, namespaces, links, database and credentials.",
    steps=(Type(command="hydria down --purge", shows=Says("is removed")),),
)

# The chapters that remove what the walk leaves for the user.
WALK = (
    START,
    SURROUNDINGS,
    LOAD_BALANCER,
    LISTENER,
    POOL,
    MEMBERS,
    FLOATING_IP,
    HEALTH_MONITOR,
    OUTAGE,
    TIMEOUTS,
    NO_ROUTER,
    NO_PORT_SECURITY,
)
REMOVAL = (DELETION, SURROUNDINGS_REMOVED)
