"""What is in a database: for tests that say that a refused request left nothing."""

from sqlalchemy import create_engine, func, select

from gochat.storage import tables

FOLLOWED = {"followers", "follower_cursors", "search_marks", "search_texts"}
"""Written by followers, some time after what they follow."""


def stored(url: str) -> dict[str, int]:
    """The number of rows of each table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        counts = {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in tables.METADATA.tables.items()
            if name not in FOLLOWED
        }
    engine.dispose()
    return counts
