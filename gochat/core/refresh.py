"""The rule of refresh tokens: which token goes on with a session, and which one comes after it.

A session remembers two of its tokens: the newest, and the one that it was given for. Each token works once;
but its answer may get lost, and two parts of one app may use it at the same moment. So the one before works
again: within `TOGETHER_MS` it brings the very same successor, and later a fresh one in its place. Whatever is
older was used by two parties, and ends the session. docs/protocol.md has the table of cases.
"""

from collections.abc import Callable

from gochat.core.errors import SessionRevoked
from gochat.core.model import Millis
from gochat.core.values import value

TOGETHER_MS = 60_000
"""How long after its first use a token brings the same successor again: the retries of one app, and its
notification extension."""


@value(frozen=True, slots=True)
class Chain:
    """What a session remembers of its refresh tokens; they themselves are known by 32-byte hashes only."""

    newest: bytes
    before: bytes | None = None
    """The one that the newest was given for."""
    seed: bytes | None = None
    """16 random bytes that the newest follows from, together with the one before."""
    seeded_at: Millis | None = None


def use(
    chain: Chain, token: bytes, *, fresh: bytes, now: Millis, successor: Callable[[bytes], bytes]
) -> Chain:
    """Use a token; the answer is the one that follows from it and the `seed` of the chain that comes back.

    Args:
        token: the hash of the token that was sent; it was genuine when it was issued.
        fresh: 16 random bytes.
        successor: the hash of the token that follows from the one that was sent, by a seed.

    Raises:
        SessionRevoked: its successor was used already, or replaced: somebody else has a copy.
    """
    if token not in (chain.newest, chain.before):
        raise SessionRevoked
    if token == chain.before and chain.seed is not None and chain.seeded_at is not None:
        together = abs(now - chain.seeded_at) <= TOGETHER_MS
        if together and successor(chain.seed) == chain.newest:
            return chain
    return Chain(successor(fresh), token, fresh, now)
