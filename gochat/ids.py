"""Where new ids come from: users, sessions, conversations."""

import secrets
import time

_RANDOM_BITS = 21


def new_id() -> int:
    """A new id: a positive 63-bit integer, `Unix milliseconds << 21 | 21 random bits`.

    By time first, so that new rows go to the end of a primary key and pages stay full; the random bits,
    so that nobody finds the next one by counting. No two processes need to agree on anything: two ids of
    the same millisecond collide once in two million, and then the primary key refuses the second.
    """
    return time.time_ns() // 1_000_000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
