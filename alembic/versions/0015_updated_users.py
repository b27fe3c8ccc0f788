"""Users count how often changed what others see of them, and say when it last did."""

from gochat.storage.steps import (
    add_column_if_missing,
    create_index_if_missing,
    drop_column_if_there,
    drop_index_if_there,
    number,
)

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add it."""
    add_column_if_missing("users", number("revision", default=0))
    add_column_if_missing("users", number("updated_at", default=0))
    create_index_if_missing("ix_users_updated", "users", ["updated_at"])


def downgrade() -> None:
    """As it was."""
    drop_index_if_there("ix_users_updated", "users")
    drop_column_if_there("users", "updated_at")
    drop_column_if_there("users", "revision")
