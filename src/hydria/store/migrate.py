"""Upgrade a database to this version's schema, by the scripts in `migrations`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, func, select

from hydria.errors import SettingsError
from hydria.store.database import Database

# The number of PostgreSQL's advisory lock: arbitrary, used by nothing else.
_LOCK = 0x6879647269610001

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(target: str | Database) -> None:
    """Upgrade a database, or the one at an SQLAlchemy URL, in one transaction. An empty one gets all tables.

    Raises SettingsError when a newer version of Hydria has used the database.
    """
    if isinstance(target, Database):
        target.with_connection(_upgrade)
        return
    database = Database(target)
    try:
        upgrade(database)
    finally:
        database.close()


def _upgrade(connection: Connection) -> None:
    settings = configuration()
    if connection.dialect.name == "postgresql":
        # When several servers start at once, one upgrades and the others wait and find it done.
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, "head")
    except CommandError as error:
        raise SettingsError(
            f"This version of Hydria does not know the database's schema ({error}). A newer version has used it: "
            "install that version again, or restore a backup."
        ) from None


def configuration() -> Config:
    """Return Alembic's configuration, which is not kept in a file."""
    settings = Config()
    settings.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    settings.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    return settings
