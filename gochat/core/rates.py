"""How often a user, an address or an account may do what: one table, and the arithmetic of its buckets.

A bucket holds `limit` uses and refills evenly over `window_s`. It is one number, the time at which it will
be full again (the generic cell rate algorithm): a use costs a comparison, and a full bucket costs nothing.
"""

import math
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from enum import StrEnum
from operator import itemgetter
from typing import Final, Protocol

from gochat.core.errors import RateLimited
from gochat.core.model import UserId
from gochat.core.values import value


class Key(StrEnum):
    """Whose uses are counted together."""

    USER = "user"
    CONVERSATION = "conversation"
    ADDRESS = "address"
    ACCOUNT = "account"


@value(frozen=True, slots=True)
class Rate:
    """A row of the table: `limit` uses of `name` at once, and as many again in every `window_s` seconds.

    Several rows may have the same name and key, with windows of different length: all of them hold.
    """

    name: str
    limit: int
    window_s: float
    key: Key = Key.USER


OTHER: Final = "other"
"""The row that counts events which do not exist."""
CONNECT: Final = "connect"
"""The row that counts sockets."""

SLOW_MODE: Final = "slow_mode"
"""The row that makes a user wait in each conversation; there is none by default."""
CONTACTS: Final = "contacts"
SEARCH: Final = "users:search"
REPORT: Final = "report"
EXPORT: Final = "export"
"""The rows of what is asked by REST alone, and seldom: numbers of address books, prefixes of names, reports,
exports. Shared by all processes."""
ADD: Final = "add"
"""The row that counts people who are brought into conversations."""
ADD_ONE: Final = "add:one"
"""The row that counts, of each of them by itself, how often one brings them."""
LOGIN: Final = "login"
LOGIN_HERE: Final = "login:here"
LOGIN_KNOWN: Final = "login:known"
REFRESH: Final = "refresh"
REGISTER: Final = "register"
"""The rows of logging in. Shared by all processes; of logins those that fail are counted."""

DEFAULT_RATES: Final[tuple[Rate, ...]] = (
    # An outbox that was filled offline comes at once, and once more where the connection breaks meanwhile.
    Rate("message:send", 1_200, 60),
    Rate("message:edit", 300, 60),
    Rate("message:delete", 300, 60),
    Rate("message:react", 600, 60),
    Rate("message:pin", 120, 60),
    Rate("messages:status", 120, 60),
    Rate("conversation:create", 120, 60),
    Rate("conversation:join", 600, 60),
    Rate("conversation:leave", 600, 60),
    Rate("conversation:quit", 60, 60),
    Rate("conversation:update", 60, 60),
    Rate("conversation:mute", 120, 60),
    Rate("conversation:archive", 300, 60),
    Rate("conversation:pin", 120, 60),
    Rate("conversation:mark", 300, 60),
    Rate("conversation:draft", 300, 60),
    Rate("member:add", 120, 60),
    Rate("member:remove", 300, 60),
    Rate("member:role", 120, 60),
    Rate("member:ban", 120, 60),
    Rate("receipt:delivered", 1_200, 60),
    Rate("receipt:read", 1_200, 60),
    Rate("typing:start", 600, 60),  # an app may say it with every key
    Rate("typing:stop", 600, 60),
    Rate("presence:watch", 300, 60),
    Rate("sync", 1_200, 60),  # one that names many conversations counts as several
    Rate("auth:refresh", 60, 60),
    Rate(ADD, 2_000, 3_600),
    Rate(ADD, 10_000, 86_400),
    Rate(ADD_ONE, 30, 3_600),
    Rate(ADD_ONE, 100, 86_400),
    Rate(CONTACTS, 20_000, 86_400),
    Rate(SEARCH, 60, 60),
    Rate(SEARCH, 1_000, 86_400),
    Rate(REPORT, 20, 3_600),
    Rate(EXPORT, 5, 86_400),
    Rate(OTHER, 60, 60),
    Rate(CONNECT, 1_200, 60),
    Rate("search", 120, 60),  # an app may look with every key
    Rate("users:contacts", 60, 60),  # a thousand numbers each, which take a while to read
    # REST, where it has no event's name.
    Rate("read", 1_200, 60),
    Rate("write", 300, 60),
    # NIST SP 800-63B-4, 3.2.2: at most 100 tries that fail. Many phones share the address of their carrier.
    Rate(LOGIN, 30, 60, Key.ACCOUNT),
    Rate(LOGIN, 100, 86_400, Key.ACCOUNT),
    Rate(LOGIN, 60, 60, Key.ADDRESS),
    Rate(LOGIN, 1_000, 86_400, Key.ADDRESS),
    Rate(LOGIN_HERE, 10, 60, Key.ADDRESS),  # an address with one account: it can't use up the account's alone
    Rate(LOGIN_HERE, 40, 86_400, Key.ADDRESS),
    Rate(LOGIN_KNOWN, 10, 60, Key.ACCOUNT),
    Rate(LOGIN_KNOWN, 100, 86_400, Key.ACCOUNT),
    Rate(REGISTER, 60, 600, Key.ADDRESS),
    Rate(REGISTER, 1_000, 86_400, Key.ADDRESS),
    Rate(REFRESH, 60, 60, Key.ACCOUNT),  # a login, that is: one device
)


