"""One's own account, settings and blocks by REST, over each database."""

from gochat.contract.ids import id_out
from tests.contract.rest import Rest, register
from tests.contract.test_rest_chat import message


async def test_a_profile_is_changed(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    me = await ann.rest.ok("GET", "/me")
    assert me["settings"] == {
        "presence_hidden": False,
        "receipts_hidden": False,
        "discoverable_by_phone": False,
        "who_can_add": "everyone",
    }
    assert me["standing"] == {"muted_until": None, "terms_version": None}
    changed = await ann.rest.ok("PATCH", "/me", {"display_name": "  Ann of Cleves "})
    renamed = me["user"] | {"display_name": "Ann of Cleves", "revision": 1}
    assert changed == me | {"user": renamed}
    hidden = await ann.rest.ok("PATCH", "/me", {"presence_hidden": True})
    assert hidden == changed | {"settings": me["settings"] | {"presence_hidden": True}}
    assert await ann.rest.ok("GET", "/me") == hidden
    assert await ann.rest.ok("PATCH", "/me", {}) == hidden
    assert (await bob.rest.ok("GET", f"/users?ids={ann.id}"))["users"] == [hidden["user"]]


async def test_what_is_said_of_oneself(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    said = {
        "about": "On the road 👣",
        "avatar_url": "https://cdn.example.org/a.png",
        "data": {"pronouns": "they", "n": [1, {"x": None}], "é": True},
    }
    changed = await ann.rest.ok("PATCH", "/me", said)
    assert {name: changed["user"][name] for name in said} == said
    assert (await bob.rest.ok("GET", f"/users?ids={ann.id}"))["users"] == [changed["user"]]
    cleared = await ann.rest.ok("PATCH", "/me", dict.fromkeys(said))
    assert {name: cleared["user"][name] for name in said} == dict.fromkeys(said)


async def test_receipts_are_shown_to_nobody_who_hides_them(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    body = {"kind": "direct", "member_ids": [bob.id]}
    cid = (await ann.rest.ok("POST", "/conversations", body))["conversation"]["id"]
    await ann.rest.ok("PATCH", "/me", {"receipts_hidden": True})
    for sender, reader, shown in ((bob, ann, 0), (ann, bob, 2)):
        await sender.rest.ok("POST", "/messages", message(cid))
        seq = shown or 1
        read = await reader.rest.ok("POST", f"/conversations/{cid}/receipts", {"read_seq": seq})
        assert read["read_seq"] == seq
        members = (await sender.rest.ok("GET", f"/conversations/{cid}/members"))["members"]
        assert {it["user_id"]: it["read_seq"] for it in members}[reader.id] == shown


async def test_an_address_book(rest: Rest) -> None:
    ann = await register(rest, "ann", phone="+493012345678")
    bob = await register(rest, "bob", phone="+12025550143")
    eve = await register(rest, "eve", phone="+493087654321")
    asked = {"numbers": ["030 12345678", "+1 (202) 555-0143", "+493087654321", "x", ""], "region": "DE"}
    assert await eve.rest.ok("POST", "/users/contacts", asked) == {"contacts": []}
    for user in (ann, bob, eve):
        await user.rest.ok("PATCH", "/me", {"discoverable_by_phone": True})
    found = (await eve.rest.ok("POST", "/users/contacts", asked))["contacts"]
    assert {it["number"]: it["user"]["id"] for it in found} == {
        "030 12345678": ann.id,
        "+1 (202) 555-0143": bob.id,
    }
    await ann.rest.ok("PUT", "/me/blocks", {"user_id": eve.id})
    found = (await eve.rest.ok("POST", "/users/contacts", asked))["contacts"]
    assert [it["user"]["id"] for it in found] == [bob.id]
    bad: list[dict[str, object]] = [
        {"numbers": ["1"] * 1_001},
        {"numbers": ["1" * 65]},
        {"numbers": [], "region": "de"},
        {},
    ]
    for body in bad:
        assert (await eve.rest.post("/users/contacts", body)).code == "invalid_payload"


async def test_numbers_are_asked_for_so_often(rest: Rest) -> None:
    ann = await register(rest, "ann")
    answers = []
    for n in range(21):
        numbers = [f"+4930{n:03}{m:05}" for m in range(1_000)]
        answers.append(await ann.rest.post("/users/contacts", {"numbers": numbers}))
    assert [answer.status for answer in answers] == [200] * 20 + [429]


async def test_a_bad_profile_changes_nothing(rest: Rest) -> None:
    ann = await register(rest, "ann")
    before = await ann.rest.ok("GET", "/me")
    bad: list[dict[str, object]] = [
        {"display_name": " "},
        {"display_name": ""},
        {"display_name": "x" * 101},
        {"display_name": 7},
        {"presence_hidden": "yes"},
        {"presence_hidden": 1},
        {"who_can_add": "friends"},
        {"data": {"x": "é" * 2_048}},
        {"data": []},
        {"about": "x" * 501},
        {"avatar_url": "javascript:alert(1)"},
        {"avatar_url": "https:///x"},
        {"id": "0" * 16},
        {"username": "eve"},
        {"deleted": True},
        {"terms_version": "1"},
        {"muted_until": None},
        {"standing": {}},
        {"who_can_add": True},
    ]
    for body in bad:
        answer = await ann.rest.ask("PATCH", "/me", json=body)
        assert (answer.status, answer.code) == (400, "invalid_payload"), body
    assert await ann.rest.ok("GET", "/me") == before
    assert (await rest.ask("PATCH", "/me", json={})).status == 401


async def test_blocks(rest: Rest) -> None:
    ann, bob, eve = [await register(rest, name) for name in ("ann", "bob", "eve")]
    body = {"kind": "direct", "member_ids": [bob.id]}
    conversation = (await ann.rest.ok("POST", "/conversations", body))["conversation"]["id"]
    assert await ann.rest.ok("GET", "/me/blocks") == {"users": []}
    await ann.rest.ok("PUT", "/me/blocks", {"user_id": eve.id})
    both = await ann.rest.ok("PUT", "/me/blocks", {"user_id": bob.id})
    assert [user["username"] for user in both["users"]] == ["bob", "eve"]
    assert await ann.rest.ok("PUT", "/me/blocks", {"user_id": bob.id}) == both
    assert await ann.rest.ok("GET", "/me/blocks") == both
    assert await bob.rest.ok("GET", "/me/blocks") == {"users": []}
    for user in (ann, bob):
        answer = await user.rest.post("/messages", message(conversation))
        assert (answer.status, answer.code) == (403, "forbidden")
        assert answer.body["details"] == {"reason": "blocked"}
    answer = await eve.rest.post("/conversations", {"kind": "direct", "member_ids": [ann.id]})
    assert (answer.status, answer.code) == (404, "not_found")
    answer = await ann.rest.post("/conversations", {"kind": "direct", "member_ids": [eve.id]})
    assert (answer.status, answer.code) == (403, "forbidden")
    left = await ann.rest.ok("DELETE", f"/me/blocks?user_id={bob.id}")
    assert [user["username"] for user in left["users"]] == ["eve"]
    await bob.rest.ok("POST", "/messages", message(conversation))


async def test_bad_blocks(rest: Rest) -> None:
    ann = await register(rest, "ann")
    for body, status, code in [
        ({"user_id": ann.id}, 400, "invalid_payload"),
        ({"user_id": id_out(7)}, 404, "not_found"),
        ({"user_id": "nobody"}, 404, "not_found"),
        ({}, 400, "invalid_payload"),
    ]:
        answer = await ann.rest.ask("PUT", "/me/blocks", json=body)
        assert (answer.status, answer.code) == (status, code), body
    for query, status in [("", 400), (f"?user_id={id_out(7)}", 404), ("?user_id=nobody", 404)]:
        assert (await ann.rest.ask("DELETE", f"/me/blocks{query}")).status == status, query


async def test_a_browser_elsewhere_may_ask(rest: Rest) -> None:
    """The methods are allowed in the preflight (Fetch, section 3.2)."""
    headers = {"origin": "http://localhost:8080", "access-control-request-method": "PUT"}
    answer = await rest.send("OPTIONS", "/api/v1/me/blocks", headers=headers)
    assert {"PUT", "PATCH", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
