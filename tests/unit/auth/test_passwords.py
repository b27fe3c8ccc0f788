import asyncio
import threading
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters

from gochat.auth import passwords as module
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


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is worked on, in KiB filled, one by one."""
    done: list[int] = []

    class Counting(PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            done.append(self.time_cost * self.memory_cost)
            return super().hash(password, salt=salt)

        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            parameters = extract_parameters(str(hash))
            done.append(parameters.time_cost * parameters.memory_cost)
            return super().verify(hash, password)

    monkeypatch.setattr(module, "PasswordHasher", Counting)
    return done


@pytest.mark.parametrize(("memory_kib", "time_cost"), [(64, 1), (256, 3), (512, 1)])
async def test_whoever_is_asked_for_it_costs_the_same(
    work: list[int], memory_kib: int, time_cost: int
) -> None:
    """A name that nobody has, and a user whose hash is of before the cost was raised."""
    now = Passwords(memory_kib=memory_kib, time_cost=time_cost)
    old, new = await cheap().hash("right"), await now.hash("right")
    spent = []
    for password_hash, password in ((None, "x"), (old, "x"), (old, "right"), (new, "x"), ("no hash", "x")):
        work.clear()
        assert await now.verify(password_hash, password) is (password == "right")
        spent.append(sum(work))
    assert all(abs(it - memory_kib * time_cost) <= time_cost for it in spent), spent
    now.close()


async def test_after_the_cost_was_lowered_all_cost_as_the_dearest(work: list[int]) -> None:
    now = cheap()
    old = await Passwords(memory_kib=256, time_cost=2).hash("right")
    spent = []
    for password_hash in (old, None, await now.hash("right")):
        work.clear()
        await now.verify(password_hash, "wrong")
        spent.append(sum(work))
    assert spent == [512, 512, 512]
    now.close()


async def test_hashes_of_other_parameters_are_outdated() -> None:
    passwords = cheap()
    assert not passwords.is_outdated(await passwords.hash("password"))
    assert passwords.is_outdated(await Passwords(memory_kib=128, time_cost=1).hash("password"))
    passwords.close()


async def test_passwords_that_were_normalised_otherwise_still_match(work: list[int]) -> None:
    """Hashes of before were of NFKC; a ligature is itself now."""
    passwords = cheap()
    before = PasswordHasher(1, 64, 1).hash("eﬃcient".replace("ﬃ", "ffi"))
    assert await passwords.verify(before, "eﬃcient")
    assert await passwords.verify(await passwords.hash("eﬃcient"), "eﬃcient")
    assert not await passwords.verify(await passwords.hash("eﬃcient"), "efficient")
    spent = []
    for password_hash in (None, before):
        work.clear()
        await passwords.verify(password_hash, "eﬃciency")
        spent.append(sum(work))
    assert spent[0] == spent[1]
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
