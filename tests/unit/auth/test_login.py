import asyncio
from typing import Any

import pytest

from gochat.auth.authenticator import TokenAuthenticator
from gochat.auth.login import PasswordLogins, new_code, reset_hash
from gochat.auth.passwords import Passwords
from gochat.auth.sessions import TokenSessions
from gochat.auth.tokens import Tokens
from gochat.auth.tries import Tries
from gochat.core.delta import Committed
from gochat.core.errors import (
    InvalidCredentials,
    InvalidPayload,
    PhoneTaken,
    RateLimited,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    UsernameTaken,
)
from gochat.core.model import Device, SessionId, UserId
from gochat.core.ports.logins import LoggedIn
from gochat.core.rates import Key, Rate
from gochat.storage.rates import AloneRates
from tests.unit.auth.accounts import MemoryAccounts, MemoryErasure

PHONE = "+493012345678"


class Told:
    """A publisher that remembers which sessions were ended."""

    def __init__(self) -> None:
        self.revoked_sessions: list[tuple[UserId, SessionId, str]] = []

    def publish(self, committed: Committed) -> None:
        raise AssertionError("logging in changes no conversation")

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        self.revoked_sessions.append((user_id, session_id, code))


class House:
    """The use-cases over accounts in memory, with a clock that is set by hand."""

    def __init__(self, *rates: Rate) -> None:
        self.now = 1_700_000_000_000
        self.accounts = MemoryAccounts()
        self.store = self.accounts.sessions
        self.told = Told()
        self.tokens = Tokens([b"k" * 32], access_ttl_s=900, refresh_ttl_s=86_400, clock=lambda: self.now)
        tries = Tries(AloneRates(rates))
        self.sessions = TokenSessions(
            self.store,
            self.accounts,
            self.tokens,
            tries,
            self.told,
            lambda: self.now,
            MemoryErasure(self.store),
            1_000,
        )
        self.logins = PasswordLogins(
            self.accounts,
            Passwords(memory_kib=64, time_cost=1),
            self.sessions,
            tries,
            lambda: self.now,
        )
        self.authenticator = TokenAuthenticator(self.tokens, self.store, lambda: self.now)

    async def register(
        self,
        username: str = "Ann",
        phone: str | None = PHONE,
        display_name: str | None = None,
        installation_id: bytes | None = None,
        address: str | None = None,
    ) -> LoggedIn:
        return await self.logins.register(
            username=username,
            password="correct horse",
            display_name=display_name,
            phone=phone,
            device=Device(name="Pixel", installation_id=installation_id),
            address=address,
        )

    async def login(
        self,
        username: str | None = None,
        phone: str | None = None,
        password: str = "correct horse",
        installation_id: bytes | None = None,
        address: str | None = "192.0.2.1",
    ) -> LoggedIn:
        return await self.logins.login(
            username=username,
            phone=phone,
            password=password,
            device=Device(installation_id=installation_id),
            address=address,
        )


@pytest.fixture
def house() -> House:
    return House()


async def test_register_logs_in(house: House) -> None:
    logged_in = await house.register()
    identity = await house.authenticator.authenticate(logged_in.access_token)
    assert identity.user_id == logged_in.user.id
    assert identity.session_id == logged_in.session.id
    assert (logged_in.user.username, logged_in.user.display_name) == ("ann", "Ann")
    assert logged_in.session.device == Device(name="Pixel")
    assert logged_in.expires_in == 900


async def test_the_password_is_stored_as_a_hash(house: House) -> None:
    logged_in = await house.register()
    account = house.accounts.accounts[logged_in.user.id]
    assert account.password_hash.startswith("$argon2id$")
    assert account.phone == PHONE


async def test_refresh_tokens_are_stored_as_hashes(house: House) -> None:
    logged_in = await house.register()
    stored = house.store.chains[logged_in.session.id].newest
    assert len(stored) == 32
    assert stored not in logged_in.refresh_token.encode()


@pytest.mark.parametrize(
    "by", [{"username": "ann"}, {"username": "ANN"}, {"phone": PHONE}, {"phone": "+49 30 123 456 78"}]
)
async def test_login_by_any_spelling(house: House, by: dict[str, Any]) -> None:
    registered = await house.register()
    logged_in = await house.login(**by)
    assert logged_in.user == registered.user
    assert logged_in.session.id != registered.session.id


@pytest.mark.parametrize(
    ("by", "password"),
    [
        ({"username": "ann"}, "wrong"),
        ({"username": "ann"}, ""),
        ({"username": "nobody"}, "correct horse"),
        ({"username": "no such name!"}, "correct horse"),
        ({"username": ""}, "correct horse"),
        ({"phone": "+493087654321"}, "correct horse"),
    ],
)
async def test_wrong_credentials_have_one_answer(house: House, by: dict[str, Any], password: str) -> None:
    await house.register()
    with pytest.raises(InvalidCredentials) as refused:
        await house.login(**by, password=password)
    assert refused.value.message == InvalidCredentials.text
    assert refused.value.field is None
    assert len(house.store.sessions) == 1


