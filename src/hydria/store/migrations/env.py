"""Run by Alembic around the scripts, in the caller's connection and transaction."""

from alembic import context

from hydria.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can change most of a table only by copying it to a new one.
    render_as_batch=True,
)
context.run_migrations()
