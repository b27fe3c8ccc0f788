"""A command adds no more to a batch's statements than it says, whatever it holds: on MySQL, in bytes."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection

from gochat.core.bans import BanMember
from gochat.core.blocks import Block
from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.errors import InvalidPayload
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import DeleteMessage, EditMessage, SendMessage, Sent
from gochat.core.model import Attachment, Role
from gochat.core.profiles import UpdateProfile
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.ids import new_id
from gochat.storage.committer import Committer
from gochat.storage.dialects import Asked, MySQL
from tests.services import mysql
from tests.writing.world import direct, group, new_key, prepare, writing

ONCE = 3_072
"""The statements themselves, without what is given: once a batch."""
TEXTS = {
    "plain": "x",
    "emoji": "👋",
    "quotes": '"',
    "backslashes": "\\",
    "control characters": "\x01",
    "cjk": "語",
}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each script of statements that was sent."""
    sizes: list[int] = []
    for name in ("write", "commit"):
        original = getattr(MySQL, name)

        def spy(self: MySQL, connection: Any, writes: Sequence[Asked], original: Any = original) -> None:
            sizes.append(sum(len(self._with(statement, given)) for statement, given in writes))
            original(self, connection, writes)

        monkeypatch.setattr(MySQL, name, spy)
    return sizes


def attachments(char: str) -> tuple[Attachment, ...]:
    """As long as they may be."""
    shown = char if char.isprintable() else "語"
    url = "https://a.example/" + ("é" * 1_015 if char == "👋" else "x" * 2_030)
    name = shown * (255 if len(shown.encode()) < 4 else 254)
    return tuple(Attachment(url, 'a/b;c="\\""', 2**53 - 1, 100_000, 100_000, name) for _ in range(10))


def test_no_command_adds_more_than_it_says(mariadb_url: str, written: list[int]) -> None:
    anna, *others = prepare(mariadb_url, 200)
    ben = others[0]

    async def scenario() -> None:
        async with writing(mariadb_url) as it:
            cid = await it.create(group(anna, *others[:100]))
            two = await it.create(direct(anna, ben))
            commands: list[AnyCommand] = [
                SendMessage(cid, anna, new_key(), "hi"),
                AdvanceReceipts(cid, {user_id: Position(1, 1) for user_id in others[:100]}),
                AddMembers(cid, anna, tuple(others[100:])),
                RemoveMember(cid, anna, others[0]),
                SetRole(cid, anna, others[1], Role.OWNER),
                BanMember(cid, None, others[2], on=True),
                BanMember(cid, None, others[2], on=False),
                RemoveMember(cid, anna, anna),
                Block(new_id(), anna, ben, on=True),
                Block(new_id(), anna, ben, on=False),
                UpdateConversation(cid, others[1], {"title": "👋" * 200}),
                UpdateProfile(anna, {"display_name": "語" * 100}, {"presence_hidden": True}),
                group(ben, *others[1:50]),
            ]
            for char in TEXTS.values():
                commands += [
                    SendMessage(two, anna, new_key(), "a" + char * 7_999),
                    SendMessage(two, anna, new_key(), "", None, attachments(char)),
                ]
            for command in commands:
                written.clear()
                await it.writer.submit(command)
                assert 0 < sum(written) <= command.size + ONCE, (sum(written), command.size, command)
            for seq, char in enumerate(TEXTS.values(), 1):
                for edited in (2 * seq - 1, 2 * seq):
                    written.clear()
                    edit = EditMessage(two, anna, edited, "edited " + char * 7_000)
                    await it.writer.submit(edit)
                    # One of a message with all that may be attached is more: with 64 of them still no packet
                    # is too large.
                    allowed = edit.size + ONCE if edited % 2 else 16_777_216 // 64
                    assert 0 < sum(written) <= allowed, (sum(written), edit.size)
            written.clear()
            delete = DeleteMessage(two, anna, 2)
            await it.writer.submit(delete)
            assert 0 < sum(written) <= delete.size + ONCE

    asyncio.run(scenario())


@pytest.fixture
def packet(mariadb_url: str) -> Iterator[int]:
    """How little the server takes at once, from its next connections on."""
    size = 65_536
    with closing(mysql.connect(mariadb_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.max_allowed_packet")
        ((before,),) = cursor.fetchall()
        cursor.execute(f"SET GLOBAL max_allowed_packet = {size}")
        yield size
        cursor.execute(f"SET GLOBAL max_allowed_packet = {before}")


def test_what_is_too_large_for_the_database_is_refused_and_the_others_of_its_batch_are_not(
    mariadb_url: str, packet: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the connection stays: nobody waits for a new one."""
    anna, ben = prepare(mariadb_url, 2)
    opened: list[Connection] = []
    original = Committer._open

    def watched(self: Committer) -> Connection:
        opened.append(original(self))
        return opened[-1]

    monkeypatch.setattr(Committer, "_open", watched)
    bodies = ["small", "x" * packet, *("y" * 8_000 for _ in range(20)), "after"]

    async def scenario() -> None:
        limits = Limits(body=packet)
        async with writing(mariadb_url, limits, batch_bytes=16_777_216) as it:
            cid = await it.create(direct(anna, ben))
            answers = await it.submit_all(SendMessage(cid, anna, new_key(), body) for body in bodies)
            assert [type(answer) for answer in answers] == [Sent, InvalidPayload, *[Sent] * 21]
            assert len(opened) == 1

    asyncio.run(scenario())
