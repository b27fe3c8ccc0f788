"""Blocks, hidden presence, and when a user last decided about themselves."""

import sqlalchemy as sa

from gochat.storage.steps import (
    add_column_if_missing,
    create_index_if_missing,
    create_table_if_missing,
    drop_column_if_there,
    drop_table_if_there,
    key,
    number,
    set_default,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add them. Nobody reads `sessions.rotated_at` from here on; 0001's code still writes it."""
    add_column_if_missing("users", number("profile_revision", default=0))
    add_column_if_missing(
        "users", sa.Column("presence_hidden", sa.Integer(), nullable=False, server_default="0")
    )
    add_column_if_missing(
        "conversations", sa.Column("blocked", sa.Integer(), nullable=False, server_default="0")
    )
    create_table_if_missing("blocks", key("user_id"), key("blocked_id"), number("created_at"))
    create_index_if_missing("ix_blocks_blocked", "blocks", ["blocked_id", "user_id"])
    set_default("sessions", "rotated_at", sa.BigInteger(), "0")


def downgrade() -> None:
    """As it was."""
    set_default("sessions", "rotated_at", sa.BigInteger(), None)
    drop_table_if_there("blocks")
    drop_column_if_there("conversations", "blocked")
    drop_column_if_there("users", "presence_hidden")
    drop_column_if_there("users", "profile_revision")
