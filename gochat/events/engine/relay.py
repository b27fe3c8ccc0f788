"""The seam for requests that name a session of another process: without sticky sessions they come anyhow."""

from collections.abc import Callable
from typing import Protocol

from .errors import Refused
from .handshake import Request
from .transports import SocketTransport

Told = Callable[[bool], object]
"""Is told whether an answer was written to its client's connection, as far as that can be known."""


class Asking(Protocol):
    """A request that waits for its answer."""

    def answer(self, body: bytes, told: Told | None = None) -> None:
        """Answer with a payload."""

    def refuse(self, refused: Refused) -> None:
        """Answer with an error."""


class Elsewhere(Protocol):
    """A request that another process answers."""

    def leave(self) -> None:
        """Tell it that the client is gone."""

    def release(self) -> None:
        """Have a poll answered soon, though there may be nothing to say."""


class Relay(Protocol):
    """Reaches the sessions of other processes."""

    @property
    def prefix(self) -> str:
        """How the ids of this process's own sessions begin."""

    def owner(self, sid: str) -> str | None:
        """The other process that has a session, as its id says; None if it is not another's."""

    def ask(self, owner: str, request: Request, body: bytes, asking: Asking) -> Elsewhere:
        """Have a polling request answered by the owner, at some time after this call.

        The owner is told whether the answer was written to the client's connection.
        """

    async def request(self, owner: str, request: Request, body: bytes) -> None:
        """Have the owner take one of a body's parts, of which more follow.

        Raises Refused: by the owner, or because it does not answer (any more).
        """

    def attach(self, owner: str, request: Request, websocket: SocketTransport) -> None:
        """Give the owner a websocket that is to take a polling session over."""
