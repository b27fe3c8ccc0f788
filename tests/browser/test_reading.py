"""What is seen at the demo page: what is new, what is read, what stays; and a way back from everywhere."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Someone
from tests.wire.account import Account
from tests.wire.phone import message


def test_only_what_was_in_view_is_read(someone: Someone, ann: Account, ben: Account, direct: str) -> None:
    for n in range(1, 101):
        ann.post("/messages", message(direct, f"message {n}"))
    ben.post(f"/conversations/{direct}/receipts", {"read_seq": 30})
    reader = someone()
    reader.enter(ben)
    expect(reader.row(ann.name).locator(".badge")).to_have_text("70 unread")
    reader.choose(ann.name)
    expect(reader.page.locator(".line")).to_be_in_viewport()
    expect(reader.message("message 31")).to_be_in_viewport()
    expect(reader.message("message 100")).not_to_be_in_viewport()
    expect(reader.page.get_by_role("button", name="To the newest message")).not_to_have_text("70")
    assert 30 < ben.get(f"/conversations/{direct}")["conversation"]["me"]["read_seq"] < 70
    ann.post("/messages", message(direct, "message 101"))
    expect(reader.message("message 101")).to_have_count(1)
    expect(reader.message("message 101")).not_to_be_in_viewport()
    reader.page.get_by_role("button", name="To the newest message").click()
    expect(reader.message("message 101")).to_be_in_viewport()
    expect(reader.page).to_have_title("GoChat")
    expect(reader.page.get_by_role("button", name="To the newest message")).to_have_count(0)


def test_a_new_message_leaves_the_others_as_they_are(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    for n in range(60):
        ann.post("/messages", message(direct, f"message {n}"))
    ben.post(f"/conversations/{direct}/receipts", {"read_seq": 60})
    reader = someone()
    reader.enter(ben, direct)
    expect(reader.message("message 59")).to_be_in_viewport()
    reader.page.evaluate("""() => {
        const box = document.querySelector("#messages");
        const text = [...box.querySelectorAll(".text")].find((one) => one.textContent === "message 57");
        getSelection().selectAllChildren(text);
        window.touched = 0;
        const nodes = ({ addedNodes, removedNodes }) => addedNodes.length + removedNodes.length;
        const count = (records) => records.forEach((one) => (window.touched += nodes(one)));
        new MutationObserver(count).observe(box, { childList: true, subtree: true });
    }""")
    ann.post("/messages", message(direct, "the newest"))
    expect(reader.message("the newest")).to_be_in_viewport()
    assert reader.page.evaluate("String(getSelection())") == "message 57"
    assert reader.page.evaluate("window.touched") == 1
    expect(reader.page.locator(".thread [role=status]")).to_have_text("the newest")


def test_there_is_a_way_back_from_what_is_not_there(
    someone: Someone, ann: Account, ben: Account, eve: Account
) -> None:
    created = ann.post(
        "/conversations", {"kind": "group", "member_ids": [ben.id, eve.id], "title": "Sailing"}
    )
    group = created["conversation"]["id"]
    reader = someone()
    reader.enter(ben, "nosuch")
    thread = reader.page.get_by_role("region", name="Conversation")
    expect(thread).to_contain_text("This conversation is not here")
    thread.get_by_role("link", name="Back to the list").last.click()
    reader.choose("Sailing")
    expect(reader.field).to_be_visible()
    owner = someone(width=1_200)
    owner.enter(ann, group)
    owner.page.get_by_role("button", name="About this conversation").click()
    owner.page.get_by_role("button", name=f"Remove {ben.name}").click()
    expect(thread).to_contain_text("This conversation is not here")
    reader.page.get_by_label("Back to the list").first.click()
    expect(reader.page.get_by_text("No conversations yet.")).to_be_visible()


def test_links_directions_and_numbers(someone: Someone, ann: Account, ben: Account, direct: str) -> None:
    ann.post("/messages", message(direct, "see https://example.com/a?b=c(d), or http://example.org."))
    ann.post("/messages", message(direct, "שלום עולם"))
    reader = someone()
    reader.enter(ben, direct)
    links = reader.page.locator(".bubble a")
    expect(links).to_have_text(["https://example.com/a?b=c(d", "http://example.org"])
    expect(links.first).to_have_attribute("rel", "noopener noreferrer")
    hebrew = reader.message("שלום עולם")
    expect(hebrew.locator(".text")).to_have_attribute("dir", "auto")
    expect(hebrew.locator(".meta")).to_have_css("direction", "ltr")
    expect(hebrew.locator(".meta")).to_have_text(re.compile(r"\d+:\d\d"))


def test_presence_and_typing_come_again_after_a_reconnect(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    reader, writer = someone(), someone()
    writer.page.clock.install()
    reader.enter(ann, direct)
    writer.enter(ben, direct)
    subtitle = reader.page.locator("#subtitle")
    expect(subtitle).to_have_text("online")
    reader.context.set_offline(True)
    expect(reader.page.locator("#status")).not_to_be_empty()
    expect(subtitle).not_to_have_text("online")
    reader.context.set_offline(False)
    expect(subtitle).to_have_text("online")
    expect(writer.field).to_be_visible()
    writer.expect_status("")
    # Their clock stands still, so that they type on for as long as it takes.
    writer.page.clock.pause_at(writer.page.evaluate("Date.now() / 1000 + 10"))
    writer.field.press_sequentially("well")
    expect(subtitle).to_have_text(f"{ben.name} is typing…")
    writer.context.set_offline(True)
    expect(subtitle).not_to_have_text(f"{ben.name} is typing…")
    writer.context.set_offline(False)
    expect(subtitle).to_have_text(f"{ben.name} is typing…")
    writer.page.close()
    expect(subtitle).to_have_text(re.compile("^last seen"))


def test_a_name_that_changes_is_shown_at_once_and_after_an_absence(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    reader = someone()
    reader.enter(ben, direct)
    title = reader.page.locator("#title")
    expect(title).to_have_text(ann.name)
    reader.expect_status("")
    ann.ask("PATCH", "/me", json={"display_name": "Ann of the sea"})
    expect(title).to_have_text("Ann of the sea")
    reader.context.set_offline(True)
    expect(reader.page.locator("#status")).not_to_be_empty()
    ann.ask("PATCH", "/me", json={"display_name": "Ann ashore"})
    reader.context.set_offline(False)
    expect(title).to_have_text("Ann ashore")
