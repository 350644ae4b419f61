"""The cost of a hundred idle load balancers: memory of each, of server and agent, and processor time of all."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.progress import track

from figures import Aim, Figure, figure
from stand import Stand

PART = "standing"
_ROLES = {"server": b"server", "agent": b"agent", "supervisor": b"up"}


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Create the load balancers, leave them idle, and read the processes' numbers."""
    count = 10 if quick else 100
    yield from _programs(role_pids(stand), "with none")
    made = [
        stand.whole_load_balancer(f"idle-{number}")["id"] for number in track(range(count), "making", transient=True)
    ]
    stand.settle(count)
    roles, all_proxies = role_pids(stand), proxies(stand)
    if len(all_proxies) != count:
        raise RuntimeError(f"{len(all_proxies)} HAProxies run for {count} load balancers")
    yield figure(
        PART,
        "memory of one idle load balancer (PSS)",
        "MB",
        [pss(pid) for pid in all_proxies],
        aims=[Aim(most=8)],
        note="One HAProxy each; the namespace is the kernel's.",
    )
    yield from _programs(roles, f"with {count}")
    # Work that their creation left must be finished.
    time.sleep(1 if quick else 5)
    seconds = 5 if quick else 30
    share = processor_shares([*roles.values(), *all_proxies], seconds)
    yield figure(
        PART,
        f"idle processor time of the whole, {count} load balancers",
        "% of a core",
        [sum(share.values())],
        aims=[Aim(most=3)],
        note=f"Over {seconds} s, from /proc/PID/task/*/schedstat.",
    )
    for role, pid in roles.items():
        yield figure(PART, f"  of it the {role}", "% of a core", [share[pid]])
    yield figure(PART, "  of it all HAProxies", "% of a core", [sum(share[pid] for pid in all_proxies)])
    for key in made:
        stand.delete(key, wait=False)
    stand.settle(0)


def _programs(roles: Mapping[str, int], when: str) -> Iterator[Figure]:
    memory = {role: pss(pid) for role, pid in roles.items()}
    for role, megabytes in memory.items():
        yield figure(PART, f"memory of the {role}, {when} (PSS)", "MB", [megabytes])
    aims = [Aim(most=200)]
    yield figure(PART, f"memory of server and agent, {when}", "MB", [memory["server"] + memory["agent"]], aims=aims)


def role_pids(stand: Stand) -> dict[str, int]:
    """Return the process ids of the programs by role."""
    marker = str(stand.directory / "hydria.toml").encode()
    found: dict[str, int] = {}
    for pid, words in _processes():
        if marker in words:
            found |= {role: pid for role, word in _ROLES.items() if word in words}
    return found


def proxies(stand: Stand) -> list[int]:
    """Return the process ids of all HAProxies."""
    beginning = str(stand.directory / "run" / "amphorae").encode()
    return [pid for pid, words in _processes() if any(word.startswith(beginning) for word in words)]


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue


def pss(pid: int) -> float:
    """Return a process's proportional set size in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the kernel tells no PSS")


def processor_shares(pids: list[int], seconds: float) -> dict[int, float]:
    """Return the processor time of each process during the next seconds (% of a core)."""
    before, begun = processor_times(pids), time.perf_counter()
    time.sleep(seconds)
    after, passed = processor_times(pids), time.perf_counter() - begun
    return {pid: 100 * (after[pid] - before[pid]) / passed for pid in pids}


def processor_times(pids: list[int]) -> dict[int, float]:
    """Return the processor time of each process (seconds)."""
    return {
        pid: sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
        for pid in pids
    }
