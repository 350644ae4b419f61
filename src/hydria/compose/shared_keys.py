"""The keys that all servers of one PostgreSQL must share: a server with others would not read what the first sealed."""

import hmac

from sqlalchemy import true

from hydria.compose.credentials import SECRETS_KEY, TOKEN_KEY
from hydria.errors import SettingsError
from hydria.settings import Settings
from hydria.store import Database, Transaction
from hydria.store.hosts import SharedKey

_NAMES = (SECRETS_KEY.name, TOKEN_KEY.name)


def refuse_other_keys(settings: Settings, database: Database) -> None:
    """Raise SettingsError when other servers use the database with other keys. Call it before keys are made."""
    if database.embedded:
        return
    known = database.read(lambda transaction: {each.id: each.digest for each in transaction.find(SharedKey)})
    other = [name for name in _NAMES if name in known and known[name] != _digest(settings, name)]
    if other:
        raise SettingsError(
            f"The database {settings.database_url.rpartition('@')[2]} belongs to servers with another "
            f"{' and '.join(other)} than this one has in {settings.state_dir}. Stop this server, copy secrets.key, "
            f"token.key and clouds.yaml from the state directory of another server to {settings.state_dir}, and start "
            "it again. If they are lost on all servers: hydria db forget-keys"
        )


def record_keys(settings: Settings, database: Database) -> None:
    """Store by what this server's keys are recognised. Raises SettingsError when another server was faster."""
    if database.embedded:
        return
    found = {name: _digest(settings, name) for name in _NAMES}

    def work(transaction: Transaction) -> None:
        for name, digest in found.items():
            if digest is not None:
                transaction.ensure(SharedKey(id=name, digest=digest))

    database.transact(work)
    refuse_other_keys(settings, database)


def forget_keys(database: Database) -> int:
    """Let the next server bring new keys; return how many were known."""
    return database.transact(lambda transaction: transaction.delete(SharedKey, true()))


def _digest(settings: Settings, name: str) -> str | None:
    file = settings.state_dir / name
    return hmac.digest(file.read_bytes().strip(), f"hydria {name}".encode(), "sha256").hex() if file.exists() else None
