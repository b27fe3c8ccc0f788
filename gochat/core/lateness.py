"""When a server is too late to accept more, and when who is refused should come again."""

from gochat.core.errors import Overloaded

ACK_S = 0.06
"""What waits may take so long in all to be committed before more than the next batch is refused."""
RETRY_MS = 1_000
"""Who is refused comes again after this, or after up to twice of it, each user at another time."""
SPREAD = 617
"""Prime to `RETRY_MS`, so users whose ids follow each other come far apart."""


def too_late(ahead: int, rows: int, batch_s: float, ack_s: float = ACK_S) -> bool:
    """Whether a command would be committed too late.

    Args:
        ahead: how many commands are taken before it.
        rows: how many go into one batch.
        batch_s: how long a batch takes at present.
        ack_s: how long it may take, unless it comes into the next batch: so however slow the database is, who
            is accepted waits for two commits, as who comes to an idle writer may have to.
    """
    batches = ahead // rows
    return batches > 0 and (batches + 1) * batch_s > ack_s


def come_back(whose: int) -> Overloaded:
    """What a user (or whoever's turn it is) is told who is refused for now, with when to come again."""
    return Overloaded(retry_after_ms=RETRY_MS + whose * SPREAD % RETRY_MS)
