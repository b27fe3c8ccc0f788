"""Who is banned from which group."""

from gochat.storage.steps import (
    create_index_if_missing,
    create_table_if_missing,
    drop_table_if_there,
    key,
    number,
)

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add it."""
    create_table_if_missing(
        "bans",
        key("conversation_id"),
        key("user_id"),
        number("banned_by", nullable=True),
        number("created_at"),
    )
    create_index_if_missing("ix_bans_user", "bans", ["user_id"])


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("bans")
