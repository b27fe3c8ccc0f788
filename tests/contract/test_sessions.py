"""Logins and their refresh tokens, on every database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from gochat.core.errors import ChatError, InvalidCredentials, SessionRevoked, TokenExpired, TokenInvalid
from gochat.core.model import Device, Session, SessionId, User
from gochat.core.ports.accounts import Account
from gochat.core.ports.sessions import Beginning, RefreshUse
from gochat.core.refresh import TOGETHER_MS
from gochat.storage import migrate
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database
from gochat.storage.fetch import run
from gochat.storage.sessions import MAX_ALIVE, StoredSessions

NOW = 1_700_000_000_000
END = NOW + 1_000_000
LATER = NOW + TOGETHER_MS + 1
HASH = "$argon2id$v=19$m=8$x"
INSTALLATION = bytes(range(16))
PHONE = Session(70, 7, Device("Anna’s phone", "android", "1.2.3", INSTALLATION), NOW, NOW)
TABLET = Session(71, 7, Device("Tablet"), NOW, NOW + 1)


def token(name: str) -> bytes:
    return name.encode().ljust(32, b".")


def seed(n: int) -> bytes:
    return bytes([n]) * 16


def using(name: str, n: int, expires_at: int = END) -> RefreshUse:
    """The token that follows from one is named after it and the seed."""
    return RefreshUse(token(name), seed(n), lambda it: token(f"{name}{it[0]}"), expires_at)


def beginning(session: Session, first: str = "a", password_hash: str | None = HASH) -> Beginning:
    return Beginning(session, token(first), END, password_hash)


@asynccontextmanager
async def sessions_of(url: str) -> AsyncIterator[StoredSessions]:
    migrate.upgrade(url)
    database = Database(url, pool_size=8)
    try:
        for user_id, name in ((7, "anna"), (8, "ben")):
            await StoredAccounts(database).create(Account(User(user_id, name, name), HASH), NOW)
        yield StoredSessions(database)
    finally:
        await database.close()


async def refreshed(
    sessions: StoredSessions, name: str, n: int, now: int
) -> tuple[Session, bytes] | type[ChatError]:
    try:
        return await sessions.refresh(PHONE.id, using(name, n), now)
    except ChatError as error:
        return type(error)


def test_a_session_is_stored_whole(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            assert await sessions.begin(beginning(PHONE)) == ()
            assert await sessions.session(PHONE.id) == PHONE
            assert await sessions.session(99) is None

    asyncio.run(scenario())


@pytest.mark.parametrize(("user_id", "password_hash"), [(7, "$another"), (9, HASH), (9, None)])
def test_a_login_that_was_overtaken_is_refused(
    database_url: str, user_id: int, password_hash: str | None
) -> None:
    """The password was changed, or the user is gone, after it was found to be right."""

    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            with pytest.raises(InvalidCredentials):
                await sessions.begin(beginning(replace(PHONE, user_id=user_id), password_hash=password_hash))
            assert await sessions.session(PHONE.id) is None

    asyncio.run(scenario())


def test_a_new_login_of_an_installation_ends_the_one_before(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            await sessions.begin(beginning(TABLET))
            await sessions.begin(beginning(replace(PHONE, id=80, user_id=8)))
            again = replace(PHONE, id=72, created_at=NOW + 5)
            assert await sessions.begin(beginning(again)) == (PHONE.id,)
            ended = await sessions.session(PHONE.id)
            assert ended is not None
            assert ended.revoked_at == NOW + 5
            assert {it.id for it in await sessions.alive(7, NOW)} == {72, TABLET.id}
            assert [it.id for it in await sessions.alive(8, NOW)] == [80]
            without = replace(TABLET, id=73)
            assert await sessions.begin(beginning(without)) == ()

    asyncio.run(scenario())


def test_of_logins_of_one_installation_at_once_one_stays(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            logins = [replace(PHONE, id=n) for n in range(100, 108)]
            ended = await asyncio.gather(*(sessions.begin(beginning(it)) for it in logins))
            assert len(await sessions.alive(7, NOW)) == 1
            assert len({session_id for some in ended for session_id in some}) == 7

    asyncio.run(scenario())


def test_a_user_has_so_many_logins(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            ids: list[SessionId] = list(range(1_000, 1_000 + MAX_ALIVE))
            for n, session_id in enumerate(ids):
                await sessions.begin(beginning(replace(TABLET, id=session_id, last_seen_at=NOW + n)))
            assert len(await sessions.alive(7, NOW)) == MAX_ALIVE
            newest = replace(TABLET, id=5_000, last_seen_at=NOW + 900)
            assert await sessions.begin(beginning(newest)) == (ids[0],)
            alive = await sessions.alive(7, NOW)
            assert [it.id for it in alive] == [5_000, *reversed(ids[1:])]

    asyncio.run(scenario())


def test_a_refresh_token_is_replaced(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            assert await refreshed(sessions, "a", 1, NOW + 10) == (
                replace(PHONE, last_seen_at=NOW + 10),
                seed(1),
            )
            assert await refreshed(sessions, "a1", 2, NOW + 20) == (
                replace(PHONE, last_seen_at=NOW + 20),
                seed(2),
            )
            assert await sessions.session(PHONE.id) == replace(PHONE, last_seen_at=NOW + 20)
            with pytest.raises(TokenInvalid):
                await sessions.refresh(99, using("a", 3), NOW)

    asyncio.run(scenario())


def test_an_answer_that_was_lost_is_asked_for_again(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            for n, (now, brings) in enumerate([(NOW, 0), (NOW + 1, 0), (LATER, 2), (LATER + 1, 2)]):
                assert await refreshed(sessions, "a", n, now) == (
                    replace(PHONE, last_seen_at=now),
                    seed(brings),
                )
            assert isinstance(await refreshed(sessions, "a2", 9, LATER + 2), tuple)

    asyncio.run(scenario())


@pytest.mark.parametrize("old", ["a", "z"])
def test_a_token_used_after_its_successor_ends_the_session(database_url: str, old: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            await refreshed(sessions, "a", 1, NOW)
            await refreshed(sessions, "a1", 2, NOW)
            assert await refreshed(sessions, old, 3, NOW + 1) is SessionRevoked
            assert await refreshed(sessions, "a12", 4, NOW + 1) is SessionRevoked
            assert await sessions.session(PHONE.id) == replace(PHONE, revoked_at=NOW + 1)

    asyncio.run(scenario())


def test_a_token_that_was_replaced_ends_the_session(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            await refreshed(sessions, "a", 1, NOW)
            await refreshed(sessions, "a", 2, LATER)
            assert await refreshed(sessions, "a1", 3, LATER + 1) is SessionRevoked
            assert await refreshed(sessions, "a2", 4, LATER + 2) is SessionRevoked

    asyncio.run(scenario())


def test_many_who_use_a_token_at_once_go_on_together(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            answers = await asyncio.gather(*(refreshed(sessions, "a", n, NOW) for n in range(8)))
            assert all(isinstance(answer, tuple) for answer in answers)
            assert len({answer[1] for answer in answers if isinstance(answer, tuple)}) == 1

    asyncio.run(scenario())


def test_code_of_before_leaves_no_seed(database_url: str) -> None:
    """Whoever asks again after it answered gets a fresh token, and goes on."""

    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            await refreshed(sessions, "a", 1, NOW)
            await refreshed(sessions, "a1", 2, NOW)
            await sessions._database.write(_as_before, token("a12"), token("old way"))
            assert await refreshed(sessions, "a12", 3, NOW + 1) == (
                replace(PHONE, last_seen_at=NOW + 1),
                seed(3),
            )

    asyncio.run(scenario())


def _as_before(connection: Connection, used: bytes, following: bytes) -> None:
    run(connection, "UPDATE sessions SET previous_hash = ?, refresh_hash = ?", used, following)


def test_a_session_ends_by_its_time_or_by_being_revoked(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            assert await refreshed(sessions, "a", 1, END) is TokenExpired
            assert await sessions.alive(7, END) == ()
            assert isinstance(await refreshed(sessions, "a", 1, END - 1), tuple)
            await sessions.revoke(PHONE.id, NOW + 5)
            await sessions.revoke(PHONE.id, NOW + 6)
            await sessions.revoke(99, NOW)
            ended = await sessions.session(PHONE.id)
            assert ended is not None
            assert ended.revoked_at == NOW + 5
            assert await sessions.alive(7, NOW) == ()
            assert await refreshed(sessions, "a1", 2, NOW + 6) is SessionRevoked

    asyncio.run(scenario())


def test_all_of_a_user_but_one_are_ended(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            for session in (PHONE, TABLET, replace(TABLET, id=80, user_id=8)):
                await sessions.begin(beginning(session))
            assert await sessions.revoke_all(7, NOW + 5, keep=PHONE.id) == (TABLET.id,)
            assert await sessions.alive(7, NOW) == (PHONE,)
            assert await sessions.revoke_all(7, NOW + 6) == (PHONE.id,)
            assert await sessions.revoke_all(7, NOW + 7) == ()
            assert [it.id for it in await sessions.alive(8, NOW)] == [80]

    asyncio.run(scenario())


def test_an_installation_is_known_to_its_user(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            await sessions.revoke(PHONE.id, NOW)
            assert await sessions.knows(7, INSTALLATION)
            assert not await sessions.knows(8, INSTALLATION)
            assert not await sessions.knows(7, bytes(16))

    asyncio.run(scenario())


def test_being_seen_is_written_once(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            for now, seen in ((NOW + 10, NOW), (NOW + 20, NOW + 20), (NOW + 25, NOW + 20)):
                await sessions.saw((PHONE.id,), now, now - 15)
                assert await sessions.session(PHONE.id) == replace(PHONE, last_seen_at=seen)
            await sessions.begin(beginning(replace(TABLET, last_seen_at=NOW)))
            await sessions.saw((PHONE.id, TABLET.id, 123), NOW + 30, NOW + 15)
            assert await sessions.session(PHONE.id) == replace(PHONE, last_seen_at=NOW + 20)
            assert await sessions.session(TABLET.id) == replace(TABLET, last_seen_at=NOW + 30)
            await sessions.saw((), NOW + 40, NOW + 40)

    asyncio.run(scenario())


def test_a_device_is_described_anew(database_url: str) -> None:
    async def scenario() -> None:
        async with sessions_of(database_url) as sessions:
            await sessions.begin(beginning(PHONE))
            device = replace(PHONE.device, name="Anna’s other phone 👋", app_version=None)
            await sessions.describe(PHONE.id, device)
            assert await sessions.session(PHONE.id) == replace(PHONE, device=device)

    asyncio.run(scenario())
