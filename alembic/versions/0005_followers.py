"""Followers of the log, and the index of search that one of them keeps."""

import sqlalchemy as sa

from gochat.storage.steps import (
    ascii_text,
    create_index_if_missing,
    create_table_if_missing,
    drop_table_if_there,
    key,
    number,
    short_bytes,
)

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add them, empty: the follower fills the index."""
    create_table_if_missing(
        "followers",
        sa.Column("name", ascii_text(32), primary_key=True),
        number("holder"),
        number("held_until"),
        number("compared"),
    )
    create_table_if_missing(
        "follower_cursors",
        sa.Column("name", ascii_text(32), primary_key=True),
        key("process_id"),
        number("n"),
    )
    create_table_if_missing("search_states", key("conversation_id"), number("revision"))
    create_table_if_missing(
        "search_blocks",
        key("conversation_id"),
        key("block"),
        number("newest_at"),
        number("oldest_at"),
        sa.Column("filter", short_bytes(), nullable=False),
    )
    create_index_if_missing(
        "ix_search_blocks_times", "search_blocks", ["conversation_id", "block", "newest_at", "oldest_at"]
    )


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("search_blocks")
    drop_table_if_there("search_states")
    drop_table_if_there("follower_cursors")
    drop_table_if_there("followers")
