import asyncio
import threading

import pytest

from gochat.auth.passwords import Passwords
from gochat.core.errors import Overloaded


def cheap(**options: int | float) -> Passwords:
    return Passwords(memory_kib=64, time_cost=1, **options)  # type: ignore[arg-type]


async def test_right_and_wrong_passwords() -> None:
    passwords = cheap()
    stored = await passwords.hash("correct horse")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct Horse")
    passwords.close()


async def test_hash_is_argon2id_with_its_own_salt() -> None:
    passwords = cheap()
    one, other = await passwords.hash("same password"), await passwords.hash("same password")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    passwords.close()


async def test_default_costs() -> None:
    passwords = Passwords()
    assert (await passwords.hash("password")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    passwords.close()


async def test_two_keyboards_write_the_same_password() -> None:
    passwords = cheap()
    assert await passwords.verify(await passwords.hash("cafe\u0301 1234"), "caf\u00e9 1234")
    passwords.close()


async def test_unknown_user_is_hashed_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = cheap()
    checked: list[str] = []
    real = passwords._matches

    def matches(stored: str, text: str) -> bool:
        checked.append(stored)
        return real(stored, text)

    monkeypatch.setattr(passwords, "_matches", matches)
    assert not await passwords.verify(None, "whatever")
    assert not await passwords.verify(None, "")
    assert len(checked) == 2
    assert all(stored.startswith("$argon2id$v=19$m=64,t=1,p=1$") for stored in checked)
    passwords.close()


async def test_a_broken_hash_matches_nothing() -> None:
    passwords = cheap()
    assert not await passwords.verify("no hash", "no hash")
    passwords.close()


async def test_too_many_at_once_are_refused_at_once_and_the_loop_stays_free() -> None:
    passwords = cheap(threads=1, waiting=1)
    gate = threading.Event()
    waiting = [asyncio.create_task(passwords._run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await passwords.hash("one too many")
    assert refused.value.retry_after_ms
    gate.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await passwords.hash("now there is room")
    passwords.close()


async def test_a_wait_ends() -> None:
    passwords = cheap(threads=1, timeout_s=0.01)
    gate = threading.Event()
    with pytest.raises(Overloaded):
        await passwords._run(gate.wait)
    gate.set()
    passwords.close()
