"""Usernames of any script, and codes by which a password is set anew."""

import sqlalchemy as sa

from gochat.storage.steps import (
    create_index_if_missing,
    create_table_if_missing,
    drop_table_if_there,
    exact_bytes,
    key,
    number,
    take_any_text,
)

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add them. Code of before shows such names, and finds nobody by them."""
    take_any_text("users", "username", 32)
    create_table_if_missing(
        "reset_codes",
        key("user_id"),
        sa.Column("code_hash", exact_bytes(32), nullable=False),
        number("expires_at"),
    )
    create_index_if_missing("ix_reset_codes_hash", "reset_codes", ["code_hash"])


def downgrade() -> None:
    """As it was, but for the names."""
    drop_table_if_there("reset_codes")
