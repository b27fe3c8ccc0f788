"""What refresh tokens follow from, and which installation of the app a session is of."""

import sqlalchemy as sa

from gochat.storage.steps import add_column_if_missing, drop_column_if_there, exact_bytes, number

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Add them. Code of before writes no seed: its tokens are replaced by fresh ones, not by the same."""
    add_column_if_missing("sessions", sa.Column("refresh_seed", exact_bytes(16), nullable=True))
    add_column_if_missing("sessions", number("refresh_seeded_at", nullable=True))
    add_column_if_missing("sessions", sa.Column("installation_id", exact_bytes(16), nullable=True))


def downgrade() -> None:
    """As it was."""
    for column in ("installation_id", "refresh_seeded_at", "refresh_seed"):
        drop_column_if_there("sessions", column)
