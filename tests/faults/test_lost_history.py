"""The database comes back as it was some time ago: a restore, or a replica that had not got everything."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Place
from tests.services.mariadb import MariaDB
from tests.wire.phone import Phone, message

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def backup(mariadb: MariaDB) -> Iterator[str]:
    """The name of a copy, to be made and restored by the test; the database runs afterwards."""
    yield "backup"
    mariadb.kill()
    mariadb.start()


async def test_phones_fetch_anew_what_an_older_copy_tells(
    place: Place, mariadb: MariaDB, backup: str
) -> None:
    cid = place.conversation
    ann, ben = Phone("ann"), Phone("ben")
    await ann.connect(place.urls[0], place.ann.token)
    await ben.connect(place.urls[1], place.ben.token)
    await ben.expect_ok("sync", {})
    for n in range(3):
        await ann.expect_ok("message:send", message(cid, f"kept {n}"))
    await ben.expect_message(lambda it: it["seq"] == 3)
    mariadb.stop()
    mariadb.backup(backup)
    mariadb.start()
    known = await expect_synced(ben)
    for n in range(3):
        await send_until_stored(ann, cid, f"lost {n}")
    await ben.expect_message(lambda it: it["seq"] == 6)
    before = await expect_synced(ben)
    assert before["epoch"] == known["epoch"]
    asked = {"epoch": before["epoch"], "known": revisions(before)}
    assert (await ben.expect_ok("sync", asked))["conversations"] == []

    mariadb.kill()
    mariadb.restore(backup)
    mariadb.start()
    # Nothing is decided under the old name: the first message that is stored has a seq that was given before.
    seq = await send_until_stored(ann, cid, "new")
    assert seq == 4
    await until_reconnected(ben, 2)
    await until_reconnected(ann, 2)
    for phone in (ann, ben):
        after = await phone.expect_ok("sync", asked)
        assert after["epoch"] != before["epoch"]
        (delta,) = after["conversations"]
        assert delta["gap"]
        assert delta["since"] == 0
        bodies = [it["body"] for it in delta["messages"]]
        assert bodies == ["kept 0", "kept 1", "kept 2", "new"]
    await ann.expect_ok("message:send", message(cid, "newer"))
    await ben.expect_message(lambda it: it["body"] == "newer")
    await ann.close()
    await ben.close()


async def send_until_stored(phone: Phone, cid: str, body: str) -> int:
    """As an app does: the same again until it is acked; its seq."""
    request = message(cid, body)
    async with asyncio.timeout(60):
        while True:
            try:
                ack = await phone.client.call("message:send", request, timeout=5)
            except Exception:
                await asyncio.sleep(0.2)
                continue
            if ack["ok"]:
                return int(ack["data"]["message"]["seq"])
            assert ack["error"]["retryable"], ack
            await asyncio.sleep(0.2)


async def expect_synced(phone: Phone) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            ack = await phone.emit("sync", {})
            if ack["ok"]:
                data: dict[str, Any] = ack["data"]
                return data


def revisions(synced: dict[str, Any]) -> dict[str, int]:
    return {delta["conversation_id"]: delta["revision"] for delta in synced["conversations"]}


async def until_reconnected(phone: Phone, connects: int) -> None:
    async with asyncio.timeout(30):
        while phone.connects < connects:
            await phone.expect_news()
