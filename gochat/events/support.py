"""What an operator sees of the sockets of one user at this process: never what they say."""

import time
from collections.abc import AsyncIterator, Iterator

from gochat.contract.ids import id_in, id_out
from gochat.events.connection import Roster, State
from gochat.events.engine_sockets import EngineSockets


class Support:
    """Answers of the control socket. Ids are those that phones have."""

    def __init__(self, roster: Roster, sockets: EngineSockets) -> None:
        self._roster = roster
        self._sockets = sockets

    def user(self, user: str) -> dict[str, object]:
        """The sockets of a user."""
        return {"connections": list(self._connections(user))}

    def _connections(self, user: str) -> Iterator[dict[str, object]]:
        for connection in self._roster.of((id_in(user),)):
            transport, backlog = self._sockets.describe(connection.sid)
            yield {
                "connection": connection.sid,
                "session": id_out(connection.identity.session_id),
                "client": connection.client,
                "transport": transport,
                "backlog_bytes": backlog,
                "seconds": round(time.monotonic() - connection.since),
                "ready": connection.state is State.READY,
                "last_error": connection.last_error,
            }

    async def follow(self, user: str) -> AsyncIterator[dict[str, object]]:
        """What they do, as it happens."""
        yield {"what": "following", "sockets": len(self._roster.of((id_in(user),)))}
        async for line in self._roster.follow(id_in(user)):
            yield {name: id_out(it) if name in {"user", "conversation"} else it for name, it in line.items()}  # type: ignore[arg-type]
