"""From POST to the first 200 through the VIP, in turn with the same made by hand."""

import time
from collections.abc import Iterator

from byhand import ByHand
from figures import Aim, Figure, figure
from probe import first_answer
from stand import Stand

PART = "create"


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Create load balancers one after the other, each followed by one floor."""
    model = stand.whole_load_balancer("model")
    first_answer(stand.client, model["vip_address"])
    stand.settle(1)
    by_hand = ByHand(stand, model["vip_address"], stand.configuration(model["vip_address"]))
    ours, theirs, answers = [], [], []
    for number in range(5 if quick else 50):
        for turn in (0, 1) if number % 2 else (1, 0):
            if turn:
                answer, served = _create(stand, f"create-{number}")
                answers.append(answer)
                ours.append(served)
            else:
                with by_hand.running() as made:
                    theirs.append(1000 * (first_answer(stand.client, made.address) - made.begun))
    stand.delete(model["id"])
    yield figure(PART, "POST to its answer", "ms", answers)
    yield figure(
        PART,
        "POST to the first 200 through the VIP",
        "ms",
        ours,
        floor=theirs,
        aims=[Aim(most=2, ratio=True), Aim(most=200)],
        note="One call: load balancer, listener, pool, two members. The floor: ip netns, ip link, haproxy -D.",
    )


def _create(stand: Stand, name: str) -> tuple[float, float]:
    """Return the milliseconds from POST to its answer and to the first 200."""
    begun = time.perf_counter()
    made = stand.whole_load_balancer(name)
    answered = time.perf_counter()
    served = first_answer(stand.client, made["vip_address"])
    stand.settle(2)
    stand.delete(made["id"])
    return 1000 * (answered - begun), 1000 * (served - begun)
