"""Whether a database has this version's schema; to bring it there is `hydria.store.migrate`'s part."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hydria.errors import Unavailable
from hydria.store.database import Database

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def is_current(url: str) -> bool:
    """Say whether the newest script was the last that the database at an SQLAlchemy URL has seen."""
    newest = max(script.name[1:5] for script in _VERSIONS.glob("r*.py"))
    database = Database(url)
    try:
        version = text("SELECT version_num FROM alembic_version")
        return database.read(lambda transaction: transaction.execute(version).scalar()) == newest
    except (DBAPIError, Unavailable):
        # It is empty, or is not to be had: whoever makes or upgrades it says why.
        return False
    finally:
        database.close()
