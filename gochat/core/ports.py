"""Where the faces and storage meet. Each port states what it guarantees.

All are safe to call from the event loop, and only from there; none blocks it.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gochat.core.command import A, Command
from gochat.core.delta import Change, Committed, Delta
from gochat.core.model import (
    ConversationId,
    Device,
    Message,
    Millis,
    Profile,
    Session,
    SessionId,
    User,
    UserId,
)
from gochat.core.presence import Sighting
from gochat.core.queries import (
    Batch,
    ConversationPage,
    ConversationView,
    Heads,
    HistoryPage,
    MeDelta,
    MemberPage,
    Memberships,
    SyncPage,
    SyncRequest,
)
from gochat.core.receipts import Position, Receipt


class Writer(Protocol):
    """The one door for every change of a conversation."""

    def submit(self, command: Command[A]) -> Awaitable[A]:
        """Queue a command. Commands are decided in the order of submission.

        The answer comes after the commit: what it says is durable. It is published (`Publisher`) before it
        is answered, once, whatever happens to whoever waits for the answer.

        Raises:
            Overloaded: at once; the queue is full, nothing was accepted.
            ChatError: from the awaitable; the command was refused, or (`Unavailable`) the database does not
                answer: then it may be stored or not, and sending it again with its key settles that.
        """
        ...


class Receipts(Protocol):
    """The door for receipts: they gather for a moment, then go through `Writer` together."""

    async def advance(self, cid: ConversationId, user_id: UserId, position: Position) -> Receipt:
        """Move a member's positions; the answer comes after the commit.

        Raises:
            NotFound: not there, or not a member.
        """
        ...


class Publisher(Protocol):
    """Takes what was committed to whoever is online."""

    def publish(self, committed: Committed) -> None:
        """Called on the event loop, once per batch, in order of the commits of this process."""
        ...

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        """A session was ended: its sockets are told why, and dismissed."""
        ...


class Reader(Protocol):
    """The reading side. Every answer is a consistent state at least as new as what was acked before the call.

    Every method raises `Unavailable` if the database does not answer in time, and `Overloaded` if too many
    reads wait.
    """

    async def memberships(self, user_id: UserId) -> Memberships:
        """All active memberships."""
        ...

    async def conversation(self, user_id: UserId, conversation_id: ConversationId) -> ConversationView:
        """One conversation.

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def conversations(
        self, user_id: UserId, position: tuple[Millis, ConversationId] | None, limit: int
    ) -> ConversationPage:
        """A user's conversations by `last_message_at`, newest first."""
        ...

    async def members(
        self, user_id: UserId, conversation_id: ConversationId, after: UserId | None, limit: int
    ) -> MemberPage:
        """The active members of a conversation.

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def history(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        around_seq: int | None = None,
        limit: int = 50,
    ) -> HistoryPage:
        """A page of messages: the newest, or those before, after or around a seq (itself in the middle).

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def status(self, user_id: UserId, keys: Iterable[bytes]) -> Mapping[bytes, Message]:
        """Which of a user's retry keys are stored, with the message; an ex-member gets only its numbers."""
        ...

    async def changes(self, user_id: UserId, conversation_id: ConversationId, since: int | None) -> Delta:
        """What one member has to know after `since` (None: all): the answer to a join.

        It has `conversation` and `me`, always. Too much, an unknown revision, or one from before he joined
        is answered whole, from 0, with its newest page and, if the phone had something, `gap`.

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def repair(self, conversation_id: ConversationId, since: int) -> Change:
        """What all members see that changed after `since`: for a process that missed a delta.

        Its delta has `conversation`. With much to tell it is the first part of that; from 0 it is whole.

        Raises:
            NotFound: not there.
        """
        ...

    async def me(self, user_id: UserId, since: int) -> MeDelta:
        """What changed in a user's own log after `since`."""
        ...

    async def seen(self, user_id: UserId, others: Iterable[UserId]) -> frozenset[UserId]:
        """Those of the others whose presence he may see, himself too.

        Who is in a conversation with him now and does not hide it, where neither has blocked the other.
        """
        ...

    async def seers(self, user_id: UserId, others: Iterable[UserId]) -> frozenset[UserId]:
        """The other way: those of the others who may see his."""
        ...

    async def sync(self, user_id: UserId, request: SyncRequest) -> SyncPage:
        """What a phone lacks. Where he is no longer a member, what he names comes as `removed`."""
        ...


