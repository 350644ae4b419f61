"""What a change of an instance would do on a host: the way, the steps, the lines that differ, what is cut. Pure."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from hydria.contract import Instance
from hydria.model import Listener, Member, Tree
from hydria.model.applied import WAYS, Way
from hydria.model.differences import label
from hydria.model.sentences import Sentence, Value, Words, say
from hydria.render.datagram import ruleset
from hydria.render.haproxy import Rendering, Surroundings, needs_no_haproxy, render
from hydria.render.haproxy.changes import Add, Adjust, Exclude, Include, Remove, Renew, Rotate, Step, steps
from hydria.render.haproxy.configuration import ports
from hydria.render.serving import serving
from hydria.render.text_diff import text_diff
from hydria.render.vip_firewall import render_vip_firewall

# Placeholders of what differs between hosts.
_SURROUNDINGS = Surroundings(directory="/run/hydria/amphorae/AMPHORA", uid=1, gid=1, threads=1, max_connections=1000)
_LINK = "eth0"


class Cut(Struct, frozen=True, kw_only=True):
    """Connections that end with a change: those of a listener, or those of a member behind it."""

    resource: Listener | Member
    reason: Sentence


class Preview(Struct, frozen=True, kw_only=True):
    """What a change would do. `haproxy` and `nftables` are unified diffs, empty where nothing differs."""

    way: Way
    steps: Words
    haproxy: str
    nftables: str
    cut: tuple[Cut, ...] = ()
    troubles: Mapping[str, str] = {}


def preview(before: Instance | None, after: Instance) -> Preview:
    """Return what takes an amphora from one instance to another; `before` is None where there is no amphora yet.

    Each is served as far as it can be. The troubles are those of `after`, by resource id.
    """
    served = serving(after, {}, {})
    wanted, old = served.instance, None if before is None else serving(before, {}, {}).instance
    new_text, old_text = _haproxy(wanted), None if old is None else _haproxy(old)
    new_rules, old_rules = _rules(wanted), "" if old is None else _rules(old)
    way, planned = _haproxy_way(old_text, new_text, _both(wanted.tree if old is None else old.tree, wanted.tree))
    if before is None:
        way, planned = "start", [say("step_make")]
    if new_rules != old_rules:
        way = max(way, "nftables", key=WAYS.index)
        planned.append(say("step_nftables"))
    return Preview(
        way=way,
        steps=tuple(planned),
        haproxy=_diff("haproxy.cfg", _text(old_text), _text(new_text), old, wanted),
        nftables=_diff("nftables", old_rules, new_rules, old, wanted),
        cut=tuple(_ended_flows(old.tree, wanted.tree)) if old is not None else (),
        troubles=served.troubles,
    )


def _haproxy(instance: Instance) -> Rendering | None:
    return None if needs_no_haproxy(instance) else render(instance, _SURROUNDINGS)


def _rules(instance: Instance) -> str:
    flows = ruleset(instance.tree, {}, {}, interfaces=len(instance.interfaces)).text
    guard = instance.interfaces[0].guard
    firewall = "" if guard is None else render_vip_firewall(guard, _LINK, ports(instance))
    return firewall + flows


def _haproxy_way(
    before: Rendering | None, after: Rendering | None, known: Mapping[str, str]
) -> tuple[Way, list[Sentence]]:
    if before is None or after is None:
        if after is not None:
            return "start", [say("step_start")]
        return "nothing", [] if before is None else [say("step_end")]
    planned = steps(before, after)
    if planned is None:
        return "reload", [say("step_reload")]
    return ("runtime" if planned else "nothing"), [each for step in planned for each in _sentences(step, known)]


def _both(before: Tree, after: Tree) -> dict[str, str]:
    """Return what members and pools are called, by id."""
    return {each.id: label(each) or each.id for tree in (before, after) for each in (*tree.members, *tree.pools)}


def _sentences(step: Step, known: Mapping[str, str]) -> Iterator[Sentence]:
    if isinstance(step, Renew | Include | Exclude):
        code = {Renew: "step_renew", Include: "step_include", Exclude: "step_exclude"}[type(step)]
        yield say(code, file=_file(step.path))
        return
    if isinstance(step, Rotate):
        yield say("step_rotate")
        return
    server = step.after if isinstance(step, Adjust) else step.server
    pool = known.get(server.backend.partition(":")[0], "")
    named: dict[str, Value] = {"member": known.get(server.name, server.name), "pool": pool}
    if isinstance(step, Add):
        yield say("step_add", **named)
    elif isinstance(step, Remove):
        yield say("step_remove", **named)
    else:
        if step.before.weight != step.after.weight:
            yield say("step_weight", before=step.before.weight, after=step.after.weight, **named)
        if step.before.enabled != step.after.enabled:
            yield say("step_on" if step.after.enabled else "step_off", **named)


def _file(path: str) -> str:
    return path.rpartition("/")[2]


def _text(rendering: Rendering | None) -> str:
    return "" if rendering is None else rendering.text


def _diff(name: str, before: str, after: str, old: Instance | None, new: Instance) -> str:
    first = 0 if old is None else old.generation
    return text_diff(before, after, (f"{name} (revision {first})", f"{name} (revision {new.generation})"))


def _ended_flows(before: Tree, after: Tree) -> Iterator[Cut]:
    """Yield datagram listeners and members whose flows end; connections of TCP end by themselves."""
    old, new = before.live(), after.live()
    kept = {(each.id, each.protocol_port, each.protocol) for each in new.datagram_listeners}
    for listener in old.datagram_listeners:
        if (listener.id, listener.protocol_port, listener.protocol) not in kept:
            yield Cut(resource=listener, reason=say("cut_listener"))
    members = {each.id: (each.address, each.protocol_port) for each in after.members if each.admin_state_up}
    pools = {pool.id for pool in old.datagram_pools}
    for member in before.members:
        if member.pool_id in pools and members.get(member.id) != (member.address, member.protocol_port):
            yield Cut(resource=member, reason=say("cut_member"))
