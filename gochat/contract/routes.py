"""The table of REST routes: the app is built from it, and so is OpenAPI."""

import re
from typing import Literal

from gochat.contract import parameters, requests, shapes
from gochat.contract.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from gochat.core import errors
from gochat.core.errors import ChatError
from gochat.core.values import value

PREFIX = "/api/v1"


@value(frozen=True, slots=True)
class Route:
    """One operation. Whatever succeeds answers 200 with `answer`; errors are `shapes.Problem`.

    `path` is below `PREFIX`; what is in braces is an id, or as `parameters.PATH` says. A request has a JSON
    `body`, a `query`, or neither.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    name: str
    """Unique; the operation id of OpenAPI."""
    summary: str
    answer: type
    body: type[requests.Request] | None = None
    query: type[parameters.Query] | None = None
    raises: tuple[type[ChatError], ...] = ()
    """What it alone may answer; see `errors` for all."""
    lines: bool = False
    """Whether it answers many objects, one a line (application/x-ndjson), as they are read."""
    accepted: bool = False
    """Whether it answers 202 in place of 200: what becomes of it is not told."""
    unavailable: type | None = None
    """What 503 answers in place of a problem."""
    auth: bool = True
    """Whether it needs `Authorization: Bearer` with an access token (RFC 6750)."""
    event: str | None = None
    """The event that does the same: their uses are counted together; or a row of `core.rates` of its own."""

    @property
    def rate(self) -> str:
        """The name in `core.rates` under which a user's requests are counted."""
        return self.event or ("read" if self.method == "GET" else "write")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def errors(self) -> tuple[type[ChatError], ...]:
        """Every error that it may answer. Unknown query parameters are refused everywhere."""
        found: list[type[ChatError]] = [*self.raises, errors.InvalidPayload]
        if self.auth:
            found += _UNAUTHENTICATED
            found.append(errors.RateLimited)
        if self.body is not None:
            found += [PayloadTooLarge, RequestTimeout, UnsupportedMediaType]
        if self.answer is not shapes.HealthAnswer:
            found += [errors.Overloaded, errors.Unavailable]
        found.append(errors.Internal)
        return tuple(dict.fromkeys(found))


