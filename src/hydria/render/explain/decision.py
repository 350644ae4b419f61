"""What happens to a request: the listener, the policies in HAProxy's order, the pool and its members. Pure."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Literal

from msgspec import Struct, structs

from hydria.model import L7Policy, Listener, Member, Pool, Tree
from hydria.model.fields import DATAGRAM
from hydria.model.references import has_certificates
from hydria.model.sentences import Sentence, Value, Words, say
from hydria.model.status import OperatingStatus
from hydria.render.explain.request import Request
from hydria.render.explain.rules import PolicyResult, judge_policy
from hydria.render.explain.tls import ListenerTls, refused, shown
from hydria.render.haproxy.l7 import in_order

Outcome = Literal[
    "pool",
    "redirect",
    "reject",
    "no_member",
    "no_pool",
    "refused",
    "denied",
    "wrong_protocol",
    "handshake",
    "metrics",
]

# The schemes that each protocol of a listener understands.
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "HTTP": ("http",),
    "PROMETHEUS": ("http",),
    "TERMINATED_HTTPS": ("https",),
    "HTTPS": ("https", "tcp"),
    "TCP": ("http", "https", "tcp"),
    "UDP": ("udp",),
    "SCTP": ("sctp",),
}


class MemberResult(Struct, frozen=True, kw_only=True):
    """A member of the pool, whether it would take new requests, and why."""

    member: Member
    status: OperatingStatus
    takes: bool
    sentence: Sentence


class Explanation(Struct, frozen=True, kw_only=True):
    """What happens to a request, and why. `decides` is the id of the policy that decides, if one does.

    `certificate` is the reference of the certificate that the client gets, and `tls` says why, and what becomes of the
    client's own.
    """

    outcome: Outcome
    words: Words
    status: int | None = None
    location: str | None = None
    listener: Listener | None = None
    policies: tuple[PolicyResult, ...] = ()
    decides: str | None = None
    pool: Pool | None = None
    members: tuple[MemberResult, ...] = ()
    certificate: str | None = None
    tls: Words = ()
    notes: tuple[str, ...] = ()


def explain(
    tree: Tree,
    request: Request,
    statuses: Mapping[str, OperatingStatus],
    *,
    normalise: bool = False,
    tls: ListenerTls | None = None,
) -> Explanation:
    """Explain a request.

    `statuses` are the members' by id, and `normalise` is the flavor's for paths. `tls` are the certificates of the
    listener at the request's port, where they are known.
    """
    listener, refusal = _listener(tree, request)
    if listener is None or refusal is not None:
        return refusal or _refused(request)
    if not has_certificates(listener):
        return _decided(tree, listener, request, statuses, normalise=normalise)
    found = shown(tls.offered, request.sni or "") if tls is not None else None
    request, failure, words = _client(listener, request)
    if failure is not None:
        done = Explanation(outcome="handshake", words=(failure,), listener=listener)
    else:
        done = _decided(tree, listener, request, statuses, normalise=normalise)
    said = (*(() if found is None else (found.sentence,)), *words)
    return structs.replace(done, certificate=None if found is None else found.reference, tls=said)


def _client(listener: Listener, request: Request) -> tuple[Request, Sentence | None, Words]:
    """Return the request as policies see it, why the handshake fails if it does, and what else there is to say."""
    asks = listener.client_authentication in ("OPTIONAL", "MANDATORY")
    if request.certificate is None:
        missing = listener.client_authentication == "MANDATORY"
        return request, say("client_certificate_missing") if missing else None, ()
    if not asks:
        unasked = structs.replace(request, certificate=None, verify_result=0)
        return unasked, None, (say("client_certificate_unasked"),)
    if request.verify_result != 0:
        return request, refused(request.verify_result), ()
    return request, None, (say("client_certificate_accepted"),)


def _decided(
    tree: Tree, listener: Listener, request: Request, statuses: Mapping[str, OperatingStatus], *, normalise: bool
) -> Explanation:
    """Return what a listener does with a request that it understands."""
    if listener.protocol == "PROMETHEUS":
        return Explanation(outcome="metrics", words=(say("metrics"),), listener=listener)
    policies: tuple[PolicyResult, ...] = ()
    if listener.protocol in ("HTTP", "TERMINATED_HTTPS"):
        ordered = in_order(tree.policies_of(listener.id))
        policies = tuple(judge_policy(tree, each, request, normalise=normalise) for each in ordered)
    for each in policies:
        if each.matched and (done := _by_policy(tree, each.policy, request, statuses)) is not None:
            return structs.replace(done, listener=listener, policies=policies, decides=each.policy.id)
    matches = say("no_policy_matches" if policies else "default_decides")
    pool = tree.active_pool(listener.default_pool_id)
    done = _to_pool(tree, pool, statuses, listener, matches)
    # Only HTTP has a status for it; other connections are closed.
    status = done.status if listener.protocol in ("HTTP", "TERMINATED_HTTPS") else None
    return structs.replace(done, listener=listener, policies=policies, status=status)


def _listener(tree: Tree, request: Request) -> tuple[Listener | None, Explanation | None]:
    """Return the listener at the request's port, and what happens where it does not get as far as its policies."""
    datagram = request.scheme in ("udp", "sctp")
    at_port = [each for each in tree.listeners if each.protocol_port == request.port]
    found = [each for each in at_port if (each.protocol in DATAGRAM) == datagram]
    if request.scheme in ("udp", "sctp"):
        found = [each for each in found if request.scheme in _SCHEMES.get(each.protocol, ())]
    if not found:
        return None, None
    listener = found[0]
    if listener not in tree.live().listeners:
        code = "listener_off" if tree.load_balancer.admin_state_up else "load_balancer_off"
        return listener, Explanation(outcome="refused", words=(say(code, port=request.port),), listener=listener)
    if listener.allowed_cidrs and request.source is not None and not _allowed(listener.allowed_cidrs, request.source):
        denied = say("source_denied", source=request.source)
        return listener, Explanation(outcome="denied", words=(denied,), listener=listener)
    if request.scheme not in _SCHEMES.get(listener.protocol, (request.scheme,)):
        unknown = say("scheme_unknown", protocol=listener.protocol, scheme=request.scheme)
        return listener, Explanation(outcome="wrong_protocol", words=(unknown,), listener=listener)
    return listener, None


