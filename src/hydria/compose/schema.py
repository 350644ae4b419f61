"""The upgrade of the database's schema when a server starts."""

import os

from hydria.files import make_directory
from hydria.settings import Settings
from hydria.store.revision import is_current


def upgrade_database(settings: Settings) -> None:
    """Upgrade the database to this version's schema; make the tables of an empty one. Raises SettingsError."""
    # Alembic takes 10 MB, and only upgrades need it.
    from hydria.store.migrate import upgrade  # noqa: PLC0415

    make_directory(settings.state_dir)
    upgrade(settings.database_url)


def ensure_schema(settings: Settings) -> None:
    """Call `upgrade_database` in a child process when it is needed: a server would keep Alembic's 10 MB for ever.

    Raises SettingsError. Call it before any thread is started, because it forks.
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
        # The upgrade failed and changed nothing. Run it here too, to raise its error.
        upgrade_database(settings)
