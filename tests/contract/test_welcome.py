"""Who brings whom into conversations: settings and bounds, on every database, and the rates over REST."""

import asyncio
import time

import pytest

from gochat.core.blocks import Block
from gochat.core.conversations import CreateConversation
from gochat.core.errors import ChatError, Forbidden, LimitExceeded, NotFound
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.model import UserId, WhoCanAdd
from gochat.core.profiles import UpdateProfile
from gochat.storage.engines import transaction, write_engine
from gochat.storage.fetch import run
from tests.contract.rest import Rest, register
from tests.writing.stored import check, read
from tests.writing.world import Writing, direct, group, new_id, prepare, writing

FEW = Limits(conversations=3, conversations_made=2)


async def lets(it: Writing, user_id: UserId, who: WhoCanAdd) -> None:
    await it.writer.submit(UpdateProfile(user_id, settings={"who_can_add": who}))


async def outcome(it: Writing, command: CreateConversation | AddMembers) -> type[ChatError] | None:
    try:
        await it.writer.submit(command)
    except ChatError as error:
        if type(error) is Forbidden:
            assert error.details == {"reason": "who_can_add"}  # noqa: PT017
            assert error.field in {"member_ids", "user_ids"}  # noqa: PT017
        return type(error)
    return None


def test_who_can_add_holds_for_groups_and_direct_conversations(database_url: str) -> None:
    ann, ben, carl, eve, joe = prepare(database_url, 5)

    async def scenario() -> None:
        async with writing(database_url) as it:
            theirs = await it.create(group(eve, joe))
            await it.create(group(ben, ann))
            former = await it.create(group(carl, ann))
            await it.writer.submit(RemoveMember(former, carl, ann))
            await lets(it, ann, WhoCanAdd.CONTACTS)
            for command in (group(eve, joe, ann), direct(eve, ann), direct(carl, ann)):
                assert await outcome(it, command) is Forbidden
            assert await outcome(it, AddMembers(theirs, eve, (ann,))) is Forbidden
            assert await outcome(it, group(ben, ann, eve)) is None
            assert await outcome(it, direct(eve, ann)) is None, "they share a group now"
            assert await outcome(it, AddMembers(theirs, eve, (ann,))) is None

            await lets(it, ann, WhoCanAdd.NOBODY)
            assert await outcome(it, group(ben, ann)) is Forbidden
            assert await outcome(it, direct(ben, ann)) is Forbidden
            assert await outcome(it, direct(eve, ann)) is None, "it is there already"
            assert await outcome(it, AddMembers(theirs, eve, (ann,))) is None, "who is there stays"
            assert await outcome(it, direct(ann, joe)) is None, "one may oneself"
            assert await outcome(it, direct(joe, ann)) is None
            await lets(it, ann, WhoCanAdd.EVERYONE)
            assert await outcome(it, group(carl, ann)) is None

    asyncio.run(scenario())
    check(read(database_url))


def test_nobody_brings_in_who_is_deleted(database_url: str) -> None:
    """Nor who is about to be: all that brings them in is stored by when it begins, or refused."""
    ann, ben = prepare(database_url, 2)
    future = time.time_ns() // 1_000_000 + 3_600_000
    engine = write_engine(database_url)

    def put(deletes_at: int | None, deleted: int) -> None:
        with engine.connect() as connection, transaction(connection):
            run(
                connection,
                "UPDATE users SET deletes_at = ?, deleted = ? WHERE id = ?",
                deletes_at,
                deleted,
                ann,
            )

    async def scenario() -> None:
        async with writing(database_url) as it:
            theirs = await it.create(group(ben))
            for left in ((1, 0), (1, 1), (None, 1)):
                put(*left)
                for command in (group(ben, ann), direct(ben, ann), AddMembers(theirs, ben, (ann,))):
                    assert await outcome(it, command) is NotFound
            put(future, 0)
            for command in (group(ben, ann), direct(ben, ann), AddMembers(theirs, ben, (ann,))):
                assert await outcome(it, command) is None, "they may come back"
            put(1, 1)
            assert await outcome(it, direct(ben, ann)) is None, "it is there already"

    asyncio.run(scenario())
    engine.dispose()
    check(read(database_url))


