"""Whether a database has this version's schema. `hydria.store.migrate` upgrades it; this module needs no Alembic."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hydria.errors import Unavailable
from hydria.store.database import Database

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def is_current(url: str) -> bool:
    """Return True when the database at an SQLAlchemy URL is at the newest migration."""
    newest = max(script.name[1:5] for script in _VERSIONS.glob("r*.py"))
    database = Database(url)
    try:
        version = text("SELECT version_num FROM alembic_version")
        return database.read(lambda transaction: transaction.execute(version).scalar()) == newest
    except (DBAPIError, Unavailable):
        # The database is empty or unreachable; the upgrade that follows reports which.
        return False
    finally:
        database.close()
