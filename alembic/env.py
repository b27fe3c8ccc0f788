"""Run migrations on the connection that `gochat.storage.migrate` hands in.

A new version is drafted with Alembic's own command, beside a database of the version before:
`alembic -x url=sqlite:///gochat.db revision --autogenerate --rev-id 0002 -m "What it does"`.
"""

from alembic import context
from sqlalchemy import Connection

from gochat.storage import tables
from gochat.storage.engines import write_engine


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=tables.METADATA, render_as_batch=True)
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with write_engine(context.get_x_argument(as_dictionary=True)["url"]).connect() as opened:
        run(opened)
