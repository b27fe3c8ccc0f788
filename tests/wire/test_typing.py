"""Who types, and who looks: also when the two are at different processes."""

import asyncio

from tests.wire.account import Account
from tests.wire.phone import Phone, message
from tests.wire.place import Place
from tests.wire.test_guarantees import direct, group


async def expect_list(phone: Phone, users: list[Account], count: int) -> None:
    """The list number `count` is of these users."""
    await phone.expect_event("typing:changed", lambda _: len(list(phone.payloads("typing:changed"))) >= count)
    last = list(phone.payloads("typing:changed"))[count - 1]
    assert last["user_ids"] == [user.id for user in users]


def test_it_ends_by_stop_by_a_message_by_leaving_and_by_going(place: Place) -> None:
    """Cat, who began before Ann, still types when Ann stops: so it did not end by its time."""
    ann, ben, cat = place.users("ann", "ben", "cat")
    cid = group(ann, ben, cat)
    at = {"conversation_id": cid}

    async def scene() -> None:
        async with place.phones(ann, ben, cat) as (a, b, c):
            await b.expect_ok("conversation:join", at)
            heard = 0
            for end in ("typing:stop", "message:send", "conversation:leave", "going"):
                await c.expect_ok("typing:start", at)
                await a.expect_ok("typing:start", at)
                if end == "going":
                    await a.close()
                else:
                    await a.expect_ok(end, message(cid, "done") if end == "message:send" else at)
                await expect_list(b, [cat], heard + 3)
                await c.expect_ok("typing:stop", at)
                await expect_list(b, [], heard + 4)
                heard += 4

    asyncio.run(scene())


def test_what_was_left_at_once_is_not_on_screen(place: Place) -> None:
    ann, ben = place.users("ann", "ben")
    at = {"conversation_id": direct(ann, ben)}

    async def scene() -> None:
        async with place.phones(ann, ben, ben) as (a, b, other):
            await other.expect_ok("conversation:join", at)
            await asyncio.gather(b.expect_ok("conversation:join", at), b.expect_ok("conversation:leave", at))
            await a.expect_ok("typing:start", at)
            await other.expect_event("typing:changed")
            await b.expect_ok("sync", {})
            assert not list(b.payloads("typing:changed"))

    asyncio.run(scene())


def test_a_message_sent_in_the_same_breath_ends_it(place: Place) -> None:
    ann, ben = place.users("ann", "ben")
    cid = direct(ann, ben)
    at = {"conversation_id": cid}

    async def scene() -> None:
        async with place.phones(ann, ben) as (a, b):
            await b.expect_ok("conversation:join", at)
            for _ in range(5):
                await asyncio.gather(
                    a.expect_ok("typing:start", at), a.expect_ok("message:send", message(cid, "quick"))
                )
            await b.expect_event("message:created", lambda delta: delta["revision"] == 6)
            last = [payload["user_ids"] for payload in b.payloads("typing:changed")][-1:]
            assert last in ([], [[]])

    asyncio.run(scene())