NEW_S: Final = 86_400
"""How long `SharedRates.take_new` remembers what was counted, from the first of it."""


class Rates(Protocol):
    """What one process counts by itself. Never waits."""

    def take(self, name: str, key: Key, who: Hashable, cost: int = 1) -> None:
        """Count a use; `cost`: as so many, but never as more than the bucket holds.

        Raises:
            RateLimited: with `retry_after_ms`; nothing was counted.
        """
        ...


class SharedRates(Protocol):
    """What all processes count together, where they have Redis. `who` is each key's, as text.

    Without Redis, and while it does not answer, each process counts by itself: nobody has to wait for it.
    """

    async def check(self, name: str, who: Mapping[Key, str]) -> None:
        """Ask whether a use would be counted, without counting it.

        Raises:
            RateLimited: with `retry_after_ms`.
        """
        ...

    async def take(self, name: str, who: Mapping[Key, str], cost: int = 1) -> None:
        """Count a use in every bucket of that name that has a key here, or in none.

        `cost`: as so many, but never as more than a bucket holds.

        Raises:
            RateLimited: one of them is empty.
        """
        ...

    async def take_new(self, name: str, key: Key, who: str, what: Collection[str]) -> None:
        """Count a use for each of `what`, but none for what was counted for them within `NEW_S`.

        Raises:
            RateLimited: there are too many new ones; none was counted.
        """
        ...

    async def give_back(self, name: str, who: Mapping[Key, str]) -> None:
        """Count a use no more: it turned out that it is none of those that are limited."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def take_adding(rates: Rates, user_id: UserId, others: Collection[UserId]) -> None:
    """Count the people that a user brings into a conversation.

    Raises:
        RateLimited: too many, or one of them too often: nobody fills another's conversations.
    """
    people = set(others) - {user_id}
    for other in people:
        rates.take(ADD_ONE, Key.USER, (user_id, other))
    if people:
        rates.take(ADD, Key.USER, user_id, len(people))


def retry_after_ms(wait_s: float) -> int:
    """Whole milliseconds after which it is worth to come again."""
    return max(1, math.ceil(wait_s * 1000))


def table(changes: Iterable[str], rates: Iterable[Rate] = DEFAULT_RATES) -> tuple[Rate, ...]:
    """Return `rates` with changes, each `name=100/60`, `name@account=10/60+50/86400` or `name=off`.

    A change takes the place of all rows of that name and key (`user` if none is named); the windows are
    seconds. `all=off` lets everything through.

    Raises:
        ValueError: the text tells what is wrong.
    """
    found = list(rates)
    for change in changes:
        match = _CHANGE.fullmatch(change)
        if match is None:
            raise ValueError(f"{change!r} is not a rate such as message:send=600/60 or sync=off")
        name, key, rows = match[1], Key(match[2] or Key.USER), match[3]
        if name == ALL and rows != _OFF:
            raise ValueError(f"{change!r}: all rates together can only be off")
        if name != ALL and not any((it.name, it.key) == (name, key) for it in DEFAULT_RATES):
            raise ValueError(f"{change!r}: there is no such rate")
        found = [it for it in found if name != ALL and (it.name, it.key) != (name, key)]
        if rows != _OFF:
            pairs = (row.split("/") for row in rows.split("+"))
            found += [Rate(name, int(limit), int(window), key) for limit, window in pairs]
    return tuple(found)


ALL: Final = "all"
_OFF = "off"
_ROW = r"[1-9]\d{0,8}/[1-9]\d{0,8}"
_CHANGE = re.compile(rf"([\w:]{{1,64}})(?:@({'|'.join(Key)}))?=({_OFF}|{_ROW}(?:\+{_ROW}){{0,3}})")


class Buckets:
    """The buckets of one table, in memory: implements `Rates`.

    Args:
        rates: the table. What has no row is not limited.
        clock: seconds that never go back.
        most: buckets that are kept of each row. Beyond it those that are full are dropped, which changes
            nothing, and then those that will be full soonest.
    """

    def __init__(self, rates: Iterable[Rate], clock: Callable[[], float], most: int = 100_000) -> None:
        self._clock = clock
        self._most = most
        self._rows: dict[str, tuple[_Row, ...]] = {}
        for rate in rates:
            self._rows[rate.name] = (*self._rows.get(rate.name, ()), _Row(rate))

    def __len__(self) -> int:
        return sum(len(row.full_at) for rows in self._rows.values() for row in rows)

    def check(self, name: str, key: Key, who: Hashable, cost: int = 1) -> None:
        """Raise what `take` would, and count nothing."""
        self._after(name, key, who, self._clock(), cost)

    def take(self, name: str, key: Key, who: Hashable, cost: int = 1) -> None:
        """See `Rates.take`."""
        now = self._clock()
        for row, full_at in self._after(name, key, who, now, cost):
            row.full_at[who] = full_at
            if len(row.full_at) > self._most:
                row.drop(now, self._most * 3 // 4)

    def give_back(self, name: str, key: Key, who: Hashable) -> None:
        """Count a use no more."""
        for row in self._rows.get(name, ()):
            if row.key is key and who in row.full_at:
                row.full_at[who] -= row.use_s

    def _after(self, name: str, key: Key, who: Hashable, now: float, cost: int) -> "list[tuple[_Row, float]]":
        """When each bucket is full again if a use is counted. Raises RateLimited if one has no room for it.

        It comes before every event: loops and comparisons, since calls would cost some times as much.
        """
        after: list[tuple[_Row, float]] = []
        wait = 0.0
        for row in self._rows.get(name, ()):
            if row.key is not key:
                continue
            full_at = row.full_at.get(who, now)
            full_at = max(full_at, now)
            full_at += (cost if cost < row.limit else row.limit) * row.use_s
            wait = max(wait, full_at - now - row.window_s)
            after.append((row, full_at))
        if wait > 1e-6:  # less is an error of rounding
            raise RateLimited(retry_after_ms=retry_after_ms(wait))
        return after


class _Row:
    """One row of the table: when the bucket of each who used it will be full again."""

    __slots__ = ("full_at", "key", "limit", "use_s", "window_s")

    def __init__(self, rate: Rate) -> None:
        self.key = rate.key
        self.limit = rate.limit
        self.window_s = rate.window_s
        self.use_s = rate.window_s / rate.limit  # in which one use refills
        self.full_at: dict[Hashable, float] = {}

    def drop(self, now: float, most: int) -> None:
        """Keep the emptiest, fewer than there may be: so it is not done at every use."""
        live = sorted(
            (item for item in self.full_at.items() if item[1] > now), key=itemgetter(1), reverse=True
        )
        self.full_at = dict(live[:most])
