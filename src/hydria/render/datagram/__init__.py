"""Datagram listeners (UDP, SCTP) as nftables rules: the kernel alone forwards their packets. Pure."""

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
