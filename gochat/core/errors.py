"""Everything that a user can do wrong, or that can go wrong for them, as one tree.

    ChatError
      InvalidPayload            invalid_payload        the request itself; `field` names the part
      UnknownEvent              unknown_event
      NotFound                  not_found              also: not a member
      Forbidden                 forbidden              a member, but their role does not allow it
      TermsRequired             terms_required
      ContentRefused            content_refused        a filter of whoever runs the server
      MessageDeleted            message_deleted
      Superseded                superseded             it was changed since the user saw it
      IdempotencyConflict       idempotency_conflict   the retry key was used for another request
      LimitExceeded             limit_exceeded
      CursorInvalid             cursor_invalid
      PositionLost              position_lost
      UsernameTaken             username_taken
      PhoneTaken                phone_taken
      Unauthenticated
        InvalidCredentials      invalid_credentials
        AccountDisabled         account_disabled
        TokenMissing            token_missing
        TokenInvalid            token_invalid
        TokenExpired            token_expired          retryable, with a fresh token
        SessionRevoked          session_revoked
      RateLimited               rate_limited           retryable
      Overloaded                overloaded             retryable
      Unavailable               unavailable            retryable: the database does not answer
      Internal                  internal               retryable: a fault of ours

`code` is the stable name that clients may rely on. `retryable` says that the very same request may succeed
later; an error that is not retryable must not be sent again unchanged.
"""

from collections.abc import Mapping
from typing import ClassVar


class ChatError(Exception):
    """A request was refused. Nothing of it was stored.

    Args:
        message: for the developer of the app, in English; never an inside of the server.
        field: dotted path of the part of the request that is at fault.
        details: machine-readable additions, of JSON types.
        retry_after_ms: when to come back, for the retryable ones; without it as the class has it.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    text: ClassVar[str]
    usual_retry_after_ms: ClassVar[int | None] = None

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        details: Mapping[str, object] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message or self.text)
        self.message = message or self.text
        self.field = field
        self.details = details
        self.retry_after_ms = self.usual_retry_after_ms if retry_after_ms is None else retry_after_ms


class InvalidPayload(ChatError):
    """The request has a wrong, missing or unknown part."""

    code = "invalid_payload"
    text = "The request is not valid."


class UnknownEvent(ChatError):
    """No such event."""

    code = "unknown_event"
    text = "There is no such event."


class NotFound(ChatError):
    """It does not exist, or not for this user."""

    code = "not_found"
    text = "Not found."


class Forbidden(ChatError):
    """The user sees it but may not do this to it."""

    code = "forbidden"
    text = "You may not do this."


class TermsRequired(ChatError):
    """The terms have to be accepted first (`GET terms`, `POST me/terms`); `details.version` names them."""

    code = "terms_required"
    text = "The terms have to be accepted first."


class ContentRefused(ChatError):
    """Whoever runs the server does not let this be said; `details.rule` tells which rule."""

    code = "content_refused"
    text = "This can't be said here."


class MessageDeleted(ChatError):
    """The message was deleted and can't be changed."""

    code = "message_deleted"
    text = "The message was deleted."


class Superseded(ChatError):
    """It was changed since: an old change must not undo a newer one. `details.revision` is the newest."""

    code = "superseded"
    text = "It was changed meanwhile."


class IdempotencyConflict(ChatError):
    """The retry key belongs to a request with other contents."""

    code = "idempotency_conflict"
    text = "This key was already used for another request."


class LimitExceeded(ChatError):
    """A bound of the product; `details` names it."""

    code = "limit_exceeded"
    text = "A limit was exceeded."


class CursorInvalid(ChatError):
    """The cursor is not one of ours, or not this user's."""

    code = "cursor_invalid"
    text = "The cursor is not valid."


class PositionLost(ChatError):
    """From this position it can't be told what changed: too old, of another history, or not this user's."""

    code = "position_lost"
    text = "What changed since this position is not known any more. Send what you hold."


class UsernameTaken(ChatError):
    """Another account has this username."""

    code = "username_taken"
    text = "This username is taken."


class PhoneTaken(ChatError):
    """Another account has this phone number."""

    code = "phone_taken"
    text = "This phone number is taken."


class Unauthenticated(ChatError):
    """Who is asking is not known."""


class InvalidCredentials(Unauthenticated):
    """No such user, or not their password: one answer for both."""

    code = "invalid_credentials"
    text = "The name or the password is wrong."


class AccountDisabled(Unauthenticated):
    """An operator has closed the account."""

    code = "account_disabled"
    text = "This account was closed by whoever runs the server."


class TokenMissing(Unauthenticated):
    """No token was sent."""

    code = "token_missing"
    text = "A token is needed."


class TokenInvalid(Unauthenticated):
    """Not a token of ours, or of the wrong kind."""

    code = "token_invalid"
    text = "The token is not valid."


class TokenExpired(Unauthenticated):
    """A genuine token whose time has passed."""

    code = "token_expired"
    retryable = True
    text = "The token has expired."


class SessionRevoked(Unauthenticated):
    """The session was ended: by its user, or because a copy of a refresh token was used."""

    code = "session_revoked"
    text = "The session was ended. Log in again."


class RateLimited(ChatError):
    """Too many tries; `retry_after_ms` says when the next is accepted."""

    code = "rate_limited"
    retryable = True
    text = "Too many requests."


class Overloaded(ChatError):
    """A queue is full; nothing was accepted."""

    code = "overloaded"
    retryable = True
    usual_retry_after_ms = 1_000
    text = "The server is busy."


class Unavailable(ChatError):
    """A service behind the server does not answer. A send may be repeated with the same key."""

    code = "unavailable"
    retryable = True
    usual_retry_after_ms = 1_000
    text = "The service is not available."


class Internal(ChatError):
    """A fault of the server."""

    code = "internal"
    retryable = True
    text = "An unexpected error."
