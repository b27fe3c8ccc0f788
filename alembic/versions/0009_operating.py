"""What operators did, and invitations to register."""

import sqlalchemy as sa

from gochat.storage.steps import (
    ascii_text,
    create_index_if_missing,
    create_table_if_missing,
    drop_table_if_there,
    exact_bytes,
    key,
    number,
)

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add the tables."""
    create_table_if_missing(
        "operator_acts",
        key("id"),
        number("at"),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("act", ascii_text(32), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
    )
    create_index_if_missing("ix_operator_acts_target", "operator_acts", ["target"])
    create_table_if_missing(
        "invites",
        sa.Column("code_hash", exact_bytes(32), primary_key=True, nullable=False),
        number("expires_at"),
        number("uses_left"),
    )


def downgrade() -> None:
    """As it was."""
    drop_table_if_there("invites")
    drop_table_if_there("operator_acts")
