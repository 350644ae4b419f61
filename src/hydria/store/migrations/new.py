"""Write the next migration: `python -m hydria.store.migrations.new "what changes"`.

It makes a database from the existing scripts, compares it with the tables of the code, and writes the difference to
`versions`. Read the new script before you commit it. `--anew` removes all scripts first: use it only while no
database in use was made by them.
"""

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hydria.store.database import Database
from hydria.store.migrate import SCRIPTS, configuration, upgrade

# The modules that register tables, by name: the store is a lower layer and must not import them.
MODULES = (
    "hydria.store.resources",
    "hydria.store.numbers",
    "hydria.store.revisions",
    "hydria.store.certificates",
    "hydria.store.hosts",
    "hydria.homecloud.identity",
    "hydria.homecloud.network",
    "hydria.homecloud.secrets",
    "hydria.neutron.rows",
    "hydria.barbican.rows",
)


def write(message: str) -> Path:
    """Write the next script and return its path."""
    for module in MODULES:
        import_module(module)
    settings = configuration()
    with TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{directory}/new.db")
        upgrade(database)
        number = len(list(ScriptDirectory.from_config(settings).walk_revisions())) + 1

        def compare(connection: Connection) -> Any:
            settings.attributes["connection"] = connection
            return command.revision(settings, message, autogenerate=True, rev_id=f"{number:04}")

        made = database.with_connection(compare)
        database.close()
    if made is None or isinstance(made, list):
        raise RuntimeError("Alembic wrote no script, or several")
    return Path(made.path)


def main() -> None:
    """Write a script and format it."""
    parser = argparse.ArgumentParser(description="Write the next migration.")
    parser.add_argument("message", help="what changes, in a few words")
    parser.add_argument("--anew", action="store_true", help="remove all scripts first")
    given = parser.parse_args()
    if given.anew:
        for script in (SCRIPTS / "versions").glob("r*.py"):
            script.unlink()
    path = write(given.message)
    ruff = str(Path(sys.executable).with_name("ruff"))
    subprocess.run([ruff, "format", "--quiet", str(path)], check=True)
    subprocess.run([ruff, "check", "--fix", "--quiet", str(path)], check=True)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
