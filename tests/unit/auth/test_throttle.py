import secrets
import signal

import pytest
from structlog.testing import capture_logs

from gochat.auth import throttle
from gochat.auth.throttle import Throttle
from gochat.core.errors import RateLimited
from tests.services.redis import Redis


async def exhaust(subject: Throttle, account: str, address: str | None, tries: int) -> int:
    """The wait that the first refused try is told."""
    for _ in range(tries):
        await subject.check(account, address)
    with pytest.raises(RateLimited) as refused:
        await subject.check(account, address)
    assert refused.value.retry_after_ms is not None
    return refused.value.retry_after_ms


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


async def test_an_account_is_tried_so_often_from_anywhere(place: str | None) -> None:
    subject = Throttle("3/hour", place)
    for last in range(3):
        await subject.check("ann", f"192.0.2.{last}")
    with pytest.raises(RateLimited):
        await subject.check("ann", "192.0.2.9")
    await subject.check("bob", "192.0.2.9")
    await subject.close()


async def test_an_address_tries_so_often_whichever_account(place: str | None) -> None:
    subject = Throttle("3/hour", place)
    for name in ("ann", "bob", "eve"):
        await subject.check(name, "192.0.2.1")
    with pytest.raises(RateLimited):
        await subject.check("joe", "192.0.2.1")
    await subject.check("joe", "192.0.2.2")
    await subject.close()


async def test_the_wait_is_told_and_within_the_window(place: str | None) -> None:
    subject = Throttle("2/hour", place)
    assert 0 < await exhaust(subject, "ann", None, 2) <= 3_600_000
    await subject.close()


async def test_a_refused_address_does_not_use_up_the_account(place: str | None) -> None:
    subject = Throttle("2/hour", place)
    await exhaust(subject, "other", "192.0.2.1", 2)
    for _ in range(5):
        with pytest.raises(RateLimited):
            await subject.check("ann", "192.0.2.1")
    await subject.check("ann", "192.0.2.2")
    await subject.close()


async def test_an_ipv6_customer_is_one_address(place: str | None) -> None:
    subject = Throttle("2/hour", place)
    await subject.check("ann", "2001:db8:0:1::1")
    await subject.check("bob", "2001:db8:0:1:ffff::2")
    with pytest.raises(RateLimited):
        await subject.check("eve", "2001:db8:0:1::3")
    await subject.check("eve", "2001:db8:0:2::3")
    await subject.check("joe", "not an address")
    await subject.close()


async def test_processes_share_their_counts_by_redis(redis_url: str) -> None:
    one, other = Throttle("2/hour", redis_url), Throttle("2/hour", redis_url)
    await one.check("ann", None)
    await other.check("ann", None)
    with pytest.raises(RateLimited):
        await one.check("ann", None)
    await one.close()
    await other.close()


async def test_without_redis_each_process_counts_by_itself(redis: Redis) -> None:
    subject = Throttle("2/hour", redis.url)
    redis.stop()
    try:
        with capture_logs() as logs:
            await exhaust(subject, "ann", None, 2)
    finally:
        redis.start()
        await subject.close()
    assert {entry["event"] for entry in logs} == {"login_rate_counted_alone"}
    assert "ann" not in str(logs)
    assert redis.url not in str(logs)


async def test_a_frozen_redis_holds_up_nobody_and_counts_again_afterwards(redis: Redis) -> None:
    subject, other = Throttle("2/hour", redis.url), Throttle("2/hour", redis.url)
    name = secrets.token_hex(8)
    await subject.check(name, None)
    redis.process.signal(signal.SIGSTOP)
    try:
        with capture_logs() as logs:
            await exhaust(subject, "ann", None, 2)
    finally:
        redis.process.signal(signal.SIGCONT)
    assert len(logs) == 3
    await other.check(name, None)
    with capture_logs() as logs, pytest.raises(RateLimited):
        await subject.check(name, None)
    assert logs == []
    await subject.close()
    await other.close()


async def test_what_it_counts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MAX_KEYS", 10)
    subject = Throttle("1/hour")
    for number in range(100):
        await subject.check(f"user{number}", None)
        assert len(subject._memory.storage) <= 10
