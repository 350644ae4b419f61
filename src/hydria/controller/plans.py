"""The plan of a dry run: what the changes of a transaction would do to a load balancer and its amphorae."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from hydria.contract import Instance, Interface
from hydria.controller.acme import challenges_of
from hydria.controller.interfaces import extra_subnets
from hydria.controller.secrets import referred
from hydria.model import Listener, LoadBalancer, Member, Tree
from hydria.model.differences import State, differences, kind_name, label, state_of, tree_of_state
from hydria.model.sentences import Sentence, said, say
from hydria.protocols import Networking, Secrets
from hydria.render.preview import Cut, preview
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, Traffic, flavor_data, tree, zone_data
from hydria.store.revisions import Bump

_AMPHORA = "00000000-0000-0000-0000-000000000000"


class Planner:
    """Makes plans. It reads what the work of a call has written, before that is rolled back."""

    def __init__(
        self, networking_of: Callable[[Transaction], Networking], secrets_of: Callable[[Transaction], Secrets]
    ) -> None:
        self._networking_of = networking_of
        self._secrets_of = secrets_of

    def __call__(self, transaction: Transaction) -> dict[str, Any] | None:
        """Return the plan of the first load balancer that the transaction changes, or None. A call changes one."""
        for key, bump in transaction.bumps.items():
            load_balancer = transaction.get(LoadBalancer, key)
            if load_balancer is not None:
                return self._plan(transaction, load_balancer, bump)
        return None

    def _plan(self, transaction: Transaction, load_balancer: LoadBalancer, bump: Bump) -> dict[str, Any]:
        before: State = bump.before or {}
        whole = tree(transaction, load_balancer)
        deleted = load_balancer.deleted_in is not None
        after = {} if deleted else state_of(whole)
        plan = {
            "loadbalancer_id": load_balancer.id,
            "revision": load_balancer.generation,
            "changes": msgspec.to_builtins(differences(before, after)),
        }
        if deleted:
            return plan | _removal(before, _open_connections(transaction, load_balancer.id))
        old = self._instance(transaction, tree_of_state(before), bump.first - 1) if before else None
        new = self._instance(transaction, whole, load_balancer.generation)
        found = preview(old, new)
        plan |= {"way": found.way, "haproxy": found.haproxy, "nftables": found.nftables}
        counts, steps = _open_connections(transaction, load_balancer.id), found.steps
        troubles = (f"{kind_name(after[key])} {label(after[key])}: {why}" for key, why in found.troubles.items())
        notes = [*(say("told", text=text) for text in troubles), *_notes(old, new)]
        if _replaces(transaction, load_balancer.id):
            plan["way"] = "start"
            steps = (say("step_new_amphora"), say("step_move"), say("step_old_amphora"))
            notes.append(say("note_drain"))
        return plan | _said(steps, notes) | {"cut": [_cut(each, counts) for each in found.cut]}

    def _instance(self, transaction: Transaction, whole: Tree, generation: int) -> Instance:
        """Return an instance as an amphora of the load balancer would get it, without its ports."""
        networking, load_balancer = self._networking_of(transaction), whole.load_balancer
        groups = load_balancer.vip_sg_ids
        first = Interface(
            port_id=load_balancer.vip_port_id,
            network_id=load_balancer.vip_network_id,
            mac="",
            guard=networking.guard(groups) if groups else None,
        )
        others = [
            Interface(port_id=subnet_id, network_id=subnet_id, mac="")
            for subnet_id in extra_subnets(load_balancer, (member.subnet_id for member in whole.members))
        ]
        secrets, lost = referred(self._secrets_of(transaction), whole)
        return Instance(
            amphora_id=_AMPHORA,
            generation=generation,
            tree=whole,
            interfaces=(first, *others),
            flavor=flavor_data(transaction, load_balancer.flavor_id),
            zone=zone_data(transaction, load_balancer.availability_zone),
            secrets=secrets,
            lost=lost,
            challenges=challenges_of(transaction, whole),
        )


def _removal(before: State, connections: Mapping[str, int]) -> dict[str, Any]:
    """Return the plan of a deletion."""
    cut = [
        _cut(Cut(resource=each, reason=say("cut_load_balancer")), connections)
        for each in before.values()
        if isinstance(each, Listener)
    ]
    steps = (say("step_removal"), say("step_ports"))
    return {"way": "remove", "haproxy": "", "nftables": "", "cut": cut, **_said(steps, ())}


def _said(steps: Sequence[Sentence], notes: Sequence[Sentence]) -> dict[str, Any]:
    """Return steps and notes as English texts, and beside them as codes with their values."""
    return {
        "steps": list(map(str, steps)),
        "step_words": [said((each,))["words"] for each in steps],
        "notes": list(map(str, notes)),
        "note_words": [said((each,))["words"] for each in notes],
    }


def _notes(old: Instance | None, new: Instance) -> list[Sentence]:
    before = {each.port_id for each in old.interfaces} if old is not None else set()
    there = {new.interfaces[0].port_id}
    notes = [say("note_port", subnet=each.port_id) for each in new.interfaces if each.port_id not in before | there]
    if old is not None and structs.replace(old.interfaces[0], guard=None) != structs.replace(
        new.interfaces[0], guard=None
    ):
        notes.append(say("note_vip"))
    return notes


def _cut(cut: Cut, connections: Mapping[str, int]) -> dict[str, Any]:
    resource = cut.resource
    return {
        "resource": kind_name(resource),
        "id": resource.id,
        "name": label(resource),
        "connections": None if isinstance(resource, Member) else connections.get(resource.id),
        "reason": str(cut.reason),
        "words": said((cut.reason,))["words"],
    }


def _open_connections(transaction: Transaction, load_balancer_id: str) -> Counter[str]:
    """Return the open connections of each listener, as the hosts reported them last."""
    found: Counter[str] = Counter()
    for each in transaction.find(Traffic, columns(Traffic).load_balancer_id == load_balancer_id):
        found[each.listener_id] += each.counters.active_connections
    return found


def _replaces(transaction: Transaction, load_balancer_id: str) -> bool:
    """Return whether the call has amphorae replaced."""
    c = columns(Amphora)
    return bool(transaction.find(Amphora, c.load_balancer_id == load_balancer_id, c.replacing == "waiting"))
