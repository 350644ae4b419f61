"""The floor of a takeover: bare keepalived on two hosts of a cluster, each with an nginx, and an address that moves."""

import shutil
from pathlib import Path

from cluster.machine import Cluster
from cluster.nodes import environment
from hydria.adapters.linux.netns import netlink

ADDRESS = "10.20.0.20"
_OWN = {"h1": "10.20.0.21", "h2": "10.20.0.22"}
_PRIORITIES = {"h1": 100, "h2": 90}

# Hydria's pairs elect in the same way. Without the refresh, clients miss the address for 50 s after some healed cables.
_KEEPALIVED = """\
global_defs {{
    vrrp_version 3
    vrrp_no_swap
    vrrp_garp_master_repeat 2
    vrrp_garp_master_refresh 2
}}
vrrp_instance bare {{
    state BACKUP
    interface eth0
    virtual_router_id 77
    priority {priority}
    advert_int {interval}
    unicast_src_ip {own}
    unicast_peer {{ {other} }}
    virtual_ipaddress {{ {address}/24 dev eth0 }}
}}
"""
_NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{ access_log off; server {{ listen 80; location / {{ return 200 "you hit: {name}\\n"; }} }} }}
"""


class BarePair:
    """The two of them, in a namespace `bare` of the hosts h1 and h2."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def start(self, interval: float) -> None:
        """Start both. Raises HostError."""
        for name, own in _OWN.items():
            node, other = self._cluster.node(name), next(each for each in _OWN if each != name)
            for command in (
                "ip netns add bare",
                "ip link add bare0 type veth peer name eth0 netns bare",
                "ip link set bare0 master br0 up",
                "ip -n bare link set lo up",
                "ip -n bare link set eth0 up",
                f"ip -n bare addr add {own}/24 dev eth0",
            ):
                node.run(*command.split(), environment=environment({}))
            directory = node.home / "bare"
            directory.mkdir()
            directory.chmod(0o755)
            text = _KEEPALIVED.format(
                priority=_PRIORITIES[name], interval=interval, own=own, other=_OWN[other], address=ADDRESS
            )
            (directory / "keepalived.conf").write_text(text)
            (directory / "nginx.conf").write_text(_NGINX.format(directory="/run", name=name))
            inside = ["ip", "netns", "exec", "bare"]
            files = ["-p", "/run/bare.pid", "-r", "/run/bare-vrrp.pid"]
            keepalived = [_program("keepalived"), "-f", f"{directory}/keepalived.conf", *files, "-P", "-n", "-l"]
            node.keep("bare-keepalived", [*inside, *keepalived], environment({}))
            node.keep("bare-nginx", [*inside, "nginx", "-c", f"{directory}/nginx.conf"], environment({}))

    def holders(self) -> list[str]:
        """Return the hosts that have the address."""
        found = []
        for name in _OWN:
            with netlink(f"/proc/{self._cluster.node(name).running}/root/run/netns/bare") as there:
                if any(address.get("address") == ADDRESS for address in there.get_addr()):
                    found.append(name)
        return found


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is missing: apt-get install {name}")
    return str(Path(path))
