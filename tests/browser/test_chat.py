"""The demo page, used as people use it."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.conftest import Someone
from tests.services.gochat import GoChatServer
from tests.wire.account import Account
from tests.wire.conftest import SETTINGS
from tests.wire.phone import message
from tests.wire.tokens import minted


def test_two_people_chat(someone: Someone) -> None:
    ann, ben = someone(), someone(width=1_200, height=800, color_scheme="dark")
    ann.register("chat.ann")
    ben.register("chat.ben")
    ann.start("chat.ben")
    ann.write("Hello Ben! 👋")
    ann.expect_ticks("Delivered")
    expect(ben.row("chat.ann").locator(".badge")).to_have_text("1 unread")
    expect(ben.page).to_have_title("(1) GoChat")
    ben.choose("chat.ann")
    ann.expect_ticks("Read")
    expect(ben.row("chat.ann").locator(".badge")).to_have_text("")
    markup = "<img src=x onerror=alert(1)> & <b>bold</b>"
    ben.write(markup)
    for one in (ann, ben):
        one.expect_messages("Hello Ben! 👋", markup)
    ben.page.get_by_label("Message", exact=True).press_sequentially("let me th")
    expect(ann.page.locator("#subtitle")).to_have_text("chat.ben is typing…")
    ben.write("let me think")
    expect(ann.page.locator("#subtitle")).to_have_text("online")
    ann.page.get_by_label("Back to the list").click()
    expect(ann.row("chat.ben")).to_contain_text("let me think")


def test_a_group(someone: Someone) -> None:
    ann, ben, cy = someone(), someone(), someone()
    for one, name in ((ann, "group.ann"), (ben, "group.ben"), (cy, "group.cy")):
        one.register(name)
    ann.start("group.ben", "group.cy", title="Sailing")
    ann.write("Who brings the sandwiches?")
    ben.choose("Sailing")
    ann.expect_ticks("Delivered")
    cy.choose("Sailing")
    ann.expect_ticks("Read")
    cy.write("I do.")
    expect(ben.page.locator(".sender")).to_have_text(["group.ann", "group.cy"])
    expect(ben.page.locator("#subtitle")).to_have_text("3 members")


def test_who_was_offline_misses_nothing_and_sends_what_they_wrote(someone: Someone) -> None:
    ann, ben = someone(), someone()
    ann.register("off.ann")
    ben.register("off.ben")
    ann.start("off.ben")
    ann.write("one")
    ben.choose("off.ann")
    ann.expect_ticks("Read")
    ann.context.set_offline(True)
    expect(ann.page.locator("#status")).not_to_be_empty()
    for text in ("two", "three", "four"):
        ann.write(text)
    ann.expect_ticks("Read", "Waiting", "Waiting", "Waiting")
    ben.write("are you there?")
    ben.expect_messages("one", "are you there?")
    ann.context.set_offline(False)
    for one in (ann, ben):
        one.expect_messages("one", "are you there?", "two", "three", "four")
    ann.expect_status("")
    ann.expect_ticks("Read", "Read", "Read", "Read")


def test_the_outbox_outlives_a_crash_of_the_server_and_the_page(someone: Someone, own: GoChatServer) -> None:
    ann = someone(own.url)
    ann.register("crash.ann")
    ben = someone(own.url)
    ben.register("crash.ben")
    ann.start("crash.ben")
    ann.write("before")
    ann.expect_ticks("Delivered")
    own.kill()
    ann.write("while it was down")
    ann.expect_ticks("Delivered", "Waiting")
    own.start()
    ann.page.reload()
    ann.expect_messages("before", "while it was down")
    ben.choose("crash.ann")
    ben.expect_messages("before", "while it was down")


def test_scrolling_up_brings_the_whole_history(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    for n in range(120):
        ann.post("/messages", message(direct, f"message {n}"))
    ben.post(f"/conversations/{direct}/receipts", {"read_seq": 120})
    reader = someone()
    reader.log_in(ben.name)
    reader.choose(ann.name)
    expect(reader.page.locator(".bubble").last).to_contain_text("message 119")
    box = reader.page.locator("#messages")
    for count in (100, 120):
        box.evaluate("box => box.scrollTop = 0")
        # Or more: what is drawn meanwhile, for another reason, may ask for the page before, too.
        expect(reader.page.locator(".bubble").nth(count - 1)).to_be_attached()
    reader.expect_messages(*(f"message {n}" for n in range(120)))


def test_an_expired_token_is_refreshed(someone: Someone, ann: Account, direct: str) -> None:
    user = ann.get("/me")["user"]
    kept = {"access_token": minted(ann, seconds_ago=1_000), "refresh_token": ann.refresh_token, "user": user}
    reader = someone()
    reader.keep_session(kept)
    reader.open()
    reader.page.locator("#conversations a").first.click()
    reader.write("still here")
    reader.expect_ticks("Sent")


def test_who_logged_out_does_not_connect_again(someone: Someone, ann: Account) -> None:
    reader = someone()
    reader.page.clock.install()
    opened: list[WebSocketRoute] = []
    session = {"sid": "x", "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000}
    later = {"code": "overloaded", "message": "Busy.", "retryable": True, "retry_after_ms": 60_000}

    def refuse(socket: WebSocketRoute) -> None:
        opened.append(socket)
        socket.on_message(lambda _: socket.send("44" + json.dumps({"message": "Busy.", "data": later})))
        socket.send("0" + json.dumps(session))

    reader.page.route_web_socket(re.compile("/socket.io/"), refuse)
    reader.log_in(ann.name)
    reader.expect_status("Connecting… What you write waits until then.")
    while len(opened) < 2:
        reader.page.clock.fast_forward(61_000)
    reader.page.get_by_role("button", name="Log out").click()
    expect(reader.page.locator("#login")).to_be_visible()
    before = len(opened)
    reader.page.clock.fast_forward(121_000)
    reader.page.reload()
    expect(reader.page.locator("#login")).to_be_visible()
    assert len(opened) == before


def test_logout_and_what_is_refused(someone: Someone) -> None:
    ann = someone()
    ann.register("out.ann")
    ann.page.get_by_role("button", name="Log out").click()
    expect(ann.page.locator("#login")).to_be_visible()
    ann.page.get_by_label("Username").first.fill("out.ann")
    ann.page.get_by_label("Password").fill("not my password")
    ann.refusals = ("401",)
    with ann.page.expect_response("**/auth/login") as refused:
        ann.page.get_by_role("button", name="Log in").click()
    assert refused.value.status == 401
    expect(ann.page.locator("#login .error")).not_to_be_empty()
    ann.page.reload()
    expect(ann.page.locator("#login")).to_be_visible()


@pytest.mark.parametrize("origins", ["", "*", "https://other.example"])
def test_production_lets_in_its_own_page(someone: Someone, tmp_path: Path, origins: str) -> None:
    production = {"GOCHAT_ENV": "production", "SQLITE_PATH": "gochat.db", "ALLOWED_ORIGINS": origins}
    with GoChatServer(tmp_path, SETTINGS | production) as server:
        ann = someone(server.url)
        ann.register("prod.ann")
        expect(ann.page.locator("#status")).to_have_text("")


def test_without_its_library_the_page_says_so(someone: Someone) -> None:
    ann = someone()
    ann.context.route("**/web/lib/**", lambda route: route.abort())
    ann.open()
    expect(ann.page.get_by_role("alert").first).to_contain_text("scripts/web.py")
    expect(ann.page.get_by_role("link", name="API")).to_be_visible()
