"""`hydria amphora`: where a load balancer runs on this host, and what differs from the order."""

from collections.abc import Iterator
from pathlib import Path

from hydria.adapters.linux.haproxy_files import HaproxyFiles
from hydria.adapters.linux.kernel import links
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import namespaces
from hydria.adapters.linux.processes import find
from hydria.adapters.linux.remembered import Remembered
from hydria.compose.served_here import instances_of
from hydria.contract import Instance
from hydria.settings import Settings


def describe(settings: Settings, wanted: str) -> Iterator[str]:
    """Describe the amphorae of a load balancer, given by name or id, line by line. Raises HydriaError."""
    amphorae = settings.run_dir / "amphorae"
    instances = Remembered(settings.state_dir / "agent").inventory(amphorae).values()
    for instance in instances_of((each for each in instances if each is not None), wanted):
        yield from _describe(settings, instance, amphorae / instance.amphora_id)


def _describe(settings: Settings, instance: Instance, directory: Path) -> Iterator[str]:
    load_balancer, files = instance.tree.load_balancer, HaproxyFiles(directory)
    namespace = Names(settings.agent.prefix).amphora(instance.amphora_id)
    exists = namespace in namespaces(settings.agent.prefix)
    yield f"load balancer  {load_balancer.name or '(no name)'} {load_balancer.id}"
    yield f"amphora        {instance.amphora_id}"
    yield f"generation     {instance.generation} was served last"
    yield f"namespace      {namespace}{'' if exists else ' (missing)'}: ip netns exec {namespace} ss -ltn"
    yield f"directory      {directory}{'' if directory.is_dir() else ' (missing)'}"
    for index, interface in enumerate(instance.interfaces):
        name = f"eth{index}"
        state = "" if exists and name in links(namespace) else " (missing)"
        addresses = " ".join(f"{address.ip}/{address.prefix}" for address in interface.addresses)
        yield f"interface      {name} {interface.mac} {addresses}{state}"
    if instance.vips:
        role = "a pair" if instance.vrrp is not None else "single"
        yield f"VIPs           {' '.join(address.ip for address in instance.vips)} ({role}, {instance.duty})"
    yield f"haproxy        {_process(files)}"
    for listener in instance.tree.listeners:
        yield f"listener       {listener.protocol} {listener.protocol_port} {listener.name or listener.id}"
    if files.changing.exists():
        yield "differs        a change is in progress or failed: candidate.cfg is wanted, haproxy.cfg is running"


def _process(files: HaproxyFiles) -> str:
    try:
        pid = int(files.number.read_text())
    except (OSError, ValueError):
        return "none"
    process = find(pid, str(files.candidate))
    if process is None:
        return f"process {pid} has ended"
    try:
        return f"process {pid}, {process.resident_bytes // 2**20} MiB"
    finally:
        process.close()