class ChangeLog(Protocol):
    """What all processes committed in the last hour, whether or not they could tell anybody.

    Every method raises `Unavailable` if the database does not answer in time.
    """

    async def heads(self) -> Heads:
        """How far the log is. What this process saw before and is lost makes a new epoch at once."""
        ...

    async def batches(self, after: Mapping[int, int], limit: int = 500) -> tuple[Batch, ...]:
        """Of the processes named, the batches after those numbers, in order; at most `limit` of each call.

        A number that is missing was there too long ago: then only `revisions` tells what changed.
        """
        ...

    async def revoked(self, within_ms: int) -> tuple[tuple[SessionId, UserId], ...]:
        """Sessions ended in the last so many milliseconds, by the clocks of the processes that ended them."""
        ...

    async def renew_epoch(self) -> None:
        """Some of the history was lost, as its reader found out."""
        ...

    async def me_revisions(self, user_ids: Iterable[UserId]) -> Mapping[UserId, int]:
        """How far the own logs of those users are that exist."""
        ...

    async def revisions(self, conversation_ids: Iterable[ConversationId]) -> Mapping[ConversationId, int]:
        """How far those conversations are that exist."""
        ...


class Presences(Protocol):
    """Which users have sockets at which processes. Nothing durable; every method may raise `Unavailable`."""

    async def announce(self, user_ids: Iterable[UserId]) -> None:
        """These have sockets at this process; to be said again within two hours."""
        ...

    async def withdraw(self, user_ids: Iterable[UserId], now: Millis) -> None:
        """These have none any more."""
        ...

    async def beat(self, now: Millis) -> None:
        """This process lives."""
        ...

    async def sightings(self, user_ids: Collection[UserId]) -> Mapping[UserId, Sighting]:
        """What is known of these users, of each of them."""
        ...

    async def beats(self, processes: Collection[str]) -> Mapping[str, Millis]:
        """When those processes that are known were last heard of."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """A user as logging in needs him. `password_hash` is an argon2id PHC string."""

    user: User
    password_hash: str
    phone: str | None = None


class Accounts(Protocol):
    """Users. Raises `Unavailable` if the database does not answer in time."""

    async def create(self, account: Account, now: Millis) -> None:
        """Store a new user.

        Raises:
            UsernameTaken, PhoneTaken: another account has it, as normalised.
        """
        ...

    async def by_username(self, username: str) -> Account | None:
        """By normalised username."""
        ...

    async def by_phone(self, phone: str) -> Account | None:
        """By E.164 number."""
        ...

    async def set_password(self, user_id: UserId, old: str, new: str) -> bool:
        """Replace the hash of a password, if it is still the old one; the answer is whether it was."""
        ...

    async def users(self, user_ids: Iterable[UserId]) -> tuple[User, ...]:
        """Those of the users that exist."""
        ...

    async def profile(self, user_id: UserId) -> Profile | None:
        """What a user sees of himself; None: there is no such user."""
        ...

    async def blocked(self, user_id: UserId) -> tuple[User, ...]:
        """Whom a user has blocked, by username."""
        ...

    async def search(self, prefix: str) -> tuple[User, ...]:
        """The first 20 users whose normalised username begins so, by username."""
        ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """A new login. `password_hash`: the one that the password was right for; None: none was asked for."""

    session: Session
    refresh_hash: bytes
    """32 bytes: the hash of its first refresh token."""
    expires_at: Millis
    password_hash: str | None = None


@dataclass(frozen=True, slots=True)
class RefreshUse:
    """A refresh token, as it is used; see `core.refresh.use`. `expires_at`: the end of the next one."""

    token: bytes
    fresh: bytes
    successor: Callable[[bytes], bytes]
    expires_at: Millis


class SessionStore(Protocol):
    """Logins, as they are stored. Raises `Unavailable` if the database does not answer in time."""

    async def begin(self, beginning: Beginning) -> tuple[SessionId, ...]:
        """Store a login; the answer is which ones it ended.

        Those of the same installation of the app, and what a user has too many of.

        Raises:
            InvalidCredentials: the user is gone, or their password is another one by now.
        """
        ...

    async def refresh(self, session_id: SessionId, use: RefreshUse, now: Millis) -> tuple[Session, bytes]:
        """Go on with a session by the rule of `core.refresh`, in one transaction.

        Answers with the seed by which the next token follows from the one used.

        Raises:
            TokenInvalid: no such session.
            TokenExpired: its time has passed.
            SessionRevoked: the session was ended, or is by this.
        """
        ...

    async def session(self, session_id: SessionId) -> Session | None:
        """One session, revoked ones too."""
        ...

    async def alive(self, user_id: UserId, now: Millis) -> tuple[Session, ...]:
        """The sessions of a user that were neither ended nor left to expire, last seen first."""
        ...

    async def knows(self, user_id: UserId, installation_id: bytes) -> bool:
        """Whether a user ever logged in from an installation of the app, as far as that is kept."""
        ...

    async def saw(self, session_id: SessionId, now: Millis, before: Millis) -> None:
        """Note that a session is in use, if it was last seen before then."""
        ...

    async def describe(self, session_id: SessionId, device: Device) -> None:
        """Change what is said of its device; its installation stays."""
        ...

    async def revoke(self, session_id: SessionId, now: Millis) -> None:
        """End a session; ending it again changes nothing."""
        ...

    async def revoke_all(
        self, user_id: UserId, now: Millis, keep: SessionId | None = None
    ) -> tuple[SessionId, ...]:
        """End the sessions of a user, all but one; the answer is which ones."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a genuine access token speaks for. `expires_at` may be past where that was allowed."""

    user_id: UserId
    session_id: SessionId
    expires_at: Millis


