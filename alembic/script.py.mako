"""${message}."""

from gochat.storage.steps import ...

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
oldest_code = ...  # that of the revision before, if this one only expands


def upgrade() -> None:
    """${message}.

    Say this with the steps of `gochat.storage.steps`:
    ${upgrades if upgrades else "pass"}
    """


def downgrade() -> None:
    """Undo it.

    ${downgrades if downgrades else "pass"}
    """
