"""Identities of hosts, and of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Go from the revision before to this one."""
    with op.batch_alter_table("amphorae", schema=None) as batch_op:
        batch_op.add_column(sa.Column("change_id", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("load_balancers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("change_id", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("load_balancers", schema=None) as batch_op:
        batch_op.alter_column("change_id", server_default=None)
    # A host's name is its id until its agent sends an identity.
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.alter_column("name", new_column_name="id")
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE hosts SET name = id")
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.alter_column("name", server_default=None)
