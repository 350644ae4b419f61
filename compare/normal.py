"""Makes answers comparable: values that differ between runs (ids, times, addresses of servers) become names."""

import re
from typing import Any

# Ids that cases choose begin with this, and are not replaced.
CHOSEN = "5eed0000"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")
_CHOICES = re.compile(r"(Value should be one of: )(.*)")
# The sort keys of nested lists, whose order is not defined.
_ORDER = ("name", "position", "protocol_port", "address", "type", "value", "id")


class Names:
    """The names of one side's ids in one case: each is the step and the place where the id appeared first."""

    def __init__(self, known: dict[str, str]) -> None:
        """`known` has the names of values from before the case: projects, the server's own address."""
        self._known = dict(known)
        self._given: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self.step = 0

    def plain(self, value: Any, key: str = "", *, top: bool = True) -> Any:
        """Return a body with names instead of ids and times; `key` is its key in the enclosing body."""
        if isinstance(value, dict):
            # Top-level lists (`{"listeners": […]}`) are in the requested order.
            return {name: self.plain(value[name], name, top=top and len(value) <= 2) for name in sorted(value)}
        if isinstance(value, list):
            if key.endswith("_links"):
                value = sorted(value, key=lambda link: str(link.get("rel")))
            items = value if top else sorted(value, key=self._order)
            return [self.plain(item, key, top=False) for item in items]
        return self.text(value, key) if isinstance(value, str) else value

    def text(self, value: str, key: str = "id") -> str:
        """Return a string with names instead of ids; the query arguments of a URL are sorted."""
        if key == "href" and "?" in value:
            address, _, arguments = value.partition("?")
            value = f"{address}?{'&'.join(sorted(arguments.split('&')))}"
        # Octavia lists them in the order of a set.
        value = _CHOICES.sub(lambda match: match[1] + ", ".join(sorted(match[2].split(", "))), value)
        for found, name in self._known.items():
            value = value.replace(found, name)
        value = _UUID.sub(lambda match: self._name(match[0], key), value)
        return _TIME.sub("<time>", value)

    def _name(self, found: str, key: str) -> str:
        if found.startswith((CHOSEN, "00000000")):
            return found
        if found not in self._given:
            kind = f"{key if key.endswith('_id') else 'id'} {self.step}"
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._given[found] = f"<{kind}.{self._counts[kind]}>"
        return self._given[found]

    def _order(self, item: Any) -> str:
        if not isinstance(item, dict):
            return str(item)
        return repr([self._given.get(str(item.get(name)), str(item.get(name))) for name in _ORDER if name in item])


def route_of(method: str, path: str) -> str:
    """Return a request's route: its method, and its path with placeholders for ids."""
    path = path.split("?", maxsplit=1)[0]
    parts = path.strip("/").split("/")
    kept = [_collection(parts, index) or part for index, part in enumerate(parts)]
    return f"{method} /{'/'.join(kept)}"


_WORDS = frozenset({
    "v2", "v2.0", "lbaas", "octavia", "status", "statuses", "stats", "failover", "config", "default", "members",
    "rules", "flavor_capabilities", "availability_zone_capabilities", "healthcheck",
})  # fmt: skip
_COLLECTIONS = frozenset({
    "loadbalancers", "listeners", "pools", "members", "healthmonitors", "l7policies", "rules", "quotas", "providers",
    "flavors", "flavorprofiles", "availabilityzones", "availabilityzoneprofiles", "amphorae",
})  # fmt: skip


def _collection(parts: list[str], index: int) -> str | None:
    if index == 0 or parts[index] in _WORDS or parts[index - 1] not in _COLLECTIONS:
        return None
    return "{project_id}" if parts[index - 1] == "quotas" else "{id}"