class Authenticator(Protocol):
    """The one check of an access token, for REST and for the Socket.IO connection."""

    async def authenticate(self, token: str | None, *, allow_expired: bool = False) -> Identity:
        """Who a token speaks for; its session must be alive.

        Raises:
            TokenMissing, TokenInvalid, TokenExpired, SessionRevoked
        """
        ...


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A login with fresh tokens. `expires_in`: seconds that the access token lives."""

    user: User
    session: Session
    access_token: str
    refresh_token: str
    expires_in: int


class Logins(Protocol):
    """How sessions begin. `address` is the client's, for the rate limit.

    Every method may raise `Unavailable`; those that take a password `Overloaded`, if too many wait.
    """

    async def register(
        self,
        *,
        username: str,
        password: str,
        display_name: str | None,
        phone: str | None,
        device: Device,
        address: str | None,
    ) -> LoggedIn:
        """Make an account and log in.

        If its answer is lost the account may be there: asking again says `UsernameTaken`, and `login` works.

        Raises:
            InvalidPayload: no phone number, or a blank name.
            UsernameTaken, PhoneTaken, RateLimited
        """
        ...

    async def login(
        self, *, username: str | None, phone: str | None, password: str, device: Device, address: str | None
    ) -> LoggedIn:
        """Log in by username or phone, by exactly one of them.

        Raises:
            InvalidPayload: both, neither, or no phone number.
            InvalidCredentials: no such user or not his password; both take the same time.
            RateLimited: too many tries failed, of this account or from this address. Not where the device was
                logged in to the account before: it has a count of its own.
        """
        ...


class Sessions(Protocol):
    """How logins go on and end. Every method may raise `Unavailable`."""

    async def refresh(self, refresh_token: str) -> LoggedIn:
        """Exchange a refresh token for fresh tokens, by the rule of `core.refresh`.

        Raises:
            TokenInvalid, TokenExpired, SessionRevoked, RateLimited
        """
        ...

    async def current(self, identity: Identity) -> Session:
        """The login that a token speaks for.

        Raises:
            TokenInvalid: it is not there any more.
        """
        ...

    async def alive(self, identity: Identity) -> tuple[Session, ...]:
        """The user's logins, last seen first."""
        ...

    async def describe(self, identity: Identity, changes: Mapping[str, Any]) -> Session:
        """Change what is said of this login's device: some of `name`, `platform` and `app_version`."""
        ...

    async def end(self, identity: Identity, session_id: SessionId) -> None:
        """End one of the user's logins; ending it again changes nothing.

        Raises:
            NotFound: the user has no such login.
        """
        ...

    async def end_others(self, identity: Identity) -> None:
        """End all of the user's logins but this one."""
        ...


class Health(Protocol):
    """What `ready` asks."""

    async def check(self) -> Mapping[str, str]:
        """Name of each part to `ok` or what is wrong with it, within 2 s."""
        ...
