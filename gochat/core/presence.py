"""Who is online: derived from the processes that hold a user's sockets, and when each was last heard of."""

from collections.abc import Mapping

from gochat.core.model import Millis, UserId
from gochat.core.values import value

ALIVE_MS = 15_000
"""A process that was not heard of for so long is taken for dead."""


@value(frozen=True, slots=True)
class Presence:
    """One user, over all devices and processes. `last_seen_at`: when they went; None: online, or unknown."""

    user_id: UserId
    online: bool = False
    last_seen_at: Millis | None = None


@value(frozen=True, slots=True)
class Sighting:
    """What is kept of one user: the processes that said they hold their sockets, and when they last went."""

    processes: frozenset[str] = frozenset()
    went_at: Millis | None = None


def presence(user_id: UserId, sighting: Sighting, beats: Mapping[str, Millis], now: Millis) -> Presence:
    """Whether a user is online.

    Args:
        beats: when each process was last heard of. One that died took its users with it at that time.
    """
    heard = [beats[process] for process in sighting.processes if process in beats]
    if any(is_alive(beat, now) for beat in heard):
        return Presence(user_id, online=True)
    times = [*heard, *(() if sighting.went_at is None else (sighting.went_at,))]
    return Presence(user_id, online=False, last_seen_at=max(times, default=None))


def is_alive(beat: Millis, now: Millis) -> bool:
    """Whether a process last heard of then still lives."""
    return now - beat < ALIVE_MS
