"""File descriptors: each connection takes one, and so does each file that the process itself opens."""

import resource
from contextlib import suppress

OWN = 48
"""What a process holds open beside connections to clients and to the database, and a little more."""
OWN_EACH = 3
"""What a connection to the database takes at most: SQLite has a file, its log, and their shared memory."""
SPARE = 64
"""Connections that are heard beyond those that may stay: a look at the health, a refusal."""


def most() -> int | None:
    """How many a process may ask for; None: any number."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def take_most() -> None:
    """Ask for all that this process may have: what it begins with is often 1,024."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # macOS says that there is no limit, and has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def for_clients(pool_size: int) -> tuple[int | None, int]:
    """How many connections of clients may stay, and how many more may be heard; None: any number.

    So whatever clients do, there is one left for the database, for Redis and for a file.
    """
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return None, SPARE
    room = max(soft - OWN - OWN_EACH * pool_size, soft // 4)
    spare = min(SPARE, room // 16)
    return room - spare, spare