@pytest.mark.parametrize(
    ("by", "field"),
    [({}, "username"), ({"username": "ann", "phone": PHONE}, "username"), ({"phone": "030 123"}, "phone")],
)
async def test_login_by_exactly_one_name(house: House, by: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        await house.login(**by)
    assert refused.value.field == field


async def test_taken_names(house: House) -> None:
    await house.register("ann", PHONE)
    with pytest.raises(UsernameTaken):
        await house.register("ANN", None)
    with pytest.raises(PhoneTaken):
        await house.register("bob", "+49 30 12345678")
    assert len(house.accounts.accounts) == 1


@pytest.mark.parametrize(
    ("username", "phone", "display_name", "field"),
    [("a b", None, None, "username"), ("ann", "1", None, "phone"), ("ann", None, " \t", "display_name")],
)
async def test_refused_registrations(
    house: House, username: str, phone: str | None, display_name: str | None, field: str
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        await house.register(username, phone, display_name)
    assert refused.value.field == field
    assert not house.accounts.accounts


FEW = (
    Rate("login", 3, 3_600, Key.ACCOUNT),
    Rate("login", 5, 3_600, Key.ADDRESS),
    Rate("login:known", 3, 3_600, Key.ACCOUNT),
    Rate("register", 2, 3_600, Key.ADDRESS),
    Rate("refresh", 4, 3_600, Key.ACCOUNT),
)


async def fail(house: House, tries: int, **by: Any) -> int:
    """How many of so many wrong tries are looked at."""
    looked_at = 0
    for _ in range(tries):
        with pytest.raises((InvalidCredentials, RateLimited)) as refused:
            await house.login(password="wrong", **by)
        looked_at += isinstance(refused.value, InvalidCredentials)
    return looked_at


async def test_an_account_is_tried_so_often_from_anywhere() -> None:
    house = House(*FEW)
    await house.register()
    await house.register("ben", None)
    for name in ("ann", "no.such", "no such name!", "\x00"):
        tries = [await fail(house, 1, username=name, address=f"192.0.2.{last}") for last in range(9)]
        assert tries == [1, 1, 1, 0, 0, 0, 0, 0, 0], name
    with pytest.raises(RateLimited) as refused:
        await house.login(username="Ann", address="192.0.2.99")
    assert 0 < (refused.value.retry_after_ms or 0) <= 1_200_000
    await house.login(username="ben")


async def test_an_address_tries_so_often_whichever_account() -> None:
    house = House(*FEW)
    await house.register()
    names = [f"name{n}" for n in range(8)]
    assert [await fail(house, 1, username=name) for name in names] == [1] * 5 + [0] * 3
    with pytest.raises(RateLimited):
        await house.login(username="ann")
    await house.login(username="ann", address="192.0.2.2")


async def test_one_address_keeps_nobody_out_elsewhere() -> None:
    house = House(Rate("login:here", 3, 3_600, Key.ADDRESS), *FEW[1:], Rate("login", 9, 3_600, Key.ACCOUNT))
    await house.register()
    assert await fail(house, 20, username="ann") == 3
    with pytest.raises(RateLimited):
        await house.login(username="ann")
    await house.login(username="ann", address="192.0.2.2")
    assert [await fail(house, 9, username=name) for name in ("eve", "joe")] == [2, 0]


async def test_right_ones_do_not_count() -> None:
    house = House(*FEW)
    await house.register(installation_id=bytes(16))
    for _ in range(9):
        await house.login(username="ann")
        await house.login(username="ann", installation_id=bytes(16))
    assert await fail(house, 9, username="ann") == 3


async def test_many_wrong_ones_at_once_are_no_more() -> None:
    house = House(*FEW)
    await house.register()
    tries = await asyncio.gather(*(fail(house, 1, username="ann", address=None) for _ in range(20)))
    assert sum(tries) == 3


async def test_what_others_try_keeps_no_known_device_out() -> None:
    house = House(*FEW)
    phone, owner = bytes(16), await house.register(installation_id=bytes(16))
    assert await fail(house, 50, username="ann") == 3
    assert await fail(house, 50, username="ann", installation_id=bytes(range(16))) == 0
    await house.login(username="ann", installation_id=phone)
    await house.login(phone=PHONE, installation_id=phone)
    with pytest.raises(SessionRevoked):
        await house.sessions.refresh(owner.refresh_token)
    assert await fail(house, 9, username="ann", installation_id=phone) == 3
    with pytest.raises(RateLimited):
        await house.login(username="ann", installation_id=phone)


async def test_registrations_are_counted_apart() -> None:
    house = House(*FEW)
    for name, address in (("ann", "192.0.2.1"), ("ben", "192.0.2.1"), ("eve", "192.0.2.2")):
        await house.register(name, None, address=address)
    with pytest.raises(RateLimited):
        await house.register("joe", None, address="192.0.2.1")
    await house.login(username="ann")


async def test_a_login_is_refreshed_so_often_and_no_other_one_less() -> None:
    house = House(*FEW)
    phone, tablet = await house.register(), await house.login(username="ann")
    for _ in range(4):
        await house.sessions.refresh(phone.refresh_token)
    with pytest.raises(RateLimited):
        await house.sessions.refresh(phone.refresh_token)
    await house.sessions.refresh(tablet.refresh_token)


async def test_refresh_rotates(house: House) -> None:
    first = await house.register()
    house.now += 1_000_000
    second = await house.sessions.refresh(first.refresh_token)
    assert second.session == first.session
    assert second.user == first.user
    assert second.refresh_token != first.refresh_token
    with pytest.raises(TokenExpired):
        await house.authenticator.authenticate(first.access_token)
    await house.authenticator.authenticate(second.access_token)
    third = await house.sessions.refresh(second.refresh_token)
    assert third.session.id == first.session.id


async def test_a_login_hashes_the_password_anew_after_the_cost_was_raised(house: House) -> None:
    logged_in = await house.register()
    before = house.accounts.accounts[logged_in.user.id].password_hash
    await house.login(username="ann")
    assert house.accounts.accounts[logged_in.user.id].password_hash == before
    house.logins._passwords = Passwords(memory_kib=128, time_cost=1)
    with pytest.raises(InvalidCredentials):
        await house.login(username="ann", password="wrong")
    assert house.accounts.accounts[logged_in.user.id].password_hash == before
    await house.login(username="ann")
    assert "$m=128,t=1,p=1$" in house.accounts.accounts[logged_in.user.id].password_hash
    await house.login(username="ann")


async def test_being_seen_is_written_once_an_hour(house: House) -> None:
    logged_in = await house.register()
    began = house.now
    for minutes, seen in ((59, 0), (61, 61), (90, 61), (122, 122)):
        house.now = began + minutes * 60_000
        token = house.tokens.access(logged_in.user.id, logged_in.session.id)
        await house.authenticator.authenticate(token)
        assert house.store.sessions[logged_in.session.id].last_seen_at == began + seen * 60_000


async def test_sockets_that_come_together_are_seen_together(house: House) -> None:
    """And none of them waits for it."""
    began = house.now
    people = [await house.register(f"user{n}", phone=None) for n in range(3)]
    house.now = began + 61 * 60_000
    for _ in range(2):
        for it in people:
            token = house.tokens.access(it.user.id, it.session.id)
            await house.authenticator.authenticate(token, allow_expired=True)
    assert house.store.seen_together == []
    async with asyncio.timeout(30):
        while not house.store.seen_together:  # noqa: ASYNC110 (the store tells nobody)
            await asyncio.sleep(0.01)
    assert house.store.seen_together == [3]
    assert {it.last_seen_at for it in house.store.sessions.values()} == {house.now}
    house.now += 59 * 60_000
    token = house.tokens.access(people[0].user.id, people[0].session.id)
    await house.authenticator.authenticate(token, allow_expired=True)
    assert not house.authenticator._seen


async def test_a_socket_without_a_token_in_time_is_not_seen(house: House) -> None:
    logged_in = await house.register()
    house.now += 61 * 60_000
    await house.authenticator.authenticate(logged_in.access_token, allow_expired=True)
    assert not house.authenticator._seen


async def test_the_same_installation_logs_in_again(house: House) -> None:
    first = await house.register(installation_id=bytes(16))
    second = await house.login(username="ann", installation_id=bytes(16))
    other = await house.login(username="ann", installation_id=bytes(range(16)))
    assert house.told.revoked_sessions == [(first.user.id, first.session.id, "session_revoked")]
    alive = await house.sessions.alive(await house.authenticator.authenticate(other.access_token))
    assert {it.id for it in alive} == {second.session.id, other.session.id}


async def test_refresh_after_its_time(house: House) -> None:
    logged_in = await house.register()
    house.now += 86_400_000
    with pytest.raises(TokenExpired):
        await house.sessions.refresh(logged_in.refresh_token)


async def test_an_access_token_does_not_refresh(house: House) -> None:
    logged_in = await house.register()
    with pytest.raises(TokenInvalid):
        await house.sessions.refresh(logged_in.access_token)


async def test_refresh_of_a_user_who_is_gone(house: House) -> None:
    logged_in = await house.register()
    house.accounts.accounts.clear()
    with pytest.raises(TokenInvalid):
        await house.sessions.refresh(logged_in.refresh_token)


async def test_logout_ends_the_session_and_no_other(house: House) -> None:
    phone, tablet = await house.register(), await house.login(username="ann")
    identity = await house.authenticator.authenticate(phone.access_token)
    await house.sessions.end(identity, identity.session_id)
    await house.sessions.end(identity, identity.session_id)
    with pytest.raises(SessionRevoked):
        await house.authenticator.authenticate(phone.access_token)
    with pytest.raises(SessionRevoked):
        await house.sessions.refresh(phone.refresh_token)
    await house.authenticator.authenticate(tablet.access_token)
    assert set(house.told.revoked_sessions) == {(phone.user.id, phone.session.id, "session_revoked")}


async def test_a_refresh_token_used_again_ends_the_session_and_its_sockets(house: House) -> None:
    first = await house.register()
    second = await house.sessions.refresh(first.refresh_token)
    await house.sessions.refresh(second.refresh_token)
    assert house.told.revoked_sessions == []
    with pytest.raises(SessionRevoked):
        await house.sessions.refresh(first.refresh_token)
    assert house.told.revoked_sessions == [(first.user.id, first.session.id, "session_revoked")]


async def test_a_password_is_changed_and_all_other_logins_end(house: House) -> None:
    phone, tablet = await house.register(), await house.login(username="ann")
    identity = await house.authenticator.authenticate(phone.access_token)
    with pytest.raises(InvalidCredentials):
        await house.logins.change_password(identity, "wrong", "battery staple", None)
    with pytest.raises(InvalidPayload) as refused:
        await house.logins.change_password(identity, "correct horse", "password1", None)
    assert (refused.value.field, refused.value.details) == ("password", {"reason": "common"})
    assert house.told.revoked_sessions == []
    await house.logins.change_password(identity, "correct horse", "battery staple", None)
    assert house.told.revoked_sessions == [(phone.user.id, tablet.session.id, "session_revoked")]
    await house.authenticator.authenticate(phone.access_token)
    await house.sessions.refresh(phone.refresh_token)
    with pytest.raises(InvalidCredentials):
        await house.login(username="ann")
    await house.login(username="ann", password="battery staple")


async def test_wrong_old_passwords_are_counted_for_the_login_that_tries_them() -> None:
    house = House(*FEW)
    phone, tablet = await house.register(), await house.login(username="ann")
    for who, tries in ((phone, 3), (tablet, 3)):
        identity = await house.authenticator.authenticate(who.access_token)
        for _ in range(tries):
            with pytest.raises(InvalidCredentials):
                await house.logins.change_password(identity, "wrong", "battery staple", None)
        with pytest.raises(RateLimited):
            await house.logins.change_password(identity, "correct horse", "battery staple", None)
    await house.login(username="ann")


async def test_a_code_sets_the_password_anew_once(house: House) -> None:
    phone = await house.register()
    code = new_code()
    await house.accounts.store_reset(phone.user.id, reset_hash(code), house.now + 1_000)
    for wrong in ("", new_code(), code[:-1]):
        with pytest.raises(InvalidCredentials):
            await house.logins.reset(wrong, "battery staple", None)
    with pytest.raises(InvalidPayload):
        await house.logins.reset(code, "ann", None)
    await house.logins.reset(code.lower().replace("-", " "), "battery staple", None)
    assert house.told.revoked_sessions == [(phone.user.id, phone.session.id, "session_revoked")]
    await house.login(username="ann", password="battery staple")
    with pytest.raises(InvalidCredentials):
        await house.logins.reset(code, "another one", None)
    await house.accounts.store_reset(phone.user.id, reset_hash(code), house.now)
    with pytest.raises(InvalidCredentials):
        await house.logins.reset(code, "another one", None)


@pytest.mark.parametrize("token", [None, ""])
async def test_no_token(house: House, token: str | None) -> None:
    with pytest.raises(TokenMissing):
        await house.authenticator.authenticate(token)


async def test_an_expired_token_where_that_is_allowed(house: House) -> None:
    logged_in = await house.register()
    house.now += 900_000
    with pytest.raises(TokenExpired):
        await house.authenticator.authenticate(logged_in.access_token)
    identity = await house.authenticator.authenticate(logged_in.access_token, allow_expired=True)
    assert identity.expires_at == house.now
    await house.sessions.end(identity, identity.session_id)
    with pytest.raises(SessionRevoked):
        await house.authenticator.authenticate(logged_in.access_token, allow_expired=True)


async def test_a_token_of_a_session_that_is_not_there_or_anothers(house: House) -> None:
    logged_in = await house.register()
    for token in (house.tokens.access(logged_in.user.id, 77), house.tokens.access(77, logged_in.session.id)):
        with pytest.raises(TokenInvalid):
            await house.authenticator.authenticate(token)
