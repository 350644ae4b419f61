"""The amphorae that share stick tables: the section of HAProxy's peers, and the numbers of servers in it. Pure."""

import zlib
from collections.abc import Iterable

from hydria.contract import Instance
from hydria.model import Member
from hydria.render.haproxy.parts import Section, endpoint

# The TCP port of the base ports on which HAProxy processes exchange the entries of stick tables, as in Octavia.
PEERS_PORT = 1025

# The name of the section.
PEERS = "siblings"

_NUMBERS = 2**31 - 1


def shares_tables(instance: Instance) -> bool:
    """Say whether the amphora shares stick tables with siblings."""
    return bool(instance.siblings) and bool(instance.interfaces[0].addresses)


def peers_section(instance: Instance) -> Section:
    """Return the section with the amphora and its siblings."""
    ends = {instance.amphora_id: instance.interfaces[0].addresses[0].ip}
    ends |= {each.amphora_id: each.addresses[0] for each in instance.siblings if each.addresses}
    return [f"peers {PEERS}", *(f"peer {name} {endpoint(ip, PEERS_PORT)}" for name, ip in sorted(ends.items()))]


def numbers(members: Iterable[Member]) -> dict[str, int]:
    """Return the numbers of servers in stick tables by member id: the same in all amphorae, whatever their order."""
    found: dict[str, int] = {}
    taken: set[int] = set()
    for member in sorted(members, key=lambda each: each.id):
        number = zlib.crc32(member.id.encode()) % _NUMBERS + 1
        while number in taken:
            number = number % _NUMBERS + 1
        taken.add(number)
        found[member.id] = number
    return found
