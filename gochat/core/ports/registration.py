"""Who may register, and the invitations to."""

from typing import Protocol

from gochat.core.model import Millis


class Invites(Protocol):
    """Invitations. Raises `Unavailable` if the database does not answer in time."""

    async def take(self, code_hash: bytes, now: Millis) -> bool:
        """Use it once; whether that could be."""
        ...

    async def give_back(self, code_hash: bytes) -> None:
        """It was not used after all."""
        ...


class Registration(Protocol):
    """The gate before registering."""

    async def admit(self, invite: str | None, address: str | None) -> None:
        """Let somebody register; an invitation that is needed is used by it. `address` is the client's.

        Raises:
            Forbidden: not like this; `field` is `invite` where an invitation would help.
            RateLimited: too many wrong ones from this address.
        """
        ...

    async def refused(self, invite: str | None) -> None:
        """Who was admitted did not register after all: the invitation was not used."""
        ...
