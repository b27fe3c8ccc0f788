"""Blocks, hidden presence, and when a user last decided about himself."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UTF8 = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    """Add them; drop what nobody reads."""
    op.add_column("users", sa.Column("profile_revision", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("users", sa.Column("presence_hidden", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("conversations", sa.Column("blocked", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "blocks",
        sa.Column("user_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("blocked_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **UTF8,
    )
    op.create_index("ix_blocks_blocked", "blocks", ["blocked_id", "user_id"])
    op.drop_column("sessions", "rotated_at")


def downgrade() -> None:
    """As it was."""
    op.add_column("sessions", sa.Column("rotated_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.drop_table("blocks")
    op.drop_column("conversations", "blocked")
    op.drop_column("users", "presence_hidden")
    op.drop_column("users", "profile_revision")
