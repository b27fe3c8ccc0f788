"""Users and their sessions, on every database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gochat.core.errors import (
    ChatError,
    PhoneTaken,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
    UsernameTaken,
)
from gochat.core.model import Device, Session, User
from gochat.core.ports import Account
from gochat.storage import migrate
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database

NOW = 1_700_000_000_000
END = NOW + 1_000_000
LONG = 500_000
ANNA = Account(
    User(7, "anna", "Anna 👋", "https://example.org/a.png", "Naïve"), "$argon2id$v=19$m=8$x", "+4930123456"
)
BEN = Account(User(8, "ben", "Ben"), "$argon2id$v=19$m=8$y")
PHONE = Session(70, 7, Device("Anna’s phone", "android", "1.2.3"), NOW, NOW)


def token(n: int) -> bytes:
    return bytes([n]) * 32


@asynccontextmanager
async def accounts_of(url: str) -> AsyncIterator[StoredAccounts]:
    migrate.upgrade(url)
    database = Database(url, pool_size=4)
    try:
        yield StoredAccounts(database)
    finally:
        await database.close()


async def rotated(accounts: StoredAccounts, old: int, new: int, now: int) -> Session | type[ChatError]:
    try:
        return await accounts.rotate(PHONE.id, token(old), token(new), now, now + 1_000_000)
    except ChatError as error:
        return type(error)


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


def test_a_refresh_token_is_replaced(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            await accounts.add_session(PHONE, token(1), END)
            assert await accounts.session(PHONE.id) == PHONE
            assert await accounts.session(71) is None
            assert await rotated(accounts, 1, 2, NOW + 10) == replace(PHONE, last_seen_at=NOW + 10)
            assert await rotated(accounts, 2, 3, NOW + 20) == replace(PHONE, last_seen_at=NOW + 20)
            assert await accounts.session(PHONE.id) == replace(PHONE, last_seen_at=NOW + 20)
            with pytest.raises(TokenInvalid):
                await accounts.rotate(71, token(3), token(4), NOW, END)

    asyncio.run(scenario())


def test_an_answer_that_was_lost_is_asked_for_again(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            await accounts.add_session(PHONE, token(1), END)
            await rotated(accounts, 1, 2, NOW)
            for later in (NOW + 1, NOW + LONG):
                assert await rotated(accounts, 1, 2, later) == replace(PHONE, last_seen_at=later)
            assert isinstance(await rotated(accounts, 2, 3, NOW + LONG + 1), Session)

    asyncio.run(scenario())


@pytest.mark.parametrize("old", [1, 9])
def test_a_token_used_after_its_successor_ends_the_session(database_url: str, old: int) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            await accounts.add_session(PHONE, token(1), END)
            await rotated(accounts, 1, 2, NOW)
            await rotated(accounts, 2, 3, NOW)
            assert await rotated(accounts, old, 4, NOW + 1) is SessionRevoked
            assert await rotated(accounts, 3, 4, NOW + 1) is SessionRevoked
            assert await accounts.session(PHONE.id) == replace(PHONE, revoked_at=NOW + 1)

    asyncio.run(scenario())


def test_of_many_who_use_a_token_at_once_the_last_one_counts(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            await accounts.add_session(PHONE, token(1), END)
            answers = await asyncio.gather(*(rotated(accounts, 1, n, NOW) for n in range(2, 10)))
            assert all(isinstance(answer, Session) for answer in answers)
            assert (await accounts.session(PHONE.id)) == PHONE

    asyncio.run(scenario())


def test_a_session_ends_by_its_time_or_by_being_revoked(database_url: str) -> None:
    async def scenario() -> None:
        async with accounts_of(database_url) as accounts:
            await accounts.add_session(PHONE, token(1), END)
            assert await rotated(accounts, 1, 2, END) is TokenExpired
            assert await rotated(accounts, 1, 2, END - 1) == replace(PHONE, last_seen_at=END - 1)
            await accounts.revoke(PHONE.id, NOW + 5)
            await accounts.revoke(PHONE.id, NOW + 6)
            await accounts.revoke(71, NOW)
            ended = await accounts.session(PHONE.id)
            assert ended is not None
            assert ended.revoked_at == NOW + 5
            assert await rotated(accounts, 2, 3, NOW + 6) is SessionRevoked

    asyncio.run(scenario())
