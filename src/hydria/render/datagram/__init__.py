"""Listeners of datagrams (UDP, SCTP) as nftables rules: packets are sent on by the kernel alone. Pure."""

from hydria.render.datagram.ruleset import (
    BACK,
    BRIEF,
    TABLE,
    End,
    Named,
    Ruleset,
    counts_flows,
    ruleset,
    transaction,
)

__all__ = [
    "BACK",
    "BRIEF",
    "TABLE",
    "End",
    "Named",
    "Ruleset",
    "counts_flows",
    "ruleset",
    "transaction",
]
