"""What tests observe of amphorae with base ports."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.linux.machines import Machine
from tests.linux.wires import addresses
from tests.support.base_ports import amphora_id

T = TypeVar("T")


def on(machine: Machine, number: int, link: str = "eth0") -> set[str]:
    """Return the addresses of a link of an amphora."""
    return apart(addresses, machine.names.amphora(amphora_id(number)), link)


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a thread and wait for it: netlink cannot be used in the event loop's own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work, *arguments).result()
