"""A connection gets a new token."""

from dataclasses import replace

from gochat.contract.requests import Refresh, parse
from gochat.core.model import Standing
from gochat.core.ports.logins import Identity
from gochat.events.connection import Connection
from gochat.events.handlers import Handlers


class Slow:
    """An authenticator; what is decided comes while it answers, after it has read how they stand."""

    def __init__(self, connection: Connection, decided: Standing) -> None:
        self._connection = connection
        self._decided = decided

    async def authenticate(self, token: str | None) -> Identity:
        read = replace(self._connection.identity, expires_at=9)
        self._connection.identity = replace(self._connection.identity, standing=self._decided)
        return read


async def test_what_is_decided_while_a_token_is_looked_at_holds() -> None:
    connection, muted = Connection("sid", Identity(1, 2, 3)), Standing(muted_until=1 << 50)
    parts = dict.fromkeys(Handlers.__dataclass_fields__) | {
        "authenticator": Slow(connection, muted),
        "refreshed": lambda _: None,
    }
    handler = Handlers(**parts).table()["auth:refresh"]  # type: ignore[arg-type]
    await handler.run(connection, parse(Refresh, {"token": "t"}))
    assert connection.identity == Identity(1, 2, 9, standing=muted)