def test_who_is_blocked_is_told_nothing_of_it(database_url: str) -> None:
    ann, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            await lets(it, ann, WhoCanAdd.NOBODY)
            await it.writer.submit(Block(new_id(), ann, ben, on=True))
            for command in (group(ben, ann), direct(ben, ann), group(ben, 999_999)):
                error = await outcome(it, command)
                assert error is not None
                assert error.code == "not_found"

    asyncio.run(scenario())


def test_what_others_made_of_a_user_does_not_count_for_them(database_url: str) -> None:
    victim, friend, *strangers = prepare(database_url, 7)

    async def scenario() -> None:
        async with writing(database_url, FEW) as it:
            for stranger in strangers[:3]:
                assert await outcome(it, group(stranger, victim)) is None
            assert await outcome(it, group(strangers[3], victim)) is LimitExceeded
            assert await outcome(it, direct(victim, friend)) is None
            made = await it.create(group(victim))
            assert await outcome(it, group(victim)) is LimitExceeded
            await it.writer.submit(RemoveMember(made, victim, victim))
            assert await outcome(it, group(victim)) is None
            assert await outcome(it, direct(victim, friend)) is None

    asyncio.run(scenario())
    check(read(database_url))


def test_of_many_made_at_once_no_more_than_the_limit_are(database_url: str) -> None:
    (ann,) = prepare(database_url, 1)

    async def scenario() -> None:
        async with writing(database_url, FEW) as it:
            answers = await it.submit_all(group(ann) for _ in range(6))
            assert [isinstance(answer, LimitExceeded) for answer in answers] == [False] * 2 + [True] * 4

    asyncio.run(scenario())


async def test_nobody_fills_anothers_conversations(rest: Rest) -> None:
    victim, friend = await register(rest, "victim"), await register(rest, "friend")
    attacker = await register(rest, "attacker")
    made = []
    for _ in range(40):
        answer = await attacker.rest.post("/conversations", {"kind": "group", "member_ids": [victim.id]})
        if answer.status != 200:
            assert answer.code == "rate_limited"
            assert answer.body["retry_after_ms"] > 0
            break
        made.append(answer.body["conversation"]["id"])
    assert len(made) == 30
    await friend.rest.ok("POST", "/conversations", {"kind": "direct", "member_ids": [victim.id]})
    own = await victim.rest.ok("POST", "/conversations", {"kind": "direct", "member_ids": [friend.id]})
    await attacker.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": [friend.id]})

    direct_id = own["conversation"]["id"]
    answer = await victim.rest.ok(
        "POST", "/conversations/quit", {"conversation_ids": [*made, made[0], direct_id, "0" * 16]}
    )
    assert answer == {
        "quit": [*made, "0" * 16],
        "refused": [{"conversation_id": direct_id, "code": "forbidden"}],
    }
    listed = await victim.rest.ok("GET", "/conversations")
    assert [it["id"] for it in listed["conversations"]] == [direct_id]
    answer = await victim.rest.ok("POST", "/conversations/quit", {"conversation_ids": made})
    assert answer == {"quit": made, "refused": []}
    for ids in ([], ["0" * 16] * 101, "all"):
        refused = await victim.rest.post("/conversations/quit", {"conversation_ids": ids})
        assert (refused.status, refused.code) == (400, "invalid_payload")


@pytest.mark.parametrize("who", ["contacts", "nobody"])
async def test_the_setting_by_rest(rest: Rest, who: str) -> None:
    ann, eve = await register(rest, "ann"), await register(rest, "eve")
    changed = await ann.rest.ok("PATCH", "/me", {"who_can_add": who})
    assert changed["settings"]["who_can_add"] == who
    answer = await eve.rest.post("/conversations", {"kind": "direct", "member_ids": [ann.id]})
    assert (answer.status, answer.code, answer.body["field"]) == (403, "forbidden", "member_ids")
    assert answer.body["details"] == {"reason": "who_can_add"}
