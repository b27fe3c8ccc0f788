"""Rates that processes share: alone and on Redis alike."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis as Client
from structlog.testing import capture_logs

from gochat.core.errors import RateLimited
from gochat.core.rates import Key, Rate, SharedRates
from gochat.storage.rates import AloneRates, RedisRates
from tests.contract.rest import API, register, running
from tests.services.redis import Redis

REPORT = {
    "client_report_id": "5b7a1c2e-0000-4000-8000-000000000001",
    "target": {"user_id": "0" * 15 + "1"},
    "reason": "spam",
}
TABLE = (
    Rate("login", 3, 3_600, Key.ACCOUNT),
    Rate("login", 5, 3_600, Key.ADDRESS),
    Rate("long", 2, 1, Key.ACCOUNT),
    Rate("long", 3, 3_600, Key.ACCOUNT),
    Rate("many", 100, 86_400, Key.USER),
)
PATIENCE_S = 20.0
"""Where Redis is there: a machine that has much to do is no Redis that is away."""


@pytest.fixture(autouse=True)
def patient_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RedisRates.__init__, "__defaults__", (PATIENCE_S,))


@pytest.fixture(params=["alone", "redis"])
async def rates(request: pytest.FixtureRequest) -> AsyncIterator[SharedRates]:
    if request.param == "alone":
        yield AloneRates(TABLE)
        return
    async with on_redis(request.getfixturevalue("redis_url")) as store:
        yield store


@asynccontextmanager
async def on_redis(
    url: str, table: Collection[Rate] = TABLE, patience_s: float = PATIENCE_S
) -> AsyncIterator[RedisRates]:
    store = RedisRates(url, "test:0", table, patience_s)
    try:
        yield store
    finally:
        await store.close()


async def counted(rates: SharedRates, times: int, name: str = "login", **who: str) -> int:
    """How many of so many uses are counted."""
    count = 0
    for _ in range(times):
        try:
            await rates.take(name, {Key(key): one for key, one in who.items()})
        except RateLimited as error:
            assert 0 < (error.retry_after_ms or 0) <= 3_600_000  # noqa: PT017
        else:
            count += 1
    return count


async def test_each_account_and_each_address_has_its_own(rates: SharedRates) -> None:
    assert await counted(rates, 5, account="ann") == 3
    assert await counted(rates, 5, account="ben") == 3
    assert await counted(rates, 9, address="192.0.2.1") == 5


async def test_what_one_key_refuses_is_not_counted_for_the_other(rates: SharedRates) -> None:
    assert await counted(rates, 9, account="ann", address="192.0.2.1") == 3
    assert await counted(rates, 9, account="ben", address="192.0.2.1") == 2
    assert await counted(rates, 9, account="ben", address="192.0.2.2") == 1


async def test_a_use_may_count_as_several(rates: SharedRates) -> None:
    """But never as more than there may be."""
    ann, ben = {Key.ACCOUNT: "ann"}, {Key.ACCOUNT: "ben"}
    await rates.take("login", ann, 2)
    with pytest.raises(RateLimited):
        await rates.take("login", ann, 2)
    assert await counted(rates, 2, account="ann") == 1
    await rates.take("login", ben, 1_000)
    assert await counted(rates, 1, account="ben") == 0


async def test_what_was_counted_before_is_not_counted_anew(rates: SharedRates) -> None:
    """And what was refused is not taken for counted."""

    async def take(*what: str) -> bool:
        try:
            await rates.take_new("many", Key.USER, "ann", what)
        except RateLimited:
            return False
        return True

    first, then = [f"+4930{n}" for n in range(60)], [f"+4940{n}" for n in range(60)]
    for _ in range(20):
        assert await take(*first)
    for _ in range(2):
        assert not await take(*then)
    assert await take(*first, *then[:20])
    assert await take(*then[:20], *first)
    assert not await take(*then)
    assert await take()
    await rates.take_new("many", Key.USER, "ben", then)
    await rates.take_new("none", Key.USER, "ben", then)


async def test_what_is_asked_by_rest_alone_is_counted_for_all_processes(
    redis_url: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'gochat.db'}"
    rates = tuple(f"{name}=2/3600" for name in ("users:search", "report", "export"))
    asks: list[tuple[str, str, object]] = [
        ("GET", "/users?prefix=abc", None),
        ("POST", "/reports", REPORT),
        ("GET", "/me/export", None),
    ]
    async with running(url, redis_url=redis_url, rates=rates) as here:
        token = (await register(here, "ann")).tokens["access_token"]
        for method, path, body in asks:
            assert (await here.as_(token).send(method, API + path, json=body)).status_code < 300
    async with running(url, redis_url=redis_url, rates=rates) as there:
        for method, path, body in asks:
            answers = [await there.as_(token).send(method, API + path, json=body) for _ in range(2)]
            assert [it.status_code == 429 for it in answers] == [False, True], path


async def test_of_an_address_book_what_is_new_counts(redis_url: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gochat.db'}"
    async with running(url, redis_url=redis_url, rates=("contacts=100/3600",)) as rest:
        ann = (await register(rest, "ann")).rest
        book = [f"+49301234{n:04}" for n in range(90)]
        for _ in range(5):
            await ann.ok("POST", "/users/contacts", {"numbers": book})
        answer = await ann.post("/users/contacts", {"numbers": [f"+49401234{n:04}" for n in range(50)]})
        assert (answer.status, answer.code) == (429, "rate_limited")
        await ann.ok("POST", "/users/contacts", {"numbers": book})


@pytest.mark.parametrize("shared", [False, True])
async def test_a_number_is_one_in_each_country(
    shared: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Else a day's numbers could be asked about anew in each of 240; and it is one, however it is written."""
    url = f"sqlite:///{tmp_path / 'gochat.db'}"
    redis_url = request.getfixturevalue("redis_url") if shared else None
    async with running(url, redis_url=redis_url, rates=("contacts=50/3600",)) as rest:
        ann = (await register(rest, "ann")).rest
        book = [f"030 1234{n:04}" for n in range(40)]
        same = [f"+49 (30) 1234-{n:04}" for n in range(40)]
        for asked in ({"numbers": book, "region": "DE"}, {"numbers": same}, {"numbers": ["none"] * 99}):
            await ann.ok("POST", "/users/contacts", asked)
        answer = await ann.post("/users/contacts", {"numbers": book, "region": "IT"})
        assert (answer.status, answer.code) == (429, "rate_limited")


