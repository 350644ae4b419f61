"""The doctor on what a lost or restored database left: an empty one beside old keys, and orphans."""

from hydria.agent.orphans import orphans as listed
from hydria.doctor.finding import Finding, fine, odd
from hydria.errors import HostError
from hydria.settings import Settings


def database(settings: Settings) -> Finding:
    """Look whether a server found an empty database beside the keys of an earlier one."""
    try:
        sentence = settings.database_notice_file.read_text()
    except OSError:
        return fine("database", "nothing odd was noticed")
    mend = "put the earlier database back (hydria down, copy it, hydria up), or adopt what hosts serve: "
    return odd("database", sentence, f"{mend}hydria orphan adopt --all")


def orphans(settings: Settings) -> Finding:
    """Ask the server for what hosts serve and it does not know."""
    try:
        found = listed(settings)
    except HostError:
        return fine("orphans", "not asked: the server is not reached")
    if not found:
        return fine("orphans", "none")
    shown = ", ".join(f"{each['kind']} {each['id']} on {each['host']}" for each in found[:3])
    seen = f"{len(found)} that the server does not know: {shown}{' …' if len(found) > 3 else ''}"
    return odd("orphans", seen, "they serve on; see: hydria orphan list, then: hydria orphan adopt, or remove")
