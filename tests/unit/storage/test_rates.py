"""What a single process remembers of what it has counted: bounded, and for a day."""

import pytest

from gochat.core.errors import RateLimited
from gochat.core.rates import NEW_S, Key, Rate
from gochat.storage.rates import AloneRates

BOOK = 1_000
"""Numbers in an address book; each user may ask for one, and then for none that was not counted."""
REMEMBERED = 100


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.rates = AloneRates([Rate("contacts", BOOK, NEW_S)], lambda: self.now)

    async def ask(self, user: int, first: int = 0) -> None:
        numbers = [f"+49{user}{number:06}" for number in range(first, first + BOOK)]
        await self.rates.take_new("contacts", Key.USER, str(user), numbers)


async def test_what_is_remembered_of_all_is_bounded() -> None:
    """A hundred thousand numbers; of more the oldest are forgotten, and count once more."""
    world = World()
    users = range(REMEMBERED + 50)
    for user in users:
        await world.ask(user)
    for user in users[50:]:
        await world.ask(user)
    for user in users[:50]:
        with pytest.raises(RateLimited):
            await world.ask(user)
    await world.ask(users[50])


async def test_what_was_refused_takes_no_room() -> None:
    world = World()
    for user in range(REMEMBERED):
        await world.ask(user)
    for user in range(REMEMBERED):
        with pytest.raises(RateLimited):
            await world.ask(user, first=BOOK)
    for user in range(REMEMBERED):
        await world.ask(user)


async def test_what_has_expired_takes_no_room() -> None:
    """It is counted anew for whoever asks again, in the room that it had."""
    world = World()
    for _ in range(3):
        for user in range(REMEMBERED):
            await world.ask(user)
        world.now += NEW_S
    for user in range(REMEMBERED):
        await world.ask(user)
    for user in range(REMEMBERED):
        await world.ask(user)
