"""A database that is made anew beside what an earlier one left: worth a loud word, as hosts may serve what it had."""

import json
import uuid
from pathlib import Path

import structlog

from hydria.files import write_private
from hydria.homecloud import network
from hydria.settings import Settings
from hydria.store import Database

log = structlog.get_logger(__name__)

_KEYS = ("token.key", "secrets.key")


def notice_fresh_database(settings: Settings, database: Database) -> None:
    """Say so when the database is empty and the keys of an earlier one are there. Call it before the first things."""
    keys = [name for name in _KEYS if (settings.state_dir / name).exists()]
    if not keys or not database.read(network.is_empty):
        return
    sentence = (
        f"The database {settings.database_url.rpartition('@')[2]} is empty, but {' and '.join(keys)} in "
        f"{settings.state_dir} are of an earlier one."
    )
    log.error("database_is_new", reason=sentence, mend="put the earlier database back, or: hydria orphan adopt --all")
    settings.database_notice_file.write_text(sentence)


def forget_notice(settings: Settings) -> None:
    """Take the new database for the right one."""
    settings.database_notice_file.unlink(missing_ok=True)


def external_ids(settings: Settings) -> tuple[str, str]:
    """Return the ids of the external network and its subnet, which a new database has again.

    So floating IPs of the earlier database stay on the bridge that the machine's own link is on.
    """
    try:
        network_id, subnet_id = json.loads(_file(settings).read_text())
        return str(uuid.UUID(network_id)), str(uuid.UUID(subnet_id))
    except (OSError, ValueError, TypeError, AttributeError):
        return str(uuid.uuid4()), str(uuid.uuid4())


def keep_external_ids(settings: Settings, ids: tuple[str, str] | None) -> None:
    """Write down the ids of the external network."""
    if ids is not None and external_ids(settings) != ids:
        write_private(_file(settings), json.dumps(ids).encode())


def _file(settings: Settings) -> Path:
    return settings.state_dir / "external-network.json"