def _refused(request: Request) -> Explanation:
    kind = request.scheme if request.scheme in ("udp", "sctp") else "tcp"
    return Explanation(outcome="refused", words=(say("no_listener", port=request.port, kind=kind),))


def _allowed(cidrs: Sequence[str], source: str) -> bool:
    address = ip_address(source)
    return any(address in ip_network(cidr, strict=False) for cidr in cidrs)


def _by_policy(
    tree: Tree, policy: L7Policy, request: Request, statuses: Mapping[str, OperatingStatus]
) -> Explanation | None:
    """Return what a policy that matches does; None where it sends to a pool that is switched off."""
    named: dict[str, Value] = {"policy": policy.name or policy.id, "position": policy.position}
    if policy.action == "REJECT":
        return Explanation(outcome="reject", status=403, words=(say("policy_rejects", **named),))
    if policy.action == "REDIRECT_TO_POOL":
        pool = tree.active_pool(policy.redirect_pool_id)
        return None if pool is None else _to_pool(tree, pool, statuses, None, say("policy_decides", **named))
    location = policy.redirect_url or "/"
    if policy.action == "REDIRECT_PREFIX":
        prefix = policy.redirect_prefix or "/"
        location = request.path if prefix == "/" else prefix + request.path
    return Explanation(
        outcome="redirect",
        status=policy.redirect_http_code or 302,
        location=location,
        words=(say("policy_redirects", location=location, **named),),
    )


def _to_pool(
    tree: Tree, pool: Pool | None, statuses: Mapping[str, OperatingStatus], listener: Listener | None, why: Sentence
) -> Explanation:
    if pool is None:
        off = listener is not None and listener.default_pool_id is not None
        return Explanation(outcome="no_pool", status=503, words=(why, say("default_off" if off else "default_missing")))
    members = _members(tree.members_of(pool.id), statuses)
    taking = [each for each in members if each.takes]
    name = pool.name or pool.id
    if not taking:
        words = (why, say("pool_empty", pool=name))
        return Explanation(outcome="no_member", status=503, words=words, pool=pool, members=members)
    ends = ", ".join(f"{each.member.address}:{each.member.protocol_port}" for each in taking[:3])
    target = say("to_pool", pool=name, members=ends)
    if len(taking) > 3:
        target = say("to_pool_with_more", pool=name, members=ends, more=len(taking) - 3)
    return Explanation(outcome="pool", words=(why, target), pool=pool, members=members)


def _members(members: Sequence[Member], statuses: Mapping[str, OperatingStatus]) -> tuple[MemberResult, ...]:
    usable = {each.id for each in members if _unusable(each, statuses) is None}
    regular = [each for each in members if each.id in usable and not each.backup]
    pending = bool(regular)
    # All backup members together take over where no other one is left.
    taking = regular if pending else [each for each in members if each.id in usable]
    total = sum(each.weight for each in taking)
    found = []
    for each in members:
        status = statuses.get(each.id, "OFFLINE")
        reason = _unusable(each, statuses)
        if reason is None and each.backup and pending:
            reason = say("member_backup")
        sentence = reason or say("member_takes", weight=each.weight, total=total)
        found.append(MemberResult(member=each, status=status, takes=reason is None, sentence=sentence))
    return tuple(found)


def _unusable(member: Member, statuses: Mapping[str, OperatingStatus]) -> Sentence | None:
    """Return why a member gets no new requests, or None."""
    if not member.admin_state_up:
        return say("member_off")
    if member.weight == 0:
        return say("member_drained")
    if statuses.get(member.id) == "ERROR":
        return say("member_down")
    return None
