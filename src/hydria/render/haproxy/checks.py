"""A health monitor as HAProxy's own checks. Pure."""

from hydria.model import HealthMonitor, Member, Pool
from hydria.render.haproxy import tls
from hydria.render.quoting import quote


def check_lines(monitor: HealthMonitor) -> list[str]:
    """Return what a monitor asks of the backend of its pool."""
    lines = [f"timeout check {max(1, monitor.timeout)}s"]
    if monitor.type == "TLS-HELLO":
        return [*lines, "option ssl-hello-chk"]
    if monitor.type not in ("HTTP", "HTTPS"):
        return lines
    send = f"http-check send meth {monitor.http_method} uri {quote(monitor.url_path or '/')}"
    if monitor.http_version == "1.1":
        host = f" hdr Host {quote(monitor.domain_name)}" if monitor.domain_name else ""
        send += f" ver HTTP/1.1{host}"
    codes = (monitor.expected_codes or "200").replace(" ", "")
    return [*lines, "option httpchk", send, f"http-check expect status {codes}"]


def check_options(pool: Pool, member: Member, monitor: HealthMonitor) -> list[str]:
    """Return what a monitor asks of the server of one member."""
    options = ["check", "inter", f"{max(1, monitor.delay)}s"]
    options += ["fall", str(monitor.max_retries_down), "rise", str(monitor.max_retries)]
    if monitor.type == "HTTPS":
        options.append("check-ssl")
        options += tls.check_words(pool) if pool.tls_enabled else ["verify", "none"]
    elif monitor.type == "TLS-HELLO" and pool.tls_enabled:
        # The check is a handshake of its own; all others go by TLS where the members speak it.
        options.append("no-check-ssl")
    if member.monitor_address:
        options += ["addr", member.monitor_address]
    if member.monitor_port:
        options += ["port", str(member.monitor_port)]
    return options
