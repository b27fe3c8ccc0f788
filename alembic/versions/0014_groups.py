"""What few conversations have: an avatar, data, settings."""

import sqlalchemy as sa

from gochat.storage.steps import add_column_if_missing, drop_column_if_there, long_text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add it."""
    add_column_if_missing("conversations", sa.Column("extras", long_text(), nullable=True))


def downgrade() -> None:
    """As it was."""
    drop_column_if_there("conversations", "extras")
