"""The seam between what processes tell each other and how: all that the rest of the chat knows of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

EVERYBODY = "all"
"""The room of all processes."""
MAX_PAYLOAD = 32 * 1024
"""Bytes; of a larger delta only the numbers are told, and the others read it from the database."""


@dataclass(frozen=True, slots=True)
class Topic(Generic[T]):
    """One kind of news between processes, as a header of JSON's types and a payload of bytes.

    What processes of the previous release say is unpacked too.
    """

    name: str
    pack: Callable[[T], tuple[Mapping[str, Any], bytes]]
    unpack: Callable[[Mapping[str, Any], bytes], T]


class Doorbell(Protocol):
    """Tells the other processes that have sockets in a room (a pub/sub wake-up). Nothing is guaranteed."""

    def ring(self, room: str, topic: Topic[T], news: T) -> None:
        """Tell them. Never waits, never raises."""
        ...

    def hear(self, topic: Topic[T], told: Callable[[T], None]) -> None:
        """From now on `told` is called on the event loop with what others ring of a topic, in order.

        Raises:
            ValueError: somebody else hears it.
        """
        ...

    def renewed(self, told: Callable[[], None]) -> None:
        """From now on `told` is called whenever all rooms are heard anew, after a loss too."""
        ...

    def listen(self, room: str) -> None:
        """Hear what is rung for a room from soon on."""
        ...

    def unlisten(self, room: str) -> None:
        """Hear it no more."""
        ...

    async def confirmed(self) -> None:
        """Wait until all rooms are heard that were asked for by now; if that can't be, not for long."""
        ...


class NoDoorbell:
    """One process: there is nobody to ring for."""

    def ring(self, room: str, topic: Topic[T], news: T) -> None:
        """Nothing."""

    def hear(self, topic: Topic[T], told: Callable[[T], None]) -> None:
        """Nothing."""

    def renewed(self, told: Callable[[], None]) -> None:
        """Nothing."""

    def listen(self, room: str) -> None:
        """Nothing."""

    def unlisten(self, room: str) -> None:
        """Nothing."""

    async def confirmed(self) -> None:
        """At once."""
