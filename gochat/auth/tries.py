"""How often one may try to log in: tries that fail are counted, per account and per address apart.

A try counts from when it begins, so that many at once are no more than are allowed, and no more once it was
right. A device that was logged in to the account before has a count of its own: whatever others try, for the
account or from the same address, its user gets in.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from gochat.address import network_of
from gochat.core.errors import ChatError, InvalidCredentials, TokenInvalid
from gochat.core.model import SessionId
from gochat.core.rates import LOGIN, LOGIN_HERE, LOGIN_KNOWN, REFRESH, REGISTER, Key, SharedRates


class Tries:
    """Over the rates that all processes share."""

    def __init__(self, rates: SharedRates) -> None:
        self._rates = rates

    @asynccontextmanager
    async def login(self, account: str, address: str | None, device: bytes | None) -> AsyncIterator[None]:
        """Around a try. If it raises InvalidCredentials, it stays counted.

        Args:
            account: the name or number that was given.
            device: the installation, if it was logged in to that account before.

        Raises:
            RateLimited: there were too many.
        """
        async with self._counted(_counts(account, address, device), InvalidCredentials):
            yield

    @asynccontextmanager
    async def exchange(self, address: str | None) -> AsyncIterator[None]:
        """Around the reading of an issuer's token. If it raises TokenInvalid, it stays counted.

        Raises:
            RateLimited: there were too many.
        """
        async with self._counted(((LOGIN, _at(address)),), TokenInvalid):
            yield

    @asynccontextmanager
    async def _counted(
        self, counts: Iterable[tuple[str, Mapping[Key, str]]], wrong: type[ChatError]
    ) -> AsyncIterator[None]:
        async with AsyncExitStack() as given_back:
            for name, who in counts:
                await self._rates.take(name, who)
                given_back.push_async_callback(self._rates.give_back, name, who)
            try:
                yield
            except wrong:
                given_back.pop_all()
                raise

    async def register(self, address: str | None) -> None:
        """Count an account that is to be made.

        Raises:
            RateLimited
        """
        await self._rates.take(REGISTER, _at(address))

    async def refresh(self, session_id: SessionId) -> None:
        """Count a use of a session's refresh tokens.

        Raises:
            RateLimited
        """
        await self._rates.take(REFRESH, {Key.ACCOUNT: str(session_id)})

    async def wrong_key(self, address: str | None) -> None:
        """Count a server key or an invitation that is none; a right one counts for nothing, whoever else is
        at its address.

        Raises:
            RateLimited
        """
        await self._rates.take(LOGIN, _at(address))

    async def close(self) -> None:
        """Close the connections."""
        await self._rates.close()


def _counts(
    account: str, address: str | None, device: bytes | None
) -> Iterable[tuple[str, Mapping[Key, str]]]:
    """What a try counts for, the narrowest first."""
    if device is not None:
        return ((LOGIN_KNOWN, {Key.ACCOUNT: f"{account} {device.hex()}"}),)
    whole = (LOGIN, {Key.ACCOUNT: account, **_at(address)})
    if address is None:
        return (whole,)
    return ((LOGIN_HERE, {Key.ADDRESS: f"{account} {network_of(address)}"}), whole)


def _at(address: str | None) -> Mapping[Key, str]:
    return {} if address is None else {Key.ADDRESS: network_of(address)}
