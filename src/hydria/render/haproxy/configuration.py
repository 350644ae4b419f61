"""The whole configuration of an instance, section after section. Pure."""

from hydria.contract import Instance
from hydria.model.flavor_profile import NORMALISE_PATHS
from hydria.render.haproxy import logs, tls
from hydria.render.haproxy.acme import PORT, challenge_frontend
from hydria.render.haproxy.backend import backend
from hydria.render.haproxy.frontend import frontend
from hydria.render.haproxy.parts import ROOT, Rendering, Section, Server, Surroundings, backend_name
from hydria.render.haproxy.peers import peers_section, shares_tables
from hydria.render.haproxy.persistence import table_keys
from hydria.render.haproxy.prometheus import metrics_backend
from hydria.render.quoting import quote


def render(instance: Instance, surroundings: Surroundings) -> Rendering:
    """Return the configuration of an instance. Raises ValueError for a VIP that the amphora does not have."""
    live, base = instance.tree.live(), instance.interfaces[0]
    there = {address.ip for address in (instance.vips or base.addresses)}
    for vip in instance.tree.load_balancer.vip_addresses:
        if there and vip not in there:
            raise ValueError(f"the VIP {vip} is not on the first interface")
    sections: list[Section] = [_global(instance, surroundings), _resolvers(), logs.ring(), _defaults()]
    tables: dict[str, str] = {}
    for listener in live.haproxy_listeners:
        sections.append(frontend(instance, listener, surroundings))
        if listener.protocol == "PROMETHEUS":
            sections.append(metrics_backend(listener))
        pools = live.pools[listener.id]
        sections += [backend(instance, listener, pool, surroundings) for pool in pools]
        tables |= {backend_name(pool, listener): keys for pool in pools if (keys := table_keys(pool)) is not None}
    if tables and shares_tables(instance):
        sections.append(peers_section(instance))
    challenged = challenge_frontend(instance, live)
    if challenged is not None:
        sections.append(challenged)
    return Rendering(
        text=_write(sections),
        frame=_write([[line for line in section if isinstance(line, str)] for section in sections]),
        servers=tuple(line for section in sections for line in section if isinstance(line, Server)),
        tables=tables,
        files=tls.files(live, instance.secrets, surroundings.directory, instance.ticket_keys),
    )


def ports(instance: Instance) -> frozenset[int]:
    """Return the VIP's ports on which HAProxy may have connections."""
    return instance.tree.live().tcp_ports | ({PORT} if instance.challenges else frozenset())


def needs_no_haproxy(instance: Instance) -> bool:
    """Say whether the amphora runs no HAProxy (`Live.needs_haproxy`)."""
    return not (instance.tree.live().needs_haproxy or instance.challenges)


def _write(sections: list[Section]) -> str:
    blocks = []
    for section in sections:
        head, *rest = section
        lines = [line if isinstance(line, str) else f"server {line.line}" for line in rest]
        blocks.append("\n    ".join((str(head), *lines)))
    return "\n\n".join(blocks) + "\n"


def _global(instance: Instance, surroundings: Surroundings) -> Section:
    return [
        "global",
        f"stats socket {quote(surroundings.directory + '/haproxy.sock')} mode 600 level admin expose-fd listeners",
        # A follower of the log uses two connections, and must not lock the agent out. The default is ten.
        "stats maxconn 40",
        # HAProxy's HTTP client, which only scripts use, would read all CA certificates of the system: two thirds of a
        # start, and a fifth of the memory.
        "httpclient.ssl.verify none",
        # HAProxy counts the normalisation of paths as experimental.
        *(["expose-experimental-directives"] if instance.flavor.get(NORMALISE_PATHS) is True else []),
        # Its name among the peers.
        *([f"localpeer {instance.amphora_id}"] if shares_tables(instance) else []),
        *tls.global_lines(instance.tree, surroundings.directory),
        f"server-state-file {quote(surroundings.directory + '/servers.state')}",
        # From there HAProxy can see and write nothing of the host.
        f"chroot {quote(surroundings.directory + '/' + ROOT)}",
        f"uid {surroundings.uid}",
        f"gid {surroundings.gid}",
        f"nbthread {surroundings.threads}",
        f"maxconn {surroundings.max_connections}",
        # This identifies the amphora in lines that are forwarded to syslog.
        f"log-tag {instance.amphora_id}",
        *logs.global_lines(),
    ]


def _resolvers() -> Section:
    """Stand in place of the section that HAProxy makes itself, which wakes an idle process each second.

    No server has a name to resolve; the name server only avoids a warning, and nothing is sent to it.
    """
    return ["resolvers default", "nameserver unused 127.0.0.1:53", "timeout resolve 24h"]


def _defaults() -> Section:
    return [
        "defaults",
        "retries 3",
        "option redispatch 1",
        "option idle-close-on-response",
        "load-server-state-from-file global",
    ]
