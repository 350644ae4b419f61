"""Run by Alembic around every script: in the connection and transaction of whoever called."""

from alembic import context

from hydria.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by making it anew.
    render_as_batch=True,
)
context.run_migrations()
