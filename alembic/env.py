"""Run migrations on the connection that `gochat.storage.migrate` hands in."""

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

import gochat.storage.tables  # noqa: F401  fills the metadata

connection = context.config.attributes.get("connection")
if not isinstance(connection, Connection):
    raise SystemExit("Run `gochat migrate`, or `python -m gochat.storage.migrate` to make a new version.")

context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
context.run_migrations()
