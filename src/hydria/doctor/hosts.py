"""Checks of the hosts that a server knows."""

from hydria.agent.commands import hosts as listed
from hydria.doctor.finding import Finding, fine, odd
from hydria.errors import HostError
from hydria.settings import Settings


def _own_id(settings: Settings) -> str:
    try:
        return (settings.state_dir / "host.id").read_text().strip()
    except OSError:
        return ""


def hosts(settings: Settings) -> Finding:
    """Ask the server for silent hosts, and for other hosts that use a copy of its own machine's secret."""
    try:
        found = listed(settings)
    except HostError:
        return fine("hosts", "not checked: the server cannot be reached")
    silent = [host["name"] for host in found if host["state"] == "silent"]
    if silent:
        return odd("hosts", f"silent: {', '.join(silent[:5])}", "start their agents; see: hydria host list")
    own = _own_id(settings)
    copies = [host["name"] for host in found if host["joined_at"] is None and host["id"] != own]
    if copies:
        mend = "let each join, which gives it a secret of its own and TLS: hydria host invite"
        return odd("hosts", f"{', '.join(copies[:5])} use a copy of agent.secret, without TLS", mend)
    return fine("hosts", f"{len(found)}, none is silent")
