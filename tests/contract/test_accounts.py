"""Users, on every database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gochat.core.erasure import NEUTRAL_NAME, neutral_username
from gochat.core.errors import PhoneTaken, UsernameTaken
from gochat.core.model import User
from gochat.core.ports.accounts import Account
from gochat.storage import migrate
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database

NOW = 1_700_000_000_000
ANNA = Account(
    User(7, "anna", "Anna 👋", "https://example.org/a.png", "Naïve"), "$argon2id$v=19$m=8$x", "+4930123456"
)
BEN = Account(User(8, "ben", "Ben"), "$argon2id$v=19$m=8$y")


@asynccontextmanager
async def accounts_of(url: str) -> AsyncIterator[StoredAccounts]:
    migrate.upgrade(url)
    database = Database(url, pool_size=4)
    try:
        yield StoredAccounts(database)
    finally:
        await database.close()


def test_a_user_is_found_by_each_of_his_names(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            for account in (ANNA, BEN):
                await accounts.create(account, NOW)
                assert await accounts.by_username(account.user.username) == account
            assert await accounts.by_phone("+4930123456") == ANNA
            for unknown in ("Anna", "anna ", "änna", "", "carl", "anna\0", "x' OR 1=1 --"):
                assert await accounts.by_username(unknown) is None
                assert await accounts.by_phone(unknown) is None
            users = await accounts.users([8, 7, 9, 7, -1])
            assert sorted(users, key=lambda user: user.id) == [ANNA.user, BEN.user]
            assert await accounts.users([]) == ()
            for prefix, found in {"anna": [ANNA], "b": [BEN], "c": [], "%": [], "anna_": []}.items():
                assert await accounts.search(prefix) == tuple(account.user for account in found)

    asyncio.run(scenario())


def test_who_is_deleted_is_found_by_no_name(database_url: str) -> None:
    """However many they are: they would else fill the page before those who are there."""

    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            for number in range(20, 45):
                nobody = User(number, neutral_username(number), NEUTRAL_NAME, deleted=True)
                await accounts.create(Account(nobody, ""), NOW)
            there = [User(1, "dele", "D"), User(2, "deleted.x", "D"), User(3, "deleted_x", "D")]
            for user in (*there, User(4, "delia", "D")):
                await accounts.create(Account(user, ""), NOW)
            assert await accounts.search("del") == (*there, User(4, "delia", "D"))
            assert await accounts.search("dele") == tuple(there)
            assert await accounts.search("deleted-") == ()

    asyncio.run(scenario())


def test_names_and_numbers_are_taken_once(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            await accounts.create(ANNA, NOW)
            with pytest.raises(UsernameTaken) as username:
                await accounts.create(Account(User(9, "anna", "x"), "", None), NOW)
            assert username.value.field == "username"
            with pytest.raises(PhoneTaken) as phone:
                await accounts.create(Account(User(9, "other", "x"), "", ANNA.phone), NOW)
            assert phone.value.field == "phone"
            with pytest.raises(UsernameTaken):
                await accounts.create(Account(User(9, "anna", "x"), "", ANNA.phone), NOW)
            assert await accounts.users([9]) == ()

    asyncio.run(scenario())


def test_of_many_who_want_a_name_at_once_one_gets_it(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            wanting = [accounts.create(Account(User(n, "anna", "x"), "", None), NOW) for n in range(1, 13)]
            answers = await asyncio.gather(*wanting, return_exceptions=True)
            assert [it for it in answers if not isinstance(it, UsernameTaken)] == [None]
            assert len(await accounts.users(range(1, 13))) == 1

    asyncio.run(scenario())


def test_a_password_is_replaced_where_it_is_still_the_old_one(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            await accounts.create(ANNA, NOW)
            assert await accounts.set_password(ANNA.user.id, ANNA.password_hash, "$new")
            assert not await accounts.set_password(ANNA.user.id, ANNA.password_hash, "$newer")
            assert not await accounts.set_password(9, "$new", "$newer")
            found = await accounts.by_username("anna")
            assert found is not None
            assert found.password_hash == "$new"

    asyncio.run(scenario())
