"""Limits of the kernel that all namespaces of the machine share, and that are too low for hundreds of amphorae."""

from pathlib import Path

import structlog

from hydria.adapters.linux.netns import sysctl_file

log = structlog.get_logger(__name__)

SYSCTLS = Path("/proc/sys")
# The tables of neighbours (ARP, NDP) have 1024 entries by default. A kernel whose table is full answers no ARP request
# of a new neighbour, so that 250 amphorae take members and clients away from each other. Below the first threshold no
# entry is removed, above the second each that is older than 5 s, and the third is the most.
_NEIGHBOURS = {"gc_thresh3": 65536, "gc_thresh2": 32768, "gc_thresh1": 16384}
LIMITS = {
    **{
        f"net.{family}.neigh.default.{name}": value
        for family in ("ipv4", "ipv6")
        for name, value in _NEIGHBOURS.items()
    },
    # The packets that wait for one processor, 1000 by default. A bridge sends a broadcast to all of its ports at once:
    # with more than that, the oldest ports never get an ARP request.
    "net.core.netdev_max_backlog": 32768,
}


def raise_limits(sysctls: Path = SYSCTLS) -> None:
    """Raise the limits that are lower. A container does not see them: its host must have set them."""
    for name, wanted in LIMITS.items():
        file = Path(sysctl_file(name, sysctls))
        try:
            if int(file.read_text()) < wanted:
                file.write_text(str(wanted))
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("limit_not_raised", sysctl=name, wanted=wanted, reason=str(error))


def low_limits(sysctls: Path = SYSCTLS) -> list[str] | None:
    """Return `name=value` for sysctl for each limit that is too low, or None where the limits cannot be seen."""
    try:
        return [
            f"{name}={wanted}"
            for name, wanted in LIMITS.items()
            if int(Path(sysctl_file(name, sysctls)).read_text()) < wanted
        ]
    except FileNotFoundError:
        return None
