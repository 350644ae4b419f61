"""Checks of the machine: rights, the kernel, limits, the clock."""

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from hydria.adapters.linux import nft
from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.names import GATEWAY
from hydria.adapters.linux.netns import ensure_namespace, netlink, remove_namespace, reporting
from hydria.adapters.linux.shared_limits import low_limits
from hydria.contract import Address, FloatingIp, Interface, Router
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.errors import HostError
from hydria.render.nftables import render_router
from hydria.render.port_filter import render_port_filter
from hydria.render.uplink_filter import render_uplink_filter
from hydria.settings import Settings

_NEW_ENOUGH = datetime(2026, 1, 1, tzinfo=UTC)
_FEW_FILES = 4096
# HAProxy needs two descriptors for a connection, and some for itself.
_PER_CONNECTION, _OWN_FILES = 2, 100
_ROUTER = Router(
    id="doctor",
    gateway=Interface(
        port_id="g", network_id="n", mac="02:00:00:00:00:01", addresses=(Address(ip="192.0.2.1", prefix=24),)
    ),
    snat_cidrs=("198.51.100.0/24",),
    floating_ips=(FloatingIp(floating_ip="192.0.2.2", fixed_ip="198.51.100.2"),),
)
_PORT = Interface(
    port_id="p",
    network_id="n",
    mac="02:00:00:00:00:02",
    addresses=(Address(ip="192.0.2.3", prefix=24), Address(ip="2001:db8::3", prefix=64)),
    port_security=True,
)


def root() -> Finding:
    """Check that this process runs as root."""
    if os.geteuid() == 0:
        return fine("rights", "root")
    return bad("rights", f"user {os.geteuid()}", "network namespaces need root: sudo hydria … (hydria server does not)")


def kernel(settings: Settings) -> Iterator[Finding]:
    """Check the kernel by a namespace with links and rules, which is removed again."""
    version = f"Linux {platform.release()}"
    if os.geteuid() != 0:
        yield odd("kernel", f"{version}, not tried", "run this as root: sudo hydria doctor")
        return
    name = f"{settings.agent.prefix}-doctor-{os.getpid()}"
    steps: tuple[tuple[str, Callable[[str], object], str], ...] = (
        ("network namespaces", ensure_namespace, "in a container: it needs CAP_SYS_ADMIN and CAP_NET_ADMIN"),
        ("veth and bridges", _links, "modprobe veth bridge"),
        ("nftables", _rules, "install the package nftables; modprobe nft_chain_nat nft_nat nft_ct"),
    )
    try:
        for what, work, mend in steps:
            try:
                work(name)
            except HostError as error:
                yield bad(what, f"{version}: {error}", mend)
                return
            yield fine(what, version)
    finally:
        remove_namespace(name)


def files(settings: Settings) -> Finding:
    """Check how many file descriptors a HAProxy may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    seen = "no limit" if unlimited else f"{hard}: about {max(0, hard - _OWN_FILES) // _PER_CONNECTION} connections each"
    mend = "raise it: ulimit -Hn, or LimitNOFILE= of the service"
    wanted = settings.agent.max_connections
    if wanted is not None and not unlimited and hard < wanted * _PER_CONNECTION + _OWN_FILES:
        return bad("open files", seen, f"{mend}; or lower agent.max_connections ({wanted})")
    if not unlimited and hard < _FEW_FILES:
        return odd("open files", seen, mend)
    return fine("open files", seen)


def limits(settings: Settings) -> Finding:
    """Check which limits of amphorae the machine's control groups can enforce."""
    what, mode = "limits", settings.agent.limits
    if mode == "off" or os.geteuid() != 0:
        return fine(what, "switched off (agent.limits)" if mode == "off" else "not tried, this needs root")
    groups = Cgroups(settings.agent.prefix)
    missing = groups.missing()
    groups.tidy()
    usable = [controller for controller in groups.controllers if controller.name not in missing]
    seen = ", ".join(f"{controller.name} (v{controller.version})" for controller in usable)
    if not missing:
        return fine(what, f"control groups: {seen}")
    seen = f"no control groups for {', '.join(missing)}: an amphora may take all that the machine has of them"
    mend = "mount -t cgroup2 none /sys/fs/cgroup, or give Hydria's service the right to make groups"
    return bad(what, seen, mend) if mode == "required" else odd(what, seen, f"{mend}; or set agent.limits to off")


def shared_limits() -> Finding:
    """Check the limits of the kernel that all amphorae share."""
    what, low = "shared limits", low_limits()
    if low is None:
        return fine(what, "not seen: in a container its host has those of ARP, NDP and broadcasts")
    if low:
        seen = "too low for more than about 250 amphorae, which lose members and clients then"
        return odd(what, seen, f"the agent raises them at its start as root, or: sysctl -w {' '.join(low)}")
    return fine(what, "room for the neighbours (ARP, NDP) and broadcasts of a thousand amphorae")


def clock(settings: Settings) -> Finding:
    """Check that the time is plausible: tokens expire by it."""
    now = datetime.now(UTC)
    seen = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    mend = "set the clock, and keep it right (systemd-timesyncd, chrony)"
    if now < _NEW_ENOUGH:
        return bad("clock", seen, mend)
    try:
        ahead = max(entry.stat().st_mtime for entry in settings.state_dir.iterdir()) - time.time()
    except (OSError, ValueError):
        ahead = 0.0
    if ahead > 60:
        return odd("clock", f"{seen}, and {settings.state_dir} was written {ahead / 60:.0f} minutes later", mend)
    return fine("clock", seen)


def _links(namespace: str) -> None:
    with reporting("A bridge and a veth pair cannot be made"), netlink(namespace) as here:
        here.link("add", ifname="b", kind="bridge", state="up")
        master = here.link_lookup(ifname="b")[0]
        here.link("add", ifname="p", kind="veth", master=master, state="up", peer={"ifname": "e"})


def _rules(namespace: str) -> None:
    # All kinds of rule sets that an agent loads, for the link that `_links` made.
    text = f"{render_router(_ROUTER, GATEWAY)}{render_port_filter(_PORT, 'p')}{render_uplink_filter('p')}"
    nft.load(namespace, text)
