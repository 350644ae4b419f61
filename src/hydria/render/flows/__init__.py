"""Listeners of datagrams (UDP, SCTP) as nftables rules: packets are sent on by the kernel alone. Pure."""

from hydria.render.flows.ruleset import TABLE, Named, Ruleset, datagram_pools, ruleset, transaction

__all__ = ["TABLE", "Named", "Ruleset", "datagram_pools", "ruleset", "transaction"]
