"""The seam for requests that name a session of another process: without sticky sessions they come anyhow."""

from typing import Protocol

from .handshake import Request
from .transports import SocketTransport


class Relay(Protocol):
    """Reaches the sessions of other processes."""

    @property
    def prefix(self) -> str:
        """How the ids of this process's own sessions begin."""

    def owner(self, sid: str) -> str | None:
        """The other process that has a session, as its id says; None if it is not another's."""

    async def request(self, owner: str, request: Request, body: bytes) -> bytes:
        """Have a polling request answered by the owner. Cancelled, it tells that the client has gone.

        Raises Refused: by the owner, or because it does not answer (any more).
        """

    def attach(self, owner: str, request: Request, websocket: SocketTransport) -> None:
        """Give the owner a websocket that is to take a polling session over."""
