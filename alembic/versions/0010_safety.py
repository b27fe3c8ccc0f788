"""What a user says and sets, what an operator does about it, and reports."""

import sqlalchemy as sa

from gochat.storage.steps import (
    add_column_if_missing,
    ascii_text,
    create_index_if_missing,
    create_table_if_missing,
    drop_column_if_there,
    drop_index_if_there,
    drop_table_if_there,
    exact_bytes,
    key,
    long_text,
    number,
)

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
oldest_code = "0001"

COLUMNS = (
    sa.Column("data", long_text(), nullable=True),
    sa.Column("receipts_hidden", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("discoverable_by_phone", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("terms_version", sa.String(32), nullable=True),
    number("muted_until", nullable=True),
    number("disabled_at", nullable=True),
    number("deletes_at", nullable=True),
    sa.Column("deleted", sa.Integer(), nullable=False, server_default="0"),
)


def upgrade() -> None:
    """Add them."""
    for column in COLUMNS:
        add_column_if_missing("users", column)
    create_index_if_missing("ix_users_deletes", "users", ["deletes_at"])
    create_table_if_missing(
        "reports",
        key("id"),
        number("reporter_id"),
        sa.Column("client_report_id", exact_bytes(16), nullable=False),
        number("user_id"),
        number("conversation_id", nullable=True),
        number("seq", nullable=True),
        sa.Column("reason", ascii_text(16), nullable=False),
        sa.Column("comment", sa.String(1000), nullable=True),
        sa.Column("snapshot", long_text(), nullable=True),
        number("created_at"),
        number("resolved_at", nullable=True),
        sa.Column("resolution", sa.String(500), nullable=True),
        sa.UniqueConstraint("reporter_id", "client_report_id", name="uq_reports_retry"),
    )
    create_index_if_missing("ix_reports_created", "reports", ["created_at"])
    create_table_if_missing(
        "server_keys",
        key("id"),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("key_hash", exact_bytes(32), nullable=False),
        sa.Column("scopes", ascii_text(200), nullable=False),
        number("created_at"),
        number("used_at", nullable=True),
        number("revoked_at", nullable=True),
        sa.UniqueConstraint("key_hash", name="uq_server_keys_hash"),
    )
    create_table_if_missing(
        "foreign_users",
        sa.Column("issuer", ascii_text(200), primary_key=True),
        sa.Column("subject", sa.String(200), primary_key=True),
        number("user_id"),
    )
    create_index_if_missing("ix_foreign_users_user", "foreign_users", ["user_id"])


def downgrade() -> None:
    """As it was."""
    for table in ("foreign_users", "server_keys", "reports"):
        drop_table_if_there(table)
    drop_index_if_there("ix_users_deletes", "users")
    for column in reversed(COLUMNS):
        drop_column_if_there("users", column.name)
