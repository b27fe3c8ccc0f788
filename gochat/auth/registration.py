"""Who may make an account by registering: anybody, who was invited, or nobody."""

from collections.abc import Callable

from gochat.auth.login import reset_hash
from gochat.auth.tries import Tries
from gochat.core.errors import Forbidden
from gochat.core.model import Millis
from gochat.core.ports.registration import Invites
from gochat.core.registration import Mode


class Registration:
    """The gate before registering."""

    def __init__(self, mode: Mode, invites: Invites, tries: Tries, clock: Callable[[], Millis]) -> None:
        self._mode = mode
        self._invites = invites
        self._tries = tries
        self._clock = clock

    async def admit(self, invite: str | None, address: str | None) -> None:
        """Let somebody register."""
        if self._mode is Mode.CLOSED:
            raise Forbidden("Accounts are not made by registering here.")
        if self._mode is Mode.OPEN:
            return
        if not invite or not await self._invites.take(reset_hash(invite), self._clock()):
            await self._tries.wrong_key(address)
            raise Forbidden("An invitation is needed that was not used and has not expired.", field="invite")

    async def refused(self, invite: str | None) -> None:
        """The invitation was not used."""
        if self._mode is Mode.INVITE and invite:
            await self._invites.give_back(reset_hash(invite))
