"""What few messages have: a kind, data, mentions; and who is mentioned where."""

import sqlalchemy as sa

from gochat.storage.steps import (
    add_column_if_missing,
    create_table_if_missing,
    drop_column_if_there,
    drop_table_if_there,
    key,
    long_text,
)

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add them."""
    add_column_if_missing("messages", sa.Column("extras", long_text(), nullable=True))
    create_table_if_missing("mentions", key("conversation_id"), key("user_id"), key("seq"))


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("mentions")
    drop_column_if_there("messages", "extras")
