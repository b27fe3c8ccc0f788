"""Terms, reports, filters, and what an operator does, over each database."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gochat.contract import requests
from gochat.contract.ids import id_in, id_out
from gochat.contract.speech import Speech
from gochat.core.errors import TermsRequired
from gochat.core.messages import DeleteMessage
from gochat.core.ports.logins import Identity
from gochat.core.profiles import UpdateProfile
from gochat.core.rates import Buckets
from gochat.core.speech import Rules
from gochat.storage.reactions import ReactionGatherer
from gochat.storage.reader import ConversationReader
from tests.contract.rest import PASSWORD, Rest, RestUser, operator, register, running
from tests.contract.test_rest_chat import message
from tests.reading.world import reading
from tests.writing.world import group, prepare, writing


async def talking(rest: Rest, *names: str) -> tuple[str, list[RestUser]]:
    """A group of new users, and its first owner is the first of them."""
    users = [await register(rest, name) for name in names]
    ids = [user.id for user in users[1:]]
    made = await users[0].rest.ok("POST", "/conversations", {"kind": "group", "member_ids": ids})
    return made["conversation"]["id"], users


def reports(database_url: str, *options: str) -> list[dict[str, Any]]:
    """What `gochat report list` shows."""
    shown = operator(database_url, "report", "list", "--json", *options)
    return [json.loads(line) for line in shown.splitlines()]


async def test_terms_are_accepted_before_one_writes(database_url: str) -> None:
    contact = {"terms_version": "2", "terms_url": "https://example.org/terms", "contact": "help@example.org"}
    async with running(database_url, **contact) as rest:
        told = await rest.ok("GET", "/terms")
        assert told == {"version": "2", "url": "https://example.org/terms", "contact": "help@example.org"}
        cid, (ann, ben) = await talking(rest, "ann", "ben")
        body = message(cid)
        answer = await ann.rest.post("/messages", body)
        assert (answer.status, answer.code, answer.body["details"]) == (
            403,
            "terms_required",
            {"version": "2"},
        )
        wrong = await ann.rest.post("/me/terms", {"version": "1"})
        assert (wrong.status, wrong.code) == (400, "invalid_payload")
        accepted = await ann.rest.ok("POST", "/me/terms", {"version": "2"})
        assert accepted["standing"] == {"muted_until": None, "terms_version": "2"}
        await ann.rest.ok("POST", "/messages", body)
        assert (await ben.rest.post("/messages", message(cid))).code == "terms_required"


def test_what_a_socket_knows_of_its_user_may_be_old(database_url: str) -> None:
    """Who has accepted the terms speaks from that answer on, wherever their socket is."""
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            old = Identity(anna, 1, 2**53, await reader.standing(anna))
            rules, reactions = Rules(terms_version="2"), ReactionGatherer(it.writer)
            speech = Speech(it.writer, reactions, reader, rules, Buckets((), time.monotonic), lambda: 0)
            first = requests.Send.model_validate(message(id_out(cid)))
            edit = requests.Edit.model_validate({"conversation_id": id_out(cid), "seq": 1, "body": "edited"})
            react = requests.React.model_validate(
                {"conversation_id": id_out(cid), "seq": 1, "emoji": "👍", "on": True}
            )

            def acts() -> list[Callable[[], Awaitable[object]]]:
                send, change = speech.send, speech.edit
                return [lambda: send(first, old), lambda: change(edit, old), lambda: speech.react(react, old)]

            for act in acts():
                with pytest.raises(TermsRequired):
                    await act()
            await it.writer.submit(UpdateProfile(anna, standing={"terms_version": "2"}))
            for act in acts():
                await act()

    asyncio.run(scenario())


def test_what_one_user_sends_keeps_its_order_though_of_the_first_more_is_read(database_url: str) -> None:
    """It came before it was known that they accepted the terms; the second came after."""
    anna, ben = prepare(database_url, 2)

    class Slow:
        """A reader that is asked for one thing after the other, and waits before the first."""

        def __init__(self, reader: ConversationReader) -> None:
            self.standing, self._reader, self.goes = reader.standing, reader, asyncio.Event()

        async def status(self, *asked: Any) -> Any:
            await self.goes.wait()
            return await self._reader.status(*asked)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(group(anna, ben))
            old = Identity(anna, 1, 2**53, await reader.standing(anna))
            await it.writer.submit(UpdateProfile(anna, standing={"terms_version": "2"}))
            new = Identity(anna, 1, 2**53, await reader.standing(anna))
            slow: Any = Slow(reader)
            rules, rates = Rules(terms_version="2"), Buckets((), time.monotonic)
            speech = Speech(it.writer, ReactionGatherer(it.writer), slow, rules, rates, lambda: 0)
            sends = [requests.Send.model_validate(message(id_out(cid))) for _ in range(3)]
            said = [
                asyncio.ensure_future(speech.send(*it)) for it in zip(sends, (old, new, old), strict=True)
            ]
            await it.writer.submit(UpdateProfile(ben, said={"about": "what was submitted before is stored"}))
            slow.goes.set()
            assert [answer.message.seq for answer in await asyncio.gather(*said)] == [1, 2, 3]

    asyncio.run(scenario())


async def test_without_terms_nothing_has_to_be_accepted(rest: Rest) -> None:
    assert await rest.ok("GET", "/terms") == {"version": None, "url": None, "contact": None}
    ann = await register(rest, "ann")
    assert (await ann.rest.post("/me/terms", {"version": "1"})).code == "invalid_payload"


async def test_a_report_outlives_the_message(rest: Rest, database_url: str) -> None:
    cid, (ann, ben, eve) = await talking(rest, "ann", "ben", "eve")
    for n in range(20):
        await ben.rest.ok("POST", "/messages", message(cid, text=f"word {n}"))
    report = {
        "client_report_id": "5b7a1c2e-0000-4000-8000-000000000001",
        "target": {"conversation_id": cid, "seq": 10},
        "reason": "harassment",
        "comment": "Again.",
        "block": True,
    }
    for _ in range(2):
        answer = await ann.rest.post("/reports", report)
        assert (answer.status, answer.body) == (202, {})
    assert [it["id"] for it in (await ann.rest.ok("GET", "/me/blocks"))["users"]] == [ben.id]
    (listed,) = reports(database_url)
    number = listed["report"]
    shown = json.loads(operator(database_url, "report", "show", number, "--why", "look"))
    assert (shown["reporter"], shown["user"], shown["seq"]) == (ann.id, ben.id, 10)
    assert [it["body"] for it in shown["snapshot"]] == [f"word {n}" for n in range(4, 15)]
    async with writing(database_url) as it:
        await it.writer.submit(DeleteMessage(id_in(cid), id_in(ben.id), 10))
    again = json.loads(operator(database_url, "report", "show", number, "--why", "look"))
    assert again["snapshot"] == shown["snapshot"]
    operator(database_url, "report", "resolve", number, "--why", "warned", "--as", "Kim")
    assert reports(database_url) == []
    assert [it["resolution"] for it in reports(database_url, "--all")] == ["warned"]
    acts = operator(database_url, "log", number)
    assert all(word in acts for word in ("report show", "report resolve", "Kim", "warned"))
    await eve.rest.ok("GET", "/me")


async def test_the_answer_to_a_report_tells_nothing(rest: Rest, database_url: str) -> None:
    cid, (ann, ben) = await talking(rest, "ann", "ben")
    await ann.rest.ok("POST", "/messages", message(cid))
    stranger = await register(rest, "stranger")
    key = "5b7a1c2e-0000-4000-8000-0000000000{:02}"
    targets: list[dict[str, object]] = [
        {"conversation_id": cid, "seq": 1},
        {"conversation_id": cid, "seq": 99},
        {"conversation_id": "0" * 16, "seq": 1},
        {"user_id": "0" * 16},
        {"user_id": ben.id},
    ]
    for n, target in enumerate(targets):
        report = {"client_report_id": key.format(n), "target": target, "reason": "spam", "block": True}
        answer = await stranger.rest.post("/reports", report)
        assert (answer.status, answer.body) == (202, {}), target
    assert [it["user"] for it in reports(database_url)] == [ben.id]
    bad: list[dict[str, object]] = [{}, {"user_id": ben.id, "seq": 1}, {"conversation_id": cid}, {"seq": 1}]
    for target in bad:
        report = {"client_report_id": key.format(50), "target": target, "reason": "spam"}
        assert (await ann.rest.post("/reports", report)).code == "invalid_payload", target
    for n in range(60, 90):
        report = {"client_report_id": key.format(n), "target": {"user_id": ben.id}, "reason": "spam"}
        last = await ann.rest.post("/reports", report)
    assert last.code == "rate_limited"
    await ben.rest.ok("GET", "/me")


async def test_a_closed_account(rest: Rest, database_url: str) -> None:
    cid, (ann, ben) = await talking(rest, "ann", "ben")
    operator(database_url, "user", "disable", "ben", "--why", "spam")
    assert (await ben.rest.get("/me")).code == "session_revoked"
    login = {"username": "ben", "password": PASSWORD}
    refused = await rest.post("/auth/login", login)
    assert (refused.status, refused.code) == (403, "account_disabled")
    wrong = await rest.post("/auth/login", {**login, "password": "wrong"})
    assert (wrong.status, wrong.code) == (401, "invalid_credentials"), "others are not told"
    refreshed = await rest.post("/auth/refresh", {"refresh_token": ben.tokens["refresh_token"]})
    assert refreshed.code == "session_revoked"
    await ann.rest.ok("POST", "/messages", message(cid))
    operator(database_url, "user", "enable", "ben", "--why", "sorry")
    again = await rest.ok("POST", "/auth/login", login)
    await rest.as_(again["access_token"]).ok("POST", "/messages", message(cid))
    assert "spam" in operator(database_url, "log", ben.id)


async def test_a_muted_user_reads_on(rest: Rest, database_url: str) -> None:
    cid, (ann, ben) = await talking(rest, "ann", "ben")
    before = message(cid)
    await ben.rest.ok("POST", "/messages", before)
    operator(database_url, "user", "mute", "ben", "--hours", "1", "--why", "x")
    answer = await ben.rest.post("/messages", message(cid))
    assert (answer.status, answer.code, answer.body["details"]) == (403, "forbidden", {"reason": "muted"})
    assert (await ben.rest.ok("POST", "/messages", before))["duplicate"] is True
    assert (await ben.rest.ok("GET", "/me"))["standing"]["muted_until"] is not None
    await ben.rest.ok("GET", f"/messages?conversation_id={cid}")
    await ann.rest.ok("POST", "/messages", message(cid))
    titled = {"kind": "group", "member_ids": [ann.id], "title": "You!", "client_conversation_id": KEY}
    for method, path, body in (
        ("PATCH", "/me", {"display_name": "You!"}),
        ("PATCH", "/me", {"about": "You!"}),
        ("POST", "/conversations", titled),
    ):
        answer = await ben.rest.ask(method, path, json=body)
        assert (answer.code, answer.body["details"]) == ("forbidden", {"reason": "muted"}), body
    await ben.rest.ok("PATCH", "/me", {"presence_hidden": True, "about": None})
    await ben.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": [ann.id]})
    operator(database_url, "user", "mute", "ben", "--hours", "0", "--why", "x")
    await ben.rest.ok("POST", "/messages", message(cid))
    made = await ben.rest.ok("POST", "/conversations", titled)
    operator(database_url, "user", "mute", "ben", "--hours", "1", "--why", "x")
    again = await ben.rest.ok("POST", "/conversations", titled)
    assert again["conversation"]["id"] == made["conversation"]["id"], "a retry is answered as it was first"


KEY = "5b7a1c2e-0000-4000-8000-000000000077"
FILTERS = """
words = ["badword", "two words"]
patterns = ['\\b\\d{16}\\b']
domains = ["evil.example"]
links_after_hours = 1
"""


async def test_names_and_titles_are_filtered_too(tmp_path: Path) -> None:
    """They are shown to others as messages are."""
    path = tmp_path / "filters.toml"
    path.write_text(FILTERS)
    async with running(f"sqlite:///{tmp_path / 'gochat.db'}", filters_path=path) as rest:
        ann, ben = await register(rest, "ann"), await register(rest, "ben.example", display_name="Ben")
        group: dict[str, object] = {"kind": "group", "member_ids": [ben.id]}
        asks: list[tuple[Rest, str, str, dict[str, object]]] = [
            (rest, "POST", "/auth/register", {"username": "a.badword", "password": PASSWORD}),
            (
                rest,
                "POST",
                "/auth/register",
                {"username": "carl", "password": PASSWORD, "display_name": "BADWORD"},
            ),
            (ann.rest, "PATCH", "/me", {"display_name": "the badword"}),
            (ann.rest, "PATCH", "/me", {"about": "bad\u200bword"}),
            (ann.rest, "PATCH", "/me", {"about": "see evil.example"}),
            (ann.rest, "POST", "/conversations", group | {"title": "Badword!"}),
        ]
        before = await ann.rest.ok("GET", "/me")
        for who, method, path_, body in asks:
            answer = await who.ask(method, path_, json=body)
            assert (answer.status, answer.code) == (422, "content_refused"), body
        assert await ann.rest.ok("GET", "/me") == before
        assert (await ann.rest.ok("GET", "/conversations"))["conversations"] == []
        await register(rest, "carl")
        await ann.rest.ok("POST", "/conversations", group | {"title": "Good words"})


async def test_filters(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "filters.toml"
    path.write_text(FILTERS)
    async with running(database_url, filters_path=path) as rest:
        cid, (ann, _) = await talking(rest, "ann", "ben")
        for body, rule in {
            "a BadWord here": "words",
            "ｂａｄｗｏｒｄ": "words",
            "two words": "words",
            "badwords": None,
            "4111111111111111": "patterns",
            "see www.evil.example/x": "new_account_links",
            "hello": None,
        }.items():
            answer = await ann.rest.post("/messages", message(cid, body))
            if rule is None:
                assert answer.status == 200, body
            else:
                assert (answer.status, answer.code, answer.body["details"]) == (
                    422,
                    "content_refused",
                    {"rule": rule},
                )
        history = await ann.rest.ok("GET", f"/messages?conversation_id={cid}")
        assert [it["body"] for it in history["messages"]] == ["badwords", "hello"]


async def test_slow_mode(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "filters.toml"
    path.write_text("slow_mode_seconds = 3600\n")
    async with running(database_url, filters_path=path) as rest:
        cid, (ann, ben) = await talking(rest, "ann", "ben")
        first = message(cid)
        await ann.rest.ok("POST", "/messages", first)
        assert (await ann.rest.post("/messages", message(cid))).code == "rate_limited"
        assert (await ann.rest.ok("POST", "/messages", first))["duplicate"] is True
        await ben.rest.ok("POST", "/messages", message(cid))


async def test_many_reports_ban_nobody(rest: Rest, database_url: str) -> None:
    cid, (ann, ben) = await talking(rest, "ann", "ben")
    await ben.rest.ok("POST", "/messages", message(cid))
    for n in range(15):
        body = {"client_report_id": f"5b7a1c2e-0000-4000-8000-{n:012}", "target": {"user_id": ben.id}}
        await ann.rest.post("/reports", {**body, "reason": "spam"})
    await ben.rest.ok("POST", "/messages", message(cid))
    listed = reports(database_url)
    assert len(listed) == 15
    paged: list[dict[str, Any]] = []
    while page := reports(database_url, "--limit=4", *(f"--before={it['report']}" for it in paged[-1:])):
        assert len(page) == min(4, 15 - len(paged))
        paged += page
    assert paged == listed


@pytest.mark.parametrize("given", [{"words": 5}, {"nothing": []}])
async def test_a_file_of_filters_that_is_wrong_stops_the_start(tmp_path: Path, given: dict[str, Any]) -> None:
    from gochat.config import ConfigError, load_settings

    path = tmp_path / "filters.toml"
    path.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in given.items()))
    with pytest.raises(ConfigError, match="FILTERS_PATH"):
        _ = load_settings(filters_path=path, sqlite_path=tmp_path / "x.db").speech
