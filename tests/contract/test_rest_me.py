"""One's own account, settings and blocks by REST, over each database."""

from gochat.contract.ids import id_out
from tests.contract.rest import Rest, register
from tests.contract.test_rest_chat import message


async def test_a_profile_is_changed(rest: Rest) -> None:
    ann, bob = await register(rest, "ann"), await register(rest, "bob")
    me = await ann.rest.ok("GET", "/me")
    assert me["settings"] == {"presence_hidden": False, "who_can_add": "everyone"}
    changed = await ann.rest.ok("PATCH", "/me", {"display_name": "  Ann of Cleves "})
    assert changed == me | {"user": me["user"] | {"display_name": "Ann of Cleves"}}
    hidden = await ann.rest.ok("PATCH", "/me", {"presence_hidden": True})
    assert hidden == changed | {"settings": me["settings"] | {"presence_hidden": True}}
    assert await ann.rest.ok("GET", "/me") == hidden
    assert await ann.rest.ok("PATCH", "/me", {}) == hidden
    assert (await bob.rest.ok("GET", f"/users?ids={ann.id}"))["users"] == [hidden["user"]]


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
