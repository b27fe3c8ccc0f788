"""The bounds of the product, in one place."""

from gochat.core.values import value


@value(frozen=True, slots=True)
class Limits:
    """Counts, unless a name says otherwise. `body` counts Unicode code points."""

    body: int = 8_000
    title: int = 200
    attachments: int = 10
    data: int = 4_096
    """Bytes of the JSON that a message carries for its app."""
    mentions: int = 50
    reactions: int = 20
    """Kinds of reactions of one user to one message."""
    reaction_kinds: int = 50
    """Of all users to one message."""
    system_messages: bool = True
    """Whether what happens to a group is told by messages in it, too."""
    pins: int = 50
    """Messages pinned in a conversation."""
    edit_within_s: int = 0
    """How long after sending a message may be edited; 0: for ever."""
    delete_within_s: int = 0
    """The same of deleting one's own."""
    members_added: int = 500
    group_members: int = 10_000
    conversations: int = 10_000
    """Active memberships of one user, beyond which nobody brings them into more."""
    conversations_made: int = 10_000
    """Those that one user has made and is in. What others made of them does not count."""
    blocks: int = 1_000
    """Users whom one user has blocked."""
    shown_members: int = 256
    """Up to this size a conversation shows receipts, and a delta brings its whole list of members."""
