"""Which code may run on this schema; and `sessions.rotated_at` where an earlier form of 0002 dropped it."""

import sqlalchemy as sa

from gochat.storage.steps import (
    add_column_if_missing,
    ascii_text,
    create_table_if_missing,
    drop_table_if_there,
    key,
    number,
)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add the mark, and put back what 0001's code writes."""
    create_table_if_missing(
        "schema_marks", key("id"), sa.Column("oldest_code", ascii_text(32), nullable=False)
    )
    add_column_if_missing("sessions", number("rotated_at", default=0))


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("schema_marks")
