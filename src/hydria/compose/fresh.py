"""Notices an empty database when files of an earlier one exist: hosts may still serve what it described."""

import json
import uuid
from pathlib import Path

import structlog

from hydria.files import write_private
from hydria.homecloud import network
from hydria.settings import Settings
from hydria.store import Database, Transaction
from hydria.store.resources import KnownHost

log = structlog.get_logger(__name__)

_KEYS = ("token.key", "secrets.key")


def notice_fresh_database(settings: Settings, database: Database) -> None:
    """Log an error and write a notice when the database is empty but the keys of an earlier one exist.

    Call it before the first rows are written.
    """
    keys = [name for name in _KEYS if (settings.state_dir / name).exists()]
    # Without networks of its own a database that has been used has hosts.
    is_empty = network.is_empty if settings.network.type == "home" else _has_no_hosts
    if not keys or not database.read(is_empty):
        return
    sentence = (
        f"The database {settings.database_url.rpartition('@')[2]} is empty, but {' and '.join(keys)} in "
        f"{settings.state_dir} belong to an earlier one."
    )
    log.error("database_is_new", reason=sentence, mend="restore the earlier database, or: hydria orphan adopt --all")
    settings.database_notice_file.write_text(sentence)


def _has_no_hosts(transaction: Transaction) -> bool:
    return not transaction.find(KnownHost)


def forget_notice(settings: Settings) -> None:
    """Remove the notice: the operator has accepted the new database."""
    settings.database_notice_file.unlink(missing_ok=True)


def external_ids(settings: Settings) -> tuple[str, str]:
    """Return the ids of the external network and its subnet; an earlier database's ids are used again.

    With the same ids, floating IPs of the earlier database stay on the bridge that has the uplink.
    """
    try:
        network_id, subnet_id = json.loads(_file(settings).read_text())
        return str(uuid.UUID(network_id)), str(uuid.UUID(subnet_id))
    except (OSError, ValueError, TypeError, AttributeError):
        return str(uuid.uuid4()), str(uuid.uuid4())


def keep_external_ids(settings: Settings, ids: tuple[str, str] | None) -> None:
    """Write the ids of the external network and its subnet to `state_dir`."""
    if ids is not None and external_ids(settings) != ids:
        write_private(_file(settings), json.dumps(ids).encode())


def _file(settings: Settings) -> Path:
    return settings.state_dir / "external-network.json"