_UNAUTHENTICATED = [errors.TokenMissing, errors.TokenInvalid, errors.TokenExpired, errors.SessionRevoked]

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/auth/register",
        "register",
        "Make an account and log in.",
        shapes.Tokens,
        body=requests.Register,
        raises=(
            errors.Forbidden,
            errors.UsernameTaken,
            errors.PhoneTaken,
            errors.ContentRefused,
            errors.RateLimited,
        ),
        auth=False,
    ),
    Route(
        "POST",
        "/auth/login",
        "login",
        "Log in by username or phone.",
        shapes.Tokens,
        body=requests.Login,
        raises=(errors.InvalidCredentials, errors.AccountDisabled, errors.RateLimited),
        auth=False,
    ),
    Route(
        "POST",
        "/auth/refresh",
        "refresh",
        "Exchange a refresh token for fresh tokens.",
        shapes.Tokens,
        body=requests.RefreshTokens,
        raises=(errors.TokenInvalid, errors.TokenExpired, errors.SessionRevoked, errors.RateLimited),
        auth=False,
    ),
    Route(
        "POST",
        "/auth/exchange",
        "exchange_token",
        "Log in with a token of the team's own login; the user is made at first sight.",
        shapes.Tokens,
        body=requests.ExchangeToken,
        raises=(
            errors.TokenInvalid,
            errors.TokenExpired,
            errors.InvalidCredentials,
            errors.AccountDisabled,
            errors.RateLimited,
        ),
        auth=False,
    ),
    Route(
        "POST",
        "/auth/logout",
        "logout",
        "End this session: its tokens work no more.",
        shapes.Empty,
    ),
    Route(
        "POST",
        "/auth/password",
        "change_password",
        "Change one's password; all other logins end.",
        shapes.Empty,
        body=requests.ChangePassword,
        raises=(errors.InvalidCredentials,),
    ),
    Route(
        "POST",
        "/auth/reset",
        "reset_password",
        "Set a password anew by a code; all logins end.",
        shapes.Empty,
        body=requests.Reset,
        raises=(errors.InvalidCredentials, errors.RateLimited),
        auth=False,
    ),
    Route(
        "POST",
        "/server/users",
        "server_user",
        "Make a user, or find the one made before; with a server key in place of a token.",
        shapes.UserAnswer,
        body=requests.ServerUser,
        raises=(
            errors.TokenMissing,
            errors.TokenInvalid,
            errors.Forbidden,
            errors.UsernameTaken,
            errors.RateLimited,
        ),
        auth=False,
    ),
    Route(
        "POST",
        "/server/tokens",
        "server_tokens",
        "Log a user in on their behalf; with a server key in place of a token.",
        shapes.Tokens,
        body=requests.ServerTokens,
        raises=(
            errors.TokenMissing,
            errors.TokenInvalid,
            errors.Forbidden,
            errors.NotFound,
            errors.InvalidCredentials,
            errors.AccountDisabled,
            errors.RateLimited,
        ),
        auth=False,
    ),
    Route("GET", "/auth/sessions", "sessions", "One's logins, last seen first.", shapes.SessionList),
    Route(
        "DELETE",
        "/auth/sessions",
        "end_sessions",
        "End all of one's logins but this one.",
        shapes.SessionList,
        query=parameters.EndSessions,
    ),
    Route(
        "PUT",
        "/auth/sessions/current",
        "update_session",
        "Say what this login's device is called, and what runs on it.",
        shapes.SessionAnswer,
        body=requests.UpdateSession,
    ),
    Route(
        "DELETE",
        "/auth/sessions/{session_id}",
        "end_session",
        "End one of one's logins.",
        shapes.SessionList,
        raises=(errors.NotFound,),
    ),
    Route("GET", "/me", "me", "The account and the session that the token speaks for.", shapes.AccountAnswer),
    Route(
        "PATCH",
        "/me",
        "update_me",
        "Change what is said of oneself.",
        shapes.AccountAnswer,
        body=requests.UpdateProfile,
        raises=(errors.Forbidden, errors.ContentRefused),
    ),
    Route(
        "GET",
        "/terms",
        "terms",
        "What users have to accept, and whom they turn to.",
        shapes.Terms,
        auth=False,
    ),
    Route(
        "POST",
        "/me/terms",
        "accept_terms",
        "Accept the terms.",
        shapes.AccountAnswer,
        body=requests.AcceptTerms,
    ),
    Route(
        "POST",
        "/reports",
        "report",
        "Report a user or a message; answered with 202, and the same whatever there is.",
        shapes.Empty,
        body=requests.Report,
        accepted=True,
    ),
    Route(
        "POST",
        "/users/contacts",
        "contacts",
        "Who of an address book is here and lets themselves be found.",
        shapes.ContactList,
        body=requests.Contacts,
        event="users:contacts",
    ),
    Route(
        "DELETE",
        "/me",
        "delete_me",
        "Delete the account; all logins end at once.",
        shapes.Deletion,
    ),
    Route(
        "GET",
        "/me/export",
        "export",
        "All that is held of oneself, as lines of JSON.",
        shapes.ExportLine,
        lines=True,
    ),
    Route("GET", "/me/blocks", "blocks", "Whom one has blocked, by username.", shapes.UserList),
    Route(
        "PUT",
        "/me/blocks",
        "block",
        "Block a user: neither writes to the other in their direct conversation, nor sees who is online.",
        shapes.UserList,
        body=requests.Block,
        raises=(errors.NotFound, errors.LimitExceeded),
    ),
    Route(
        "DELETE",
        "/me/blocks",
        "unblock",
        "Block a user no more.",
        shapes.UserList,
        query=parameters.Unblock,
        raises=(errors.NotFound,),
    ),
    Route(
        "GET",
        "/users",
        "users",
        "Those of the users that exist, or the first whose username begins so.",
        shapes.UserList,
        query=parameters.Users,
    ),
    Route(
        "GET",
        "/conversations",
        "conversations",
        "One's conversations, newest first.",
        shapes.ConversationList,
        query=parameters.Conversations,
        raises=(errors.CursorInvalid,),
    ),
    Route(
        "POST",
        "/conversations",
        "create_conversation",
        "Create a conversation, or find the one that this request created before.",
        shapes.ConversationAnswer,
        body=requests.Create,
        raises=(
            errors.NotFound,
            errors.Forbidden,
            errors.ContentRefused,
            errors.IdempotencyConflict,
            errors.LimitExceeded,
        ),
        event="conversation:create",
    ),
    Route(
        "POST",
        "/conversations/quit",
        "quit_conversations",
        "Quit several groups.",
        shapes.QuitAnswer,
        body=requests.Quit,
        event="conversation:quit",
    ),
    Route(
        "GET",
        "/conversations/{conversation_id}",
        "conversation",
        "One conversation.",
        shapes.ConversationAnswer,
        raises=(errors.NotFound,),
    ),
    Route(
        "GET",
        "/conversations/{conversation_id}/members",
        "members",
        "The active members of a conversation.",
        shapes.MemberList,
        query=parameters.Page,
        raises=(errors.NotFound, errors.CursorInvalid),
    ),
    Route(
        "GET",
        "/conversations/{conversation_id}/bans",
        "bans",
        "Who is banned from a group, the newest first, at most 500: for its owner and admins.",
        shapes.UserList,
        raises=(errors.NotFound, errors.Forbidden),
    ),
    Route(
        "POST",
        "/conversations/{conversation_id}/receipts",
        "advance_receipts",
        "Say how far one got: delivered, read, or both.",
        shapes.ReceiptAnswer,
        body=requests.Receipts,
        raises=(errors.NotFound,),
        event="receipt:read",
    ),
    Route(
        "GET",
        "/messages",
        "messages",
        "A page of messages: the newest, or those before, after or around a seq.",
        shapes.HistoryAnswer,
        query=parameters.History,
        raises=(errors.NotFound,),
    ),
    Route(
        "GET",
        "/messages/search",
        "search_messages",
        "Look for a text in all messages that the user sees; the newest first.",
        shapes.SearchAnswer,
        query=parameters.Search,
        raises=(errors.NotFound, errors.CursorInvalid),
        event="search",
    ),
    Route(
        "GET",
        "/messages/{conversation_id}/{seq}/reactions",
        "reactions",
        "Who reacted to a message, and how: kind by kind, the newest first.",
        shapes.ReactionList,
        query=parameters.Reactions,
        raises=(errors.NotFound, errors.CursorInvalid),
    ),
    Route(
        "POST",
        "/messages",
        "send_message",
        "Send a message; with the same key again, the first result.",
        shapes.SendAnswer,
        body=requests.Send,
        raises=(
            errors.NotFound,
            errors.Forbidden,
            errors.TermsRequired,
            errors.ContentRefused,
            errors.IdempotencyConflict,
            errors.LimitExceeded,
        ),
        event="message:send",
    ),
    Route(
        "POST",
        "/sync",
        "sync",
        "What changed since the revisions that the phone holds.",
        shapes.SyncAnswer,
        body=requests.Sync,
        raises=(errors.CursorInvalid, errors.PositionLost),
        event="sync",
    ),
    Route("GET", "/health", "health", "What runs, and how its parts are.", shapes.HealthAnswer, auth=False),
    Route(
        "GET",
        "/health/live",
        "live",
        "The process answers; nothing else is asked.",
        shapes.HealthAnswer,
        auth=False,
    ),
    Route(
        "GET",
        "/health/ready",
        "ready",
        "Whether all parts answer; status 503 if one does not.",
        shapes.HealthAnswer,
        unavailable=shapes.HealthAnswer,
        auth=False,
    ),
)
