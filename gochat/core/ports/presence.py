"""Who is online."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from gochat.core.model import Millis, UserId
from gochat.core.presence import Sighting


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
