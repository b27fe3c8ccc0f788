"""What must be locked and read before a batch of commands is decided: storage loads it for all at once."""

from dataclasses import dataclass, field

from gochat.core.model import ConversationId, UserId


@dataclass(slots=True)
class Needs:
    """Sets of keys, filled by `command.need(needs)`."""

    conversations: set[ConversationId] = field(default_factory=set)
    """Locked, in sorted order, before all else."""
    unique_keys: set[str] = field(default_factory=set)
    """Conversations by their unique key; reserved if not there, then locked."""
    members: set[tuple[ConversationId, UserId]] = field(default_factory=set)
    messages: set[tuple[ConversationId, int]] = field(default_factory=set)
    """By conversation and seq."""
    reactions: set[tuple[ConversationId, UserId, int]] = field(default_factory=set)
    """How a user reacted to the message of that seq."""
    reactors: set[tuple[ConversationId, int, str]] = field(default_factory=set)
    """The newest who reacted so to the message of that seq: as many as are shown, and as the batch may take
    away."""
    sent: set[tuple[UserId, bytes]] = field(default_factory=set)
    """Messages by sender and retry key; with their senders' member rows."""
    users: set[UserId] = field(default_factory=set)
    """Which of these exist, and how many active memberships each has."""
    me: set[UserId] = field(default_factory=set)
    """Users whose own log may move: their rows are locked, after the conversations."""
    sides: set[tuple[ConversationId, UserId]] = field(default_factory=set)
    """What members have set for themselves; of those in `members` and `me`."""
    profiles: set[UserId] = field(default_factory=set)
    """What users see of themselves; of those in `me`."""
    blocks: set[tuple[UserId, UserId]] = field(default_factory=set)
    """Which of these there are: the first has blocked the second."""
    blockers: set[UserId] = field(default_factory=set)
    """How many others each of these has blocked."""
    welcome: set[tuple[UserId, UserId]] = field(default_factory=set)
    """Whether the first lets the second bring them into conversations; read where the first is there, and
    neither deleted nor about to be."""
    bans: set[tuple[ConversationId, UserId]] = field(default_factory=set)
    """Who is banned from which group, of these."""
    makers: set[UserId] = field(default_factory=set)
    """How many conversations each of these has made and is in."""
    successors: set[ConversationId] = field(default_factory=set)
    """The rows of the first active members by standing and time, should the owner quit: as many as the batch
    may remove, and one more."""
    deleted_after: set[tuple[ConversationId, UserId, int]] = field(default_factory=set)
    """How many deleted messages follow that seq; asked only where that member has any to skip."""
