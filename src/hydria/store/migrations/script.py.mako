"""${message[0].upper()}${message[1:]}."""

# ruff: noqa: PLR0915
# Written by `hydria.store.migrations.new`.

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Go from the revision before to this one."""
    ${upgrades if upgrades else "pass"}
