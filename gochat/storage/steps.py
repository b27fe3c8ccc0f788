"""The steps of which a revision in `alembic/versions` is made. Each may be run again after a kill.

MySQL and MariaDB commit at every CREATE and ALTER, so a migration that dies leaves a part of itself behind:
each step looks first whether it was done. Processes of the release before keep running on the new schema, so
a revision only expands: new tables, new indexes, and new columns that old code need not fill. What nobody
reads any more is dropped a release later.

Besides what Alembic asks for, a revision has `oldest_code`: the oldest revision whose code may run on the
schema that it makes. One that only expands repeats the revision before; one that drops something raises it.

Nothing else may be called in a revision: `tests/unit/storage/test_revisions.py` holds it to that.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

TABLE: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_engine": "InnoDB",
}
"""What every table is made with; `create_table_if_missing` adds it."""


def exact_bytes(length: int) -> sa.types.TypeEngine[bytes]:
    """Return the type of exactly that many bytes."""
    return sa.LargeBinary(length).with_variant(mysql.BINARY(length), "mysql")


def ascii_text(length: int) -> sa.types.TypeEngine[str]:
    """Return the type of short text that no person types: one byte a character, compared by byte."""
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql"
    )


def long_text() -> sa.types.TypeEngine[str]:
    """Return the type of text of any length that we allow."""
    return sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql")


def short_bytes() -> sa.types.TypeEngine[bytes]:
    """Return the type of up to 65,535 bytes."""
    return sa.LargeBinary(65_535).with_variant(mysql.BLOB(), "mysql")


def long_bytes() -> sa.types.TypeEngine[bytes]:
    """Return the type of up to 16,777,215 bytes."""
    return sa.LargeBinary(0xFFFFFF).with_variant(mysql.MEDIUMBLOB(), "mysql")


def key(name: str) -> sa.Column[int]:
    """Return a column of the primary key."""
    return sa.Column(name, sa.BigInteger(), primary_key=True, autoincrement=False)


def number(name: str, *, nullable: bool = False, default: int | None = None) -> sa.Column[int]:
    """Return a column of 64-bit integers; `default`: what rows have that say nothing."""
    server_default = None if default is None else str(default)
    return sa.Column(name, sa.BigInteger(), nullable=nullable, server_default=server_default)


def create_table_if_missing(name: str, *parts: sa.schema.SchemaItem) -> None:
    """Create a table of columns and constraints. Its indexes are steps of their own."""
    if not _inspect().has_table(name):
        op.create_table(name, *parts, **TABLE)


def add_column_if_missing(table: str, column: sa.Column[Any]) -> None:
    """Add a column to a table.

    Raises:
        ValueError: it is neither nullable nor has a default: the release before could write no row any more.
    """
    if not column.nullable and column.server_default is None:
        raise ValueError(f"{table}.{column.name} needs a server_default, or has to be nullable")
    if column.name not in _columns(table):
        op.add_column(table, column)


def create_index_if_missing(name: str, table: str, columns: list[str], *, unique: bool = False) -> None:
    """Create an index."""
    if name not in _indexes(table):
        op.create_index(name, table, columns, unique=unique)


def insert_if_empty(table: str, row: dict[str, object]) -> None:
    """Insert the one row of a table that has none."""
    there = sa.table(table, *(sa.column(name) for name in row))
    if op.get_bind().execute(sa.select(sa.func.count()).select_from(there)).scalar_one() == 0:
        op.get_bind().execute(there.insert().values(row))


def set_default(table: str, column: str, type_: sa.types.TypeEngine[Any], default: str | None) -> None:
    """Change what new rows have in a column (never null) that say nothing; None: they have to say it."""
    with op.batch_alter_table(table) as batch:
        batch.alter_column(column, existing_type=type_, existing_nullable=False, server_default=default)


def take_any_text(table: str, column: str, length: int) -> None:
    """Let a column (never null) hold any characters that so far held ASCII. SQLite does already.

    Downwards there is no way: names that are there would not fit.
    """
    if op.get_bind().dialect.name != "sqlite":
        # Without a charset of its own it takes the table's.
        op.alter_column(table, column, type_=sa.String(length), existing_nullable=False)


def run(statement: str) -> None:
    """Run a statement that does no harm when it is run again, such as an UPDATE of rows not filled yet."""
    op.get_bind().exec_driver_sql(statement)


def drop_table_if_there(name: str) -> None:
    """Drop a table and what it holds."""
    if _inspect().has_table(name):
        op.drop_table(name)


def drop_column_if_there(table: str, column: str) -> None:
    """Drop a column and what it holds."""
    if column in _columns(table):
        op.drop_column(table, column)


def drop_index_if_there(name: str, table: str) -> None:
    """Drop an index."""
    if name in _indexes(table):
        op.drop_index(name, table)


def _inspect() -> sa.Inspector:
    """Look at the database as it is now: an inspector remembers what it saw."""
    return sa.inspect(op.get_bind())


def _columns(table: str) -> set[str]:
    return {column["name"] for column in _inspect().get_columns(table)}


def _indexes(table: str) -> set[str | None]:
    return {index["name"] for index in _inspect().get_indexes(table)}
