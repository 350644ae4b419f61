"""Checks for the traces of a lost or restored database: an empty database with old keys, and orphans."""

from hydria.agent.commands import orphans as listed
from hydria.doctor.finding import Finding, fine, odd
from hydria.errors import HostError
from hydria.settings import Settings


def database(settings: Settings) -> Finding:
    """Check whether a server found an empty database and the keys of an earlier one."""
    try:
        sentence = settings.database_notice_file.read_text()
    except OSError:
        return fine("database", "nothing odd was noticed")
    mend = "restore the earlier database (hydria down, copy it, hydria up), or adopt what hosts serve: "
    return odd("database", sentence, f"{mend}hydria orphan adopt --all")


def orphans(settings: Settings) -> Finding:
    """Ask the server for orphans."""
    try:
        found = listed(settings)
    except HostError:
        return fine("orphans", "not checked: the server cannot be reached")
    if not found:
        return fine("orphans", "none")
    shown = ", ".join(f"{orphan['kind']} {orphan['id']} on {orphan['host']}" for orphan in found[:3])
    seen = f"{len(found)} that the server does not know: {shown}{' …' if len(found) > 3 else ''}"
    return odd("orphans", seen, "they serve on; see: hydria orphan list, then: hydria orphan adopt, or remove")
