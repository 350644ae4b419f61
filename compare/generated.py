"""Random requests, reproducible by a seed, and mostly almost valid, so that they pass the first checks."""

import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from compare.attributes import KINDS
from compare.talk import NOTHING, Talk

_STEPS = 25
_QUERIES = {
    "sort": ("name", "name:desc", "id,name", "created_at", "nothing", "admin_state_up:asc,name"),
    "limit": ("1", "2", "0", "x", "1000"),
    "fields": ("name", "id", "nothing"),
    "name": ("a", "b", ""),
    "admin_state_up": ("true", "false", "1"),
    "provisioning_status": ("ACTIVE", "nothing"),
    "operating_status": ("OFFLINE", "ONLINE"),
    "tags": ("a", "a,b"),
    "not-tags": ("a",),
    "page_reverse": ("true", "false"),
    "marker": (NOTHING,),
}


def generated(seed: int, rounds: int) -> Iterator[tuple[str, Callable[[Talk], None]]]:
    """Return `rounds` cases."""
    for number in range(rounds):
        yield f"generated {seed}.{number}", _case(f"{seed}.{number}")


def _case(seed: str) -> Callable[[Talk], None]:
    def case(talk: Talk) -> None:
        # Only ids depend on the answers, so both sides get the same requests.
        dice = random.Random(seed)  # noqa: S311 - not a secret
        lb = talk.lb(name="a")
        listener = talk.listener(lb, name="a")
        pool = talk.pool(loadbalancer_id=lb, name="a")
        policy = talk.policy(listener)
        ids = {
            "LB": lb,
            "LISTENER": listener,
            "POOL": pool,
            "POLICY": policy,
            "SUBNET": "5eed0000-0000-4000-8000-000000000001",
        }
        made: dict[str, list[str]] = {}
        for _ in range(_STEPS):
            root = dice.choice([each for each in KINDS if each != "quota"])
            verb = dice.choice(("POST", "POST", "PUT", "PUT", "GET", "DELETE"))
            _step(talk, dice, root, verb, ids, made)

    return case


def _step(
    talk: Talk, dice: random.Random, root: str, verb: str, ids: dict[str, str], made: dict[str, list[str]]
) -> None:
    path, attributes, minimal = KINDS[root]
    where = "/".join(ids.get(part, part) for part in path.split("/"))
    chosen = {name: dice.choice(attributes[name]) for name in dice.sample(sorted(attributes), dice.randint(1, 3))}
    pick = dice.random()
    ours = made.get(root) or [NOTHING]
    one = f"{where}/{ours[int(pick * len(ours))]}"
    if verb == "GET":
        names = dice.sample(sorted(_QUERIES), dice.randint(0, 3))
        query = urlencode([(name, dice.choice(_QUERIES[name])) for name in names])
        # Without a sort key the order is that of ids, which differ between the sides.
        order = "" if "sort" in names else "&sort=name"
        talk.get(f"{where}?{query}{order}" if dice.random() < 0.7 and root != "rule" else one)
    elif verb == "POST":
        body: dict[str, Any] = {key: ids.get(str(value), value) for key, value in minimal.items()}
        if "protocol_port" in body:
            body["protocol_port"] = dice.randint(1000, 60000)
        answer = talk.send("POST", where, {root: {**body, **chosen}}, about=f"generated {root}")
        key = _key(answer.body, root)
        if key:
            made.setdefault(root, []).append(key)
    elif verb == "PUT":
        talk.send("PUT", one, {root: chosen}, about=f"generated {root}")
    else:
        talk.send("DELETE", one)


def _key(body: Any, root: str) -> str | None:
    made = body.get(root) if isinstance(body, dict) else None
    return made.get("id") if isinstance(made, dict) else None
