"""An address book, compared with the users who are here."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from gochat.auth.names import phone_in
from gochat.core.errors import InvalidPayload
from gochat.core.model import User, UserId
from gochat.core.ports.accounts import Accounts


class PhoneContacts:
    """`core.ports.accounts.Contacts`."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def read(self, numbers: Sequence[str], region: str | None) -> Mapping[str, str]:
        """Which numbers those are."""
        # A thousand take a fifth of a second: not on the event loop.
        return await asyncio.to_thread(_parsed, numbers, region)

    async def find(self, user_id: UserId, phones: Collection[str]) -> Mapping[str, User]:
        """Who of the address book is here."""
        return await self._accounts.by_phones(user_id, tuple(phones))


def _parsed(numbers: Sequence[str], region: str | None) -> dict[str, str]:
    known = {}
    for number in numbers:
        try:
            known[number] = phone_in(number, region)
        except InvalidPayload:
            continue
    return known
