"""`hydria orphan`: what hosts serve and the server does not know is listed, adopted or removed."""

from collections.abc import Iterator, Sequence

from hydria.agent.orphans import mend, orphans
from hydria.compose.fresh import forget_notice
from hydria.errors import HostError, HydriaError
from hydria.settings import Settings


def perform(settings: Settings, action: str, ids: Sequence[str], *, everything: bool) -> Iterator[str]:
    """Do what was asked and say so line by line. Raises HydriaError."""
    found = orphans(settings)
    if action == "list":
        yield from (_line(each) for each in found) if found else ("There are no orphans.",)
        return
    if action not in ("adopt", "remove"):
        raise HydriaError(f"Orphans are not {action}: hydria orphan list, adopt or remove.")
    if bool(ids) == everything:
        raise HydriaError(f"Name orphans, or all of them: hydria orphan {action} ID, or: hydria orphan {action} --all")
    failed = []
    for key in [each["id"] for each in found] if everything else ids:
        try:
            missing = mend(settings, key, action)
        except HostError as error:
            failed.append(key)
            yield f"{key}: {error}"
            continue
        yield f"{key} is adopted." if action == "adopt" else f"{key} is being removed from its host."
        yield from (f"  not restored: {each}" for each in missing)
    if failed:
        raise HydriaError(f"{len(failed)} of them were left as they are.")
    if everything:
        forget_notice(settings)


def _line(orphan: dict[str, object]) -> str:
    addresses = orphan.get("addresses")
    more = [
        str(orphan[name]) if name == "name" else f"{name.replace('_', ' ')} {orphan[name]}"
        for name in ("name", "load_balancer", "project")
        if orphan.get(name)
    ]
    if isinstance(addresses, list) and addresses:
        more.append(" ".join(map(str, addresses)))
    if orphan["leaving"]:
        more.append("being removed")
    return f"{orphan['id']}  {orphan['kind']} on {orphan['host']}: {', '.join(more) or 'nothing is known of it'}"
