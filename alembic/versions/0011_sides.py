"""What members set for themselves in a conversation: muted, archived, pinned, marked, a draft."""

import sqlalchemy as sa

from gochat.storage.steps import (
    ascii_text,
    create_table_if_missing,
    drop_table_if_there,
    key,
    long_text,
    number,
)

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add it."""
    create_table_if_missing(
        "sides",
        key("user_id"),
        key("conversation_id"),
        number("muted_until"),
        sa.Column("mute_level", ascii_text(8), nullable=False),
        number("archived_seq", nullable=True),
        number("pinned_at"),
        number("marked_seq", nullable=True),
        sa.Column("draft", long_text(), nullable=True),
        number("draft_at"),
    )


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("sides")
