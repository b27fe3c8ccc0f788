"""Bans from groups, over each database: in one order with whoever adds, and by an operator."""

import asyncio

import pytest

from gochat.contract.ids import id_in
from gochat.core.bans import BanMember
from gochat.core.errors import Forbidden
from gochat.core.members import AddMembers
from gochat.core.model import Conversation
from tests.contract.rest import operator, register, running
from tests.writing.stored import check, read
from tests.writing.world import group, prepare, writing


def test_bans_and_additions_of_two_processes_are_in_one_order(database_url: str) -> None:
    """Whichever came first: who is banned is not in it."""
    anna, ben, carl, dora = prepare(database_url, 4)

    async def scenario() -> None:
        async with writing(database_url) as here, writing(database_url) as there:
            cid = await here.create(group(anna, ben))
            add = AddMembers(cid, anna, (carl, dora))
            for n in range(10):
                ban = BanMember(cid, anna if n % 2 else None, carl, on=True)
                done, added = await asyncio.gather(
                    here.writer.submit(ban), there.writer.submit(add), return_exceptions=True
                )
                assert isinstance(done, Conversation)
                assert isinstance(added, Conversation | Forbidden)
                active = {it.user_id for it in read(database_url).members.values() if it.active}
                assert carl not in active
                with pytest.raises(Forbidden):
                    await there.writer.submit(add)
                await there.writer.submit(BanMember(cid, anna, carl, on=False))
                await here.writer.submit(add)
                active = {it.user_id for it in read(database_url).members.values() if it.active}
                assert active == {anna, ben, carl, dora}

    asyncio.run(scenario())
    check(read(database_url))


async def test_an_operator_bans(database_url: str) -> None:
    async with running(database_url) as rest:
        ann, ben, eve = [await register(rest, name) for name in ("ann", "ben", "eve")]
        made = await ann.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": [ben.id]})
        cid = made["conversation"]["id"]
        banned = f"/conversations/{cid}/bans"
        assert await ann.rest.ok("GET", banned) == {"users": []}
        operator(database_url, "conversation", "ban", cid, ben.id, "--why=spam")
        assert (await ben.rest.get(f"/conversations/{cid}")).code == "not_found"
        assert [it["id"] for it in (await ann.rest.ok("GET", banned))["users"]] == [ben.id]
        for who, code in ((ben, "not_found"), (eve, "not_found")):
            assert (await who.rest.get(banned)).code == code
        listed = operator(database_url, "log", cid)
        assert "conversation ban" in listed
        assert f"{ben.id}: spam" in listed
        operator(database_url, "conversation", "ban", cid, ben.id, "--why=x", "--lift")
        assert await ann.rest.ok("GET", banned) == {"users": []}
        assert id_in(cid)


async def test_a_group_is_told_by_a_message_where_the_server_is_set_so(database_url: str) -> None:
    """By an operator's command as by the server: the settings are the same."""
    async with running(database_url) as rest:
        ann, ben, eve = [await register(rest, name) for name in ("ann", "ben", "eve")]
        members = [ben.id, eve.id]
        made = await ann.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": members})
        cid = made["conversation"]["id"]
        await eve.rest.ok("POST", "/conversations/quit", {"conversation_ids": [cid]})
        operator(database_url, "conversation", "ban", cid, ben.id, "--why=x")
        told = (await ann.rest.ok("GET", f"/messages?conversation_id={cid}"))["messages"]
        data = [it["data"] for it in sorted(told, key=lambda it: it["seq"])]
        assert [(it["event"], it["by"], it["user_ids"]) for it in data] == [
            ("member_left", eve.id, [eve.id]),
            ("member_removed", "0" * 16, [ben.id]),
        ]
