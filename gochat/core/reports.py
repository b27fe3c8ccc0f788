"""Reports: what users tell whoever runs the server of others, and what is kept for them to decide on."""

from typing import Final

from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.values import value

AROUND: Final = 10
"""How many messages around the one that is reported are kept with it, half of them before it."""
KEEP_MS: Final[Millis] = 90 * 86_400_000
"""How long a report is kept, whatever becomes of the message and of its author."""


@value(frozen=True, slots=True)
class Report:
    """What a user reports: another user, or a message by its place. `client_report_id` is the retry key."""

    reporter_id: UserId
    client_report_id: bytes
    reason: str
    comment: str | None = None
    user_id: UserId | None = None
    conversation_id: ConversationId | None = None
    seq: int | None = None


@value(frozen=True, slots=True)
class Filed:
    """A report as it is kept. `snapshot` is a JSON text: the messages, as the reporter could see them."""

    id: int
    reporter_id: UserId
    user_id: UserId
    conversation_id: ConversationId | None
    seq: int | None
    reason: str
    comment: str | None
    snapshot: str | None
    created_at: Millis
    resolved_at: Millis | None = None
    resolution: str | None = None
