"""Who may bring a user into conversations, and who made which."""

import sqlalchemy as sa

from gochat.storage.steps import (
    add_column_if_missing,
    ascii_text,
    create_index_if_missing,
    drop_column_if_there,
    drop_index_if_there,
)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add them. Code of before brings anybody in."""
    add_column_if_missing(
        "users", sa.Column("who_can_add", ascii_text(8), nullable=False, server_default="everyone")
    )
    create_index_if_missing("ix_conversations_creator", "conversations", ["created_by"])


def downgrade() -> None:
    """As it was."""
    drop_index_if_there("ix_conversations_creator", "conversations")
    drop_column_if_there("users", "who_can_add")
