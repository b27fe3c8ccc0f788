"""What is in a database: for tests that say that a refused request left nothing."""

from sqlalchemy import create_engine, func, select
from sqlmodel import SQLModel

from gochat.storage import tables


def stored(url: str) -> dict[str, int]:
    """The number of rows of each table."""
    assert tables.UserRow.metadata is SQLModel.metadata
    engine = create_engine(url)
    with engine.connect() as connection:
        counts = {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in SQLModel.metadata.tables.items()
        }
    engine.dispose()
    return counts
