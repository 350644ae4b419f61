"""The database's schema at a server's start."""

import os

from hydria.files import make_directory
from hydria.settings import Settings
from hydria.store.revision import is_current


def upgrade_database(settings: Settings) -> None:
    """Bring the database to this version's schema; an empty one is made. Raises SettingsError."""
    # Only who upgrades needs Alembic.
    from hydria.store.migrate import upgrade  # noqa: PLC0415

    make_directory(settings.state_dir)
    upgrade(settings.database_url)


def ensure_schema(settings: Settings) -> None:
    """Do as `upgrade_database` does in a process of its own: what it takes (10 MB) a server would keep for good.

    Raises SettingsError. Call it before there are threads.
    """
    make_directory(settings.state_dir)
    if is_current(settings.database_url):
        return
    child = os.fork()
    if child == 0:
        status = 1
        try:
            upgrade_database(settings)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        # All or nothing was done: once more, to hear why.
        upgrade_database(settings)
