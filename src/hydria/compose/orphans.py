"""`hydria orphan`: list, adopt or remove what hosts serve and the server does not know."""

from collections.abc import Iterator, Sequence

from hydria.agent.commands import mend, orphans
from hydria.compose.fresh import forget_notice
from hydria.errors import HostError, HydriaError
from hydria.settings import Settings


def perform(settings: Settings, action: str, ids: Sequence[str], *, everything: bool) -> Iterator[str]:
    """Perform an action; yield lines that say what was done. Raises HydriaError."""
    found = orphans(settings)
    if action == "list":
        yield from (_line(orphan) for orphan in found) if found else ("There are no orphans.",)
        return
    if action not in ("adopt", "remove"):
        raise HydriaError(f"There is no action {action!r}. Use: hydria orphan list, adopt or remove")
    if bool(ids) == everything:
        raise HydriaError(f"Name orphans or give --all: hydria orphan {action} ID, or: hydria orphan {action} --all")
    failed = []
    for key in [orphan["id"] for orphan in found] if everything else ids:
        try:
            missing = mend(settings, key, action)
        except HostError as error:
            if everything and key not in {orphan["id"] for orphan in orphans(settings)}:
                # It became known with another one.
                continue
            failed.append(key)
            yield f"{key}: {error}"
            continue
        yield f"{key} is adopted." if action == "adopt" else f"{key} is being removed from its host."
        yield from (f"  not restored: {sentence}" for sentence in missing)
    if failed:
        raise HydriaError(f"{len(failed)} orphans were left as they are.")
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
