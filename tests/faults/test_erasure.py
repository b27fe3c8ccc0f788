"""Accounts that are deleted while the process that does it is killed again and again."""

import asyncio
import multiprocessing
import random
import signal
import time
from typing import Any

import pytest
from sqlalchemy import insert

from gochat.core.bans import BanMember
from gochat.core.blocks import Block
from gochat.core.model import Extras, UserId
from gochat.core.profiles import UpdateProfile
from gochat.core.reactions import React
from gochat.core.sides import SaveDraft
from gochat.ids import new_id
from gochat.storage.engines import write_engine
from gochat.storage.tables import ForeignUserRow, ReportRow, SessionRow
from tests.contract.test_erasure import CANARY, found
from tests.faults import dies_while_erasing
from tests.writing.stored import check, read
from tests.writing.world import Writing, direct, group, new_key, prepare, send, writing

KILLS = 50
GONE = 12
"""Accounts that are deleted: so much to do that it is not done before the last kill."""


async def live(it: Writing, user_id: UserId, *others: UserId) -> None:
    """Leave a trace wherever a user can."""
    said = {"display_name": CANARY, "about": CANARY, "data": f'{{"x": "{CANARY}"}}'}
    await it.writer.submit(UpdateProfile(user_id, said | {"avatar_url": f"https://{CANARY}.example/"}))
    places = [await it.create(group(user_id, *others)), await it.create(direct(user_id, others[0]))]
    places.append(await it.create(group(others[0], user_id, others[1])))
    for cid in places:
        extras = Extras("custom:x", f'{{"x": "{CANARY}"}}')
        message = send(cid, user_id, CANARY)
        await it.submit_all([message, send(cid, others[0], "theirs"), send(cid, user_id, CANARY)])
        await it.writer.submit(type(message)(cid, user_id, new_key(), CANARY, extras=extras))
        await it.writer.submit(SaveDraft(cid, user_id, CANARY))
        await it.writer.submit(React(cid, 2, {(user_id, f"custom:{CANARY}"): True}))
    await it.writer.submit(BanMember(places[2], others[0], user_id, on=True))
    await it.writer.submit(Block(new_id(), user_id, others[1], on=True))


def log_in(url: str, users: tuple[UserId, ...]) -> None:
    """What else is stored of them: rows as logins and reports make them; and they are due to be deleted."""
    now = time.time_ns() // 1_000_000
    engine = write_engine(url)
    with engine.begin() as connection:
        for n, user_id in enumerate(users):
            session = {"id": new_id(), "user_id": user_id, "device_name": CANARY, "refresh_hash": bytes(32)}
            times = {"created_at": now, "last_seen_at": now, "expires_at": now + 10**9}
            connection.execute(insert(SessionRow), session | times)
            known = {"issuer": "server", "subject": f"{CANARY}{n}", "user_id": user_id}
            connection.execute(insert(ForeignUserRow), known)
            report = {"id": new_id(), "reporter_id": user_id, "client_report_id": bytes(16), "user_id": 1}
            told = {"reason": "spam", "comment": CANARY, "created_at": now}
            connection.execute(insert(ReportRow), report | told)
            wish = f"UPDATE users SET deletes_at = 1, username = '{CANARY}{n}', phone = '+4930{n}'"
            connection.exec_driver_sql(f"{wish} WHERE id = {user_id}")
    engine.dispose()


def phones(url: str) -> int:
    engine = write_engine(url)
    with engine.connect() as connection:
        ((count,),) = connection.exec_driver_sql("SELECT COUNT(*) FROM users WHERE phone IS NOT NULL")
    engine.dispose()
    return int(count)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("messages", "left"),
    [("keep", {"messages.body", "messages.extras", "reactions.emoji"}), ("erase", set())],
)
def test_a_deletion_that_is_killed_goes_on(mariadb_url: str, messages: Any, left: set[str]) -> None:
    """SIGKILL at 50 random steps, one after the other; then nothing is left but what docs/privacy.md says."""
    url = mariadb_url
    users = prepare(url, GONE + 2)
    leaving, others = users[:GONE], users[GONE:]

    async def scenario() -> None:
        async with writing(url) as it:
            for user_id in leaving:
                await live(it, user_id, *others)

    asyncio.run(scenario())
    log_in(url, leaving)
    assert len(found(url)) > 10
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload([dies_while_erasing.__name__])
    rng = random.Random(7)
    for point in (*(rng.randint(1, 25) for _ in range(KILLS)), 0):
        process = fork.Process(target=dies_while_erasing.run, args=(url, messages, point))
        process.start()
        process.join(60)
        assert process.exitcode == (-signal.SIGKILL if point else 0)
        process.close()
    assert found(url) == left
    assert phones(url) == 0
    check(read(url))
