"""What a handler gets: the request, validated, and who asks."""

from collections.abc import Mapping
from typing import Generic, TypeAlias

from starlette.responses import Response

from gochat.contract.requests import R
from gochat.core.model import ConversationId, UserId
from gochat.core.ports.logins import Identity
from gochat.core.values import value

Answer: TypeAlias = Mapping[str, object] | Response
"""One of `contract.shapes`, answered with 200; or a whole response."""


@value(frozen=True, slots=True)
class OpenCall(Generic[R]):
    """A call of a route that needs no token. `address` is the client's; see `gochat.address`."""

    request: R
    address: str | None
    bearer: str | None = None
    """What stands in `Authorization: Bearer`, unchecked."""


@value(frozen=True, slots=True)
class UserCall(Generic[R]):
    """A call by a user. `ids` are what the path names; `address` is the client's."""

    request: R
    identity: Identity
    ids: Mapping[str, int]
    address: str | None

    @property
    def user_id(self) -> UserId:
        """Who asks."""
        return self.identity.user_id

    @property
    def conversation_id(self) -> ConversationId:
        """The conversation that the path names."""
        return self.ids["conversation_id"]
