"""The index of search holds the folded texts themselves instead of filters of them."""

import sqlalchemy as sa

from gochat.storage.steps import (
    create_index_if_missing,
    create_table_if_missing,
    drop_table_if_there,
    key,
    long_bytes,
    number,
    short_bytes,
)

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add it, empty: the follower fills it."""
    create_table_if_missing("search_marks", key("conversation_id"), number("revision"))
    create_table_if_missing(
        "search_texts",
        key("conversation_id"),
        key("block"),
        number("newest_at"),
        number("oldest_at"),
        sa.Column("partial", sa.Integer(), nullable=False),
        sa.Column("about", short_bytes(), nullable=False),
        sa.Column("text", long_bytes(), nullable=False),
    )
    create_index_if_missing(
        "ix_search_texts_times", "search_texts", ["conversation_id", "block", "newest_at", "oldest_at"]
    )


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("search_texts")
    drop_table_if_there("search_marks")
