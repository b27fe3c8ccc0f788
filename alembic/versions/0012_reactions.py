"""Reactions to messages."""

import sqlalchemy as sa

from gochat.storage.steps import (
    create_index_if_missing,
    create_table_if_missing,
    drop_table_if_there,
    key,
    number,
)

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add them."""
    create_table_if_missing(
        "reactions",
        key("conversation_id"),
        key("user_id"),
        key("seq"),
        sa.Column("emoji", sa.String(40), primary_key=True),
        number("revision"),
    )
    columns = ["conversation_id", "seq", "emoji", "revision", "user_id"]
    create_index_if_missing("ix_reactions_newest", "reactions", columns)


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("reactions")
