"""The sentences of explanations and plans. Each has a code, by which a front end can word it in another language. Pure.

The API has both: the English text, and the codes with their values. A code is never given another meaning.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Union

from msgspec import Struct

# A value of a sentence: a name, a number, or a few words that have a code of their own.
Value = Union[str, int, "Sentence"]

SENTENCES: Mapping[str, str] = {
    # Why a load balancer is as it is.
    "not_served": "Revision {revision} is not served: {reason}",
    "deleting": "The deletion is being carried out.",
    "changing": "Revision {revision} is being carried out.",
    "switched_off": "It is switched off.",
    "served": "Every amphora serves revision {revision}.",
    "member_fails": "Member {member} does not pass its checks ({failing} of {all} members):",
    "members_fail": "{failing} of {all} members do not pass their checks, {member} among them:",
    "served_in_part": "Some of it is not served as configured.",
    "no_host": "No host has an amphora of it yet.",
    "removal_unreported": "{host} has not reported yet that it removed its amphora.",
    "revision_unreported": "{host} serves revision {served} and has not reported revision {revision} yet.",
    "first_unreported": "{host} serves nothing and has not reported revision {revision} yet.",
    # What another service says, which is only English.
    "told": "{text}",
    "host": "Host {name}",
    "some_host": "The host of an amphora",
    "check_fails": "The check fails.",
    "check_fails_by": "The check fails: {text}.",
    "check_of_host_fails": "The check of host {host} fails.",
    "check_of_host_fails_by": "The check of host {host} fails: {text}.",
    "status_unexpected": "it answers with status {code} instead of {expected}",
    "flows_lost": "Some of its flows do not reach it.",
    "failure_over": "Revision {revision} failed once, and is served now: {reason}",
    "acme_ordering": "The certificate of {names} is being ordered; until then clients get a self-signed one.",
    "acme_issued": "The certificate of {names} is valid until {until}, and is renewed at {next}.",
    "acme_failed": "The last order of a certificate of {names} failed, and is tried again at {next}: {reason}",
    "acme_kept": "The present one is valid until {until}.",
    # Where a request would go: the listener.
    "no_listener": "There is no listener at port {port} ({kind}).",
    "listener_off": "The listener is switched off, so nothing answers at port {port}.",
    "load_balancer_off": "The load balancer is switched off, so nothing answers at port {port}.",
    "source_denied": "The source {source} is in none of the listener's allowed CIDRs.",
    "scheme_unknown": "A listener of {protocol} does not understand {scheme}.",
    "metrics": "The listener answers with metrics.",
    # TLS between the client and the listener.
    "sni_exact": "Its certificate {reference} has the server name {sni}.",
    "sni_wildcard": "Its certificate {reference} has a wildcard that fits the server name {sni}.",
    "sni_default": "No certificate has the server name {sni}, so the client gets the default one, {reference}.",
    "client_certificate_missing": "The TLS handshake fails, because the listener demands a client's certificate.",
    "client_certificate_refused": "The TLS handshake fails, because the client's certificate {reason} ({result}).",
    "client_certificate_accepted": "The client's certificate is accepted.",
    "client_certificate_unasked": "The listener asks for no client's certificate.",
    "no_crl": "has an issuer without a revocation list",
    "not_yet_valid": "is not valid yet",
    "expired": "is expired",
    "self_signed": "is self-signed",
    "unknown_issuer": "is not from the listener's authority",
    "revoked": "is revoked",
    "not_verified": "cannot be verified",
    # The policies and their rules.
    "policy_off": "It is switched off.",
    "policy_empty": "It has no rule that is switched on, so it matches nothing.",
    "rule_matches": "Its rule matches.",
    "rules_match": "All of its rules match.",
    "rule_fails": "{failing} of its {all} rules does not match.",
    "rules_fail": "{failing} of its {all} rules do not match.",
    "inverted": "The rule is inverted.",
    "certificate_shown": "The client has a certificate.",
    "certificate_missing": "The client has no certificate.",
    "verified": "The result of verifying the certificate is {result}.",
    "verified_not": "The result of verifying the certificate is {result}, not {wanted}.",
    "no_tls": "There is no TLS.",
    "absent": "The request has no {subject}.",
    "equals": "The {subject} {shown} equals {value}.",
    "starts_with": "The {subject} {shown} starts with {value}.",
    "ends_with": "The {subject} {shown} ends with {value}.",
    "contains": "The {subject} {shown} contains {value}.",
    "matches": "The {subject} {shown} matches the expression {value}.",
    "equals_not": "The {subject} {shown} does not equal {value}.",
    "starts_not": "The {subject} {shown} does not start with {value}.",
    "ends_not": "The {subject} {shown} does not end with {value}.",
    "contains_not": "The {subject} {shown} does not contain {value}.",
    "matches_not": "The {subject} {shown} does not match the expression {value}.",
    "host_name": "host name",
    "path": "path",
    "file_type": "file type",
    "header": "header {name}",
    "cookie": "cookie {name}",
    "certificate_field": "certificate's field {name}",
    "policy_rejects": "Policy {policy} (position {position}) rejects it.",
    "policy_redirects": "Policy {policy} (position {position}) redirects it to {location}.",
    "policy_decides": "Policy {policy} (position {position}) decides.",
    "default_decides": "The default pool decides.",
    "no_policy_matches": "No policy matches, so the default pool decides.",
    # The pool and its members.
    "default_off": "The default pool is switched off.",
    "default_missing": "The listener has no default pool.",
    "pool_empty": "Pool {pool} has no member that takes requests.",
    "to_pool": "It goes to pool {pool}, where {members} could take it.",
    "to_pool_with_more": "It goes to pool {pool}, where {members} and {more} more could take it.",
    "member_takes": "It is up, and has weight {weight} of {total}.",
    "member_backup": "It is a backup member, and others are up.",
    "member_off": "It is switched off.",
    "member_drained": "Its weight is 0, so it keeps its clients and gets no new ones.",
    "member_down": "Its checks fail.",
    # What a change would do, step by step.
    "step_make": "make an amphora on a host, and start HAProxy if a listener needs it",
    "step_reload": (
        "start a new process of HAProxy, which takes the listeners over; the old one ends with its last connection, at "
        "the latest when the listener's timeouts end it"
    ),
    "step_start": "start HAProxy",
    "step_end": "let HAProxy end with its last connection",
    "step_nftables": "load the nftables rules in one transaction",
    "step_renew": "replace a certificate ({file})",
    "step_include": "add a certificate ({file})",
    "step_exclude": "remove a certificate ({file})",
    "step_rotate": "replace the oldest key of TLS session tickets",
    "step_add": "add member {member} of pool {pool}",
    "step_remove": "disable member {member} of pool {pool}, and remove it with its last connection",
    "step_weight": "member {member} of pool {pool}: set its weight from {before} to {after}",
    "step_on": "member {member} of pool {pool}: set it on",
    "step_off": "member {member} of pool {pool}: set it off",
    "step_new_amphora": "make a new amphora",
    "step_move": "move the VIPs to it",
    "step_old_amphora": "remove the old one with its last connection",
    "step_removal": "remove the amphorae from their hosts",
    "step_ports": "delete the ports that Hydria made",
    # What a change would cut, and what a plan cannot know.
    "cut_listener": "The listener is not served any more, so its flows end.",
    "cut_member": "The member gets no traffic any more, so its flows end.",
    "cut_load_balancer": "The load balancer is deleted, and its amphorae with it.",
    "note_drain": "Open connections go on at the old amphora until failover.drain_seconds have passed.",
    "note_port": "The amphorae get a port on subnet {subnet}, with an address of its own.",
    "note_vip": "The VIP's port changes.",
    "kept_by_address": "A client's address keeps it with its member.",
    "kept_by_cookie": "A cookie of the load balancer (SRV) keeps a client with its member.",
    "kept_by_own_cookie": "The members' cookie {cookie} keeps a client with its member.",
}


class Sentence(Struct, frozen=True):
    """A sentence, or a few words, of `SENTENCES` with the values to fill in."""

    code: str
    values: dict[str, Value] = {}

    def __str__(self) -> str:
        return SENTENCES[self.code].format_map(self.values)


# Several sentences in their order.
Words = tuple[Sentence, ...]


def say(code: str, /, **values: Value) -> Sentence:
    """Return a sentence of `SENTENCES`."""
    return Sentence(code, values)


def said(words: Iterable[Sentence]) -> dict[str, Any]:
    """Return sentences as the API has them: `sentence`, the English text, and `words`, the codes with their values."""
    words = tuple(words)
    return {"sentence": " ".join(map(str, words)), "words": [_coded(each) for each in words]}


def _coded(sentence: Sentence) -> dict[str, Any]:
    values = {key: _coded(value) if isinstance(value, Sentence) else value for key, value in sentence.values.items()}
    return {"code": sentence.code, "values": values}
