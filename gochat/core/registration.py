"""Who may make an account by registering."""

from enum import StrEnum


class Mode(StrEnum):
    """As the operator set it."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"
