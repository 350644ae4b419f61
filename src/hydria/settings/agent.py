"""The settings of the agent of one host."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hydria.settings.types import Account, Program, Url, allowed


class AgentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent of one host, and the HAProxy processes that it runs."""

    host: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9A-Za-z._-]{1,253}$", extra=allowed("a host name"))] | None,
        Meta(description="Name by which the server knows this host. Unset: the machine's host name."),
    ] = None
    server_url: Annotated[
        Url | None, Meta(description="URL of the server. Unset: the server of these settings, over loopback.")
    ] = None
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9]{0,11}$",
            extra=allowed("1 to 12 lower-case letters and digits, a letter first"),
            description="Prefix of the names of everything that Hydria makes on the host. It never touches others.",
        ),
    ] = "hydria"
    zone: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9A-Za-z._-]{1,64}$", extra=allowed("a name"))] | None,
        Meta(description="Availability zone of this host: compute_zone of availability zone profiles. Unset: none."),
    ] = None
    bridges: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^[0-9A-Za-z._-]{1,64}:[^\s:,/]{1,15}(,[0-9A-Za-z._-]{1,64}:[^\s:,/]{1,15})*$",
                extra=allowed("physical network:bridge, several separated by commas"),
            ),
        ]
        | None,
        Meta(
            description="Bridges of this host that physical networks are on, such as physnet1:br0,physnet2:br1. Unset:"
            " each bridge of the machine is a physical network of the same name."
        ),
    ] = None
    ovsdb: Annotated[
        Annotated[str, Meta(pattern=r"^unix:/\S+$", extra=allowed("unix:/path/of/a/socket"))] | None,
        Meta(
            description="Open vSwitch's database on this host, such as unix:/run/openvswitch/db.sock, for a server with"
            " network.type = neutron. Unset: the host is not one of Neutron's."
        ),
    ] = None
    neutron_host: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9A-Za-z._-]{1,253}$", extra=allowed("a host name"))] | None,
        Meta(
            description="Name by which Neutron knows this host. Unset: external_ids:hostname in Open vSwitch's"
            " database, which is OVN's name of it."
        ),
    ] = None
    haproxy: Annotated[Program, Meta(description="HAProxy, 2.6 or newer.")] = "haproxy"
    keepalived: Annotated[Program, Meta(description="keepalived, 2.2 or newer, for pairs.")] = "keepalived"
    first_uid: Annotated[
        int,
        Meta(
            ge=1000,
            le=2_147_483_647,
            description="First of the user and group ids of HAProxy processes; each amphora has its own. No account of"
            " the machine may have one of them.",
        ),
    ] = 1_900_000_000
    uids: Annotated[int, Meta(ge=1, le=100_000_000, description="Number of these user and group ids.")] = 10_000_000
    haproxy_user: Annotated[
        Account | None,
        Meta(
            description="Account of all HAProxy processes, for machines that have no free ids (some containers). The"
            " processes can then end each other. Unset: each amphora has its own id."
        ),
    ] = None
    haproxy_group: Annotated[
        Account | None, Meta(description="Group of haproxy_user's processes. Unset: that account's own group.")
    ] = None
    syslog: Annotated[
        Path | None,
        Meta(
            description="Datagram socket, such as /dev/log, to which HAProxy also sends access logs and changes of"
            " members' health, as RFC 5424 and local0. It costs HAProxy about a fifth more time for each request."
            " Unset: they are only kept in memory, for hydria logs."
        ),
    ] = None
    udp_flow_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="Idle timeout of short UDP flows (over within two seconds, such as a query and its answer)"
            " whose listener sets neither timeout_client_data nor timeout_member_data. An amphora has at most about"
            " 64,500 flows to one member at a time: a shorter timeout allows more new flows.",
        ),
    ] = 10
    look_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="How often the agent looks at each amphora without an event: at its counters, and for what no"
            " event has told it.",
        ),
    ] = 15
    threads: Annotated[int, Meta(ge=1, le=64, description="Threads of each HAProxy.")] = 1
    max_connections: Annotated[
        Annotated[int, Meta(ge=1, le=2_000_000)] | None,
        Meta(description="Connections of one HAProxy at once. Unset: as many as RLIMIT_NOFILE allows."),
    ] = None
    memory_mb: Annotated[
        Annotated[int, Meta(ge=16, le=1_048_576)] | None,
        Meta(
            description="Memory limit of one HAProxy in MiB. An amphora may use twice as much, because it has two"
            " during a reload. Unset: an amphora may use half of the machine's memory."
        ),
    ] = None
    cpu_weight: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Share of each amphora when the processors are busy; 100 is the kernel's default.",
        ),
    ] = 100
    pids: Annotated[int, Meta(ge=16, le=100_000, description="Limit of processes and threads of each amphora.")] = 512
    flows: Annotated[
        int,
        Meta(
            ge=1024,
            le=100_000_000,
            description="Connection tracking entries of each amphora, 0.6 KB each: for UDP and SCTP flows, and for TCP"
            " with security groups. The kernel's limit net.netfilter.nf_conntrack_max should be higher.",
        ),
    ] = 160_000
    limits: Annotated[
        Literal["auto", "required", "off"],
        Meta(
            description="Limits of amphorae by control groups (v2 or v1): auto uses the available controllers, required"
            " serves nothing without all of memory, cpu and pids, off uses none."
        ),
    ] = "auto"