async def test_asking_counts_nothing(rates: SharedRates) -> None:
    for _ in range(9):
        await rates.check("login", {Key.ACCOUNT: "ann"})
    assert await counted(rates, 9, account="ann") == 3
    with pytest.raises(RateLimited):
        await rates.check("login", {Key.ACCOUNT: "ann", Key.ADDRESS: "192.0.2.1"})
    await rates.check("login", {Key.ADDRESS: "192.0.2.1"})


async def test_what_is_given_back_was_not_used(rates: SharedRates) -> None:
    who = {Key.ACCOUNT: "ann", Key.ADDRESS: "192.0.2.1"}
    for _ in range(9):
        await rates.take("login", who)
        await rates.give_back("login", who)
    assert await counted(rates, 2, account="ann", address="192.0.2.1") == 2
    await rates.give_back("login", who)
    assert await counted(rates, 9, account="ann") == 2
    assert await counted(rates, 9, address="192.0.2.1") == 4
    for _ in range(9):
        await rates.give_back("login", who)
    assert await counted(rates, 9, account="ann") == 3


async def test_it_refills_and_a_longer_window_holds_too(rates: SharedRates) -> None:
    count = 0
    while count < 3:  # half a second for each
        count += await counted(rates, 1, "long", account="ann")
    with pytest.raises(RateLimited) as refused:
        await rates.check("long", {Key.ACCOUNT: "ann"})
    assert (refused.value.retry_after_ms or 0) > 60_000


async def test_what_has_no_row_is_free(rates: SharedRates) -> None:
    assert await counted(rates, 9, "other", account="ann") == 9


async def test_processes_count_together_and_nobody_s_name_is_kept(redis_url: str) -> None:
    async with on_redis(redis_url) as one, on_redis(redis_url) as other:
        assert await counted(one, 2, account="ann") == 2
        assert await counted(other, 2, account="ann") == 1
    with Client.from_url(redis_url) as client:
        keys = client.keys()
        assert isinstance(keys, list)
        assert len(keys) == 1
        assert b"ann" not in keys[0]
        assert 0 < client.pttl(keys[0]) <= 3_600_001


def stopped(server: Redis) -> Callable[[], object]:
    server.stop()
    return server.start


def frozen(server: Redis) -> Callable[[], object]:
    server.process.signal(signal.SIGSTOP)
    return lambda: server.process.signal(signal.SIGCONT)


@pytest.mark.parametrize("lose", [stopped, frozen])
async def test_without_redis_each_process_counts_by_itself_and_then_together_again(
    redis: Redis, lose: Callable[[Redis], Callable[[], object]]
) -> None:
    name = secrets.token_hex(8)
    async with on_redis(redis.url, patience_s=1) as subject, on_redis(redis.url, patience_s=1) as other:
        assert await counted(subject, 1, account=name) == 1
        back = lose(redis)
        try:
            with capture_logs() as logs:
                assert await counted(subject, 5, account=name) == 3
                assert await counted(other, 5, account=name) == 3
        finally:
            back()
    assert {entry["event"] for entry in logs} == {"rates_counted_alone"}
    assert name not in str(logs)
    assert redis.url not in str(logs)
    async with on_redis(redis.url) as fresh:
        # A frozen one may yet count what it was asked meanwhile.
        assert await counted(fresh, 5, account=name) in ({3} if lose is stopped else {0, 1, 2})


async def test_more_at_once_than_there_are_connections_are_all_counted(redis_url: str) -> None:
    async with on_redis(redis_url, (Rate("login", 10, 3_600, Key.ACCOUNT),)) as subject:
        with capture_logs() as logs:
            counts = await asyncio.gather(*(counted(subject, 1, account="ann") for _ in range(200)))
    assert logs == []
    assert sum(counts) == 10
