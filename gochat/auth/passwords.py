"""Passwords as argon2id hashes (RFC 9106), computed off the event loop.

Argon2's work grows with passes times memory. Checking costs the same whatever is found: what a hash of
former, cheaper parameters saves, and all of it for a name that nobody has, is worked off on nothing.
"""

import asyncio
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import Parameters, PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from gochat.auth.choice import check_password
from gochat.core.errors import Overloaded

T = TypeVar("T")


class Passwords:
    """Hashes and checks passwords in a few threads of its own.

    Args:
        memory_kib, time_cost, parallelism: argon2id's m, t and p.
        threads: how many are computed at the same time; each takes a core and `memory_kib`.
        waiting: how many more may wait; then `Overloaded` at once.
        timeout_s: how long one waits; then `Overloaded`.
    """

    def __init__(
        self,
        *,
        memory_kib: int = 19_456,
        time_cost: int = 2,
        parallelism: int = 1,
        threads: int = 2,
        waiting: int = 64,
        timeout_s: float = 5.0,
    ) -> None:
        self._hasher = PasswordHasher(time_cost, memory_kib, parallelism, type=Type.ID)
        self._work = time_cost * memory_kib
        """What one check costs, in KiB filled: of the dearest hash seen."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._free = threads + waiting
        self._timeout_s = timeout_s

    async def hash(self, password: str) -> str:
        """A PHC string to store.

        Raises:
            Overloaded: too many wait, or it took too long.
        """
        text = _normal(password)
        return await self._run(lambda: self._hasher.hash(text))

    async def choose(self, password: str, names: Iterable[str]) -> str:
        """Hash a new password of a user who is called so.

        Raises:
            InvalidPayload: others would try it; see `auth.choice`.
            Overloaded: too many wait, or it took too long.
        """
        text, called = _normal(password), tuple(names)

        def chosen() -> str:
            check_password(password, called)
            return self._hasher.hash(text)

        return await self._run(chosen)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether that is the password. With no hash (no such user): no, and it takes as long.

        Raises:
            Overloaded: too many wait, or it took too long.
        """
        return await self._run(lambda: self._matches(password_hash, password))

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash has other parameters than new ones get."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Let the threads end; nothing is hashed after this."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str | None, password: str) -> bool:
        """As the password is normalised now or, if that makes a difference, was before."""
        texts = dict.fromkeys((_normal(password), unicodedata.normalize("NFKC", password)))
        matches = [self._matches_as(password_hash, text) for text in texts]  # all, or the time would tell
        return any(matches)

    def _matches_as(self, password_hash: str | None, text: str) -> bool:
        parameters = None if password_hash is None else _parameters(password_hash)
        if password_hash is None or parameters is None:
            self._idle(self._work, text)
            return False
        done = parameters.time_cost * parameters.memory_cost
        self._work = max(self._work, done)
        try:
            return self._hasher.verify(password_hash, text)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            self._idle(self._work - done, text)

    def _idle(self, work: int, text: str) -> None:
        """Fill about so many KiB."""
        passes, lanes = self._hasher.time_cost, self._hasher.parallelism
        if work >= passes * 8 * lanes:
            PasswordHasher(passes, work // passes, lanes, type=Type.ID).hash(text)

    async def _run(self, job: Callable[[], T]) -> T:
        if self._free <= 0:
            raise Overloaded
        self._free -= 1
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._pool, job)
        except TimeoutError:
            raise Overloaded from None
        finally:
            self._free += 1


def _parameters(password_hash: str) -> Parameters | None:
    try:
        return extract_parameters(password_hash)
    except InvalidHashError:
        return None


def _normal(password: str) -> str:
    """One form for what different keyboards send for the same text (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)
