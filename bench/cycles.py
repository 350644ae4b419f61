"""The memory of server and agent while load balancers come and go: what each cycle leaves behind."""

import time
from collections.abc import Iterator

from figures import Aim, Figure, figure
from memory import pss, role_pids
from stand import LB, MEMBER_PORTS, MEMBERS, Stand

PART = "cycles"
# The agent returns free memory to the kernel every 30 s.
_TRIMMED = 35


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Create a load balancer, add and remove a member, delete it; repeat that."""
    warm_up, count = (5, 10) if quick else (150, 300)
    _repeat(stand, warm_up)
    before = _memory(stand, quick=quick)
    _repeat(stand, count)
    after = _memory(stand, quick=quick)
    for role in ("server", "agent"):
        yield figure(PART, f"memory of the {role} after {warm_up} cycles (PSS)", "MB", [before[role]])
        yield figure(PART, f"memory of the {role} after {warm_up + count} cycles (PSS)", "MB", [after[role]])
        slope = 1000 * (after[role] - before[role]) / count
        note = "Aim: less than a tenth of what the agent once kept of each cycle (9 KB)." if role == "agent" else ""
        aims = [Aim(most=0.9)] if role == "agent" else []
        yield figure(PART, f"growth of the {role}", "KB a cycle", [slope], aims=aims, note=note)


def _repeat(stand: Stand, count: int) -> None:
    for number in range(count):
        balancer = stand.whole_load_balancer(f"cycle-{number}")
        stand.settle(1)
        members = f"{LB}/pools/{balancer['pools'][0]['id']}/members"
        form = {"address": MEMBERS, "protocol_port": MEMBER_PORTS[2], "subnet_id": stand.subnet_id}
        member = stand.rest.call("POST", members, {"member": form})["member"]
        stand.settle(1)
        stand.rest.call("DELETE", f"{members}/{member['id']}")
        stand.settle(1)
        stand.delete(balancer["id"])


def _memory(stand: Stand, *, quick: bool) -> dict[str, float]:
    time.sleep(1 if quick else _TRIMMED)
    return {role: pss(pid) for role, pid in role_pids(stand).items()}
