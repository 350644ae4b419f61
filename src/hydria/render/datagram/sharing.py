"""The distribution of new flows: which member each number means that the kernel counts up or hashes. Pure."""

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence

# A turn of more flows than this is in runs, not interleaved.
_LONGEST_TURN = 512
_SHORTEST_CORRECTION = 16

# The number of places of a hash. It is fixed, so that a place changes its member only when that member goes.
PLACES = 512


def turn(weights: Mapping[str, int]) -> list[str]:
    """Return the member of each flow of one turn, in order: each as often as its weight, interleaved evenly.

    Weights are positive. Long turns are in runs: a member gets all its flows one after the other.
    """
    divisor = math.gcd(*weights.values())
    shares = {name: weight // divisor for name, weight in weights.items()}
    total = sum(shares.values())
    if total > _LONGEST_TURN:
        return [name for name, share in shares.items() for _ in range(share)]
    credit = dict.fromkeys(shares, 0)
    order = []
    for _ in range(total):
        for name, share in shares.items():
            credit[name] += share
        chosen = max(credit, key=lambda name: credit[name])
        credit[chosen] -= total
        order.append(chosen)
    return order


def fewest(weights: Mapping[str, int], flows: Mapping[str, int]) -> list[str]:
    """Return the members of the next flows, so that numbers of flows come to follow weights; `flows` are those now.

    Where they do already, within one in ten or two, it is a turn. Otherwise it is as long as there are flows, because
    fewer new ones begin before the next count.
    """
    have = {name: flows.get(name, 0) for name in weights}
    total, weight = sum(have.values()), sum(weights.values())
    fair = {name: total * weights[name] / weight for name in weights}
    if all(abs(have[name] - fair[name]) <= max(2.0, fair[name] / 10) for name in weights):
        return turn(weights)
    order = []
    for _ in range(min(max(total, _SHORTEST_CORRECTION), _LONGEST_TURN)):
        chosen = min(have, key=lambda name: (have[name] + 1) / weights[name])
        have[chosen] += 1
        order.append(chosen)
    return order


def places(weights: Mapping[str, int]) -> list[str]:
    """Return the member of each place of a hash, by highest random weight: only the places of a leaver change.

    Shares follow the (positive) weights at random: two members of equal weight have 256 places each, give or take 11.
    """
    best, holders = [math.inf] * PLACES, [""] * PLACES
    for name, weight in weights.items():
        # A number of 32 bits for each place.
        drawn = struct.unpack(f"<{PLACES}I", hashlib.shake_128(name.encode()).digest(PLACES * 4))
        for place, number in enumerate(drawn):
            distance = -math.log((number + 1) / 2**32) / weight
            if distance < best[place]:
                best[place], holders[place] = distance, name
    return holders


def runs(order: Sequence[str]) -> list[tuple[str, str]]:
    """Return the ranges of places (`3`, `4-7`) with their members, in order."""
    found: list[tuple[str, str]] = []
    begin = 0
    for place in range(1, len(order) + 1):
        if place == len(order) or order[place] != order[begin]:
            found.append((str(begin) if place == begin + 1 else f"{begin}-{place - 1}", order[begin]))
            begin = place
    return found
