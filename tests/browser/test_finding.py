"""What is found at the demo page, and what somebody decides for themselves about a conversation."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Someone
from tests.browser.person import Person
from tests.wire.account import Account
from tests.wire.phone import message


def about(person: Person, button: str) -> None:
    """Do what the dialog about the conversation on screen offers."""
    dialog = person.page.get_by_role("dialog")
    person.page.get_by_role("button", name="About this conversation").click()
    dialog.get_by_role("button", name=button, exact=True).click()


def test_a_conversation_is_muted_pinned_archived_and_marked_on_all_devices(
    someone: Someone, ann: Account, ben: Account, eve: Account, direct: str
) -> None:
    other = ann.post("/conversations", {"kind": "direct", "member_ids": [eve.id]})["conversation"]["id"]
    ben.post("/messages", message(direct, "one"))
    eve.post("/messages", message(other, "two"))
    phone, desk = someone(), someone(width=1_200)
    for it in (phone, desk):
        it.enter(ann)
    names = desk.page.locator("#conversations .name")
    expect(names).to_have_text([eve.name, ben.name])
    expect(desk.page).to_have_title("(2) GoChat")
    phone.choose(ben.name)
    expect(desk.page).to_have_title("(1) GoChat")
    about(phone, "Pin to top")
    expect(names).to_have_text([ben.name, eve.name])
    expect(desk.row(ben.name).get_by_role("img", name="pinned")).to_be_visible()
    mute = phone.page.get_by_role("dialog").get_by_label("Mute")
    mute.select_option("Always")
    expect(desk.row(ben.name).get_by_role("img", name="muted")).to_be_visible()
    ben.post("/messages", message(direct, "three"))
    expect(desk.row(ben.name)).to_contain_text("three")
    expect(desk.page).to_have_title("(1) GoChat")
    mute.select_option("For an hour")
    expect(mute.locator("option:checked")).to_contain_text("Until")
    mute.select_option("No")
    expect(desk.page).to_have_title("(2) GoChat")
    phone.page.get_by_role("button", name="Done").click()
    expect(desk.page).to_have_title("(1) GoChat")
    about(phone, "Mark as unread")
    for it in (phone, desk):
        expect(it.row(ben.name).locator(".badge")).to_have_text("• marked as unread")
    expect(desk.page).to_have_title("(2) GoChat")
    phone.choose(ben.name)
    expect(desk.row(ben.name).locator(".badge")).to_have_text("")
    about(phone, "Archive")
    expect(names).to_have_text([eve.name])
    desk.page.get_by_role("button", name="Archived (1)").click()
    expect(names).to_have_text([ben.name])
    expect(desk.page.get_by_role("button", name="All others")).to_be_focused()
    phone.page.reload()
    expect(phone.field).to_be_visible()
    ben.post("/messages", message(direct, "four"))
    for it in (phone, desk):
        expect(it.page.locator("#conversations .name")).to_have_text([ben.name, eve.name])


def test_a_message_far_back_is_found_and_the_way_leads_on_from_there(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    for n in range(1, 161):
        ann.post("/messages", message(direct, "a Needle, of 🪡 steel" if n == 5 else f"message {n}"))
    ben.post("/messages", message(direct, "which one?") | {"reply_to_seq": 20})
    reader = someone()
    reader.enter(ben)
    expect(reader.row(ann.name)).to_be_visible()
    reader.page.get_by_role("button", name="Search messages").click()
    dialog = reader.page.get_by_role("dialog")
    dialog.get_by_label("Text").fill("no such words")
    expect(dialog.get_by_role("status")).to_have_text("No message says that.")
    dialog.get_by_label("Text").fill("needle")
    expect(dialog.get_by_role("status")).to_have_text("1 message")
    expect(dialog.locator("mark")).to_have_text("Needle")
    dialog.locator("#results").get_by_role("button").click()
    found = reader.message("a Needle, of 🪡 steel")
    expect(found).to_be_in_viewport()
    expect(found).to_be_focused()
    newest = reader.page.get_by_role("button", name="To the newest message")
    newest.click()
    expect(reader.message("which one?")).to_be_in_viewport()
    expect(found).to_have_count(0)
    reader.message("which one?").locator(".quote").click()
    expect(reader.message("message 20")).to_be_in_viewport()
    expect(found).to_have_count(1)
    box = reader.page.locator("#messages")
    while reader.message("which one?").count() == 0:
        box.evaluate("box => box.scrollTop = box.scrollHeight")
    expect(reader.page.locator(".bubble .text").first).to_have_text("message 1")
    expect(reader.page.locator(".bubble .text")).to_have_count(161)
    box.evaluate("box => box.scrollTop = box.scrollHeight")
    expect(newest).to_have_count(0)
    about(reader, "Search")
    dialog.get_by_label("Text").fill("message")
    expect(dialog.get_by_role("status")).to_have_text("20 messages, and there may be more")
    dialog.get_by_role("button", name="More").click()
    expect(dialog.locator("#results li")).to_have_count(40)


def test_a_link_leads_to_one_message(
    someone: Someone, ann: Account, ben: Account, eve: Account, direct: str
) -> None:
    for n in range(1, 121):
        ann.post("/messages", message(direct, f"message {n}"))
    ben.post(f"/conversations/{direct}/receipts", {"read_seq": 120})
    reader = someone(permissions=["clipboard-read", "clipboard-write"])
    reader.enter(ben, direct)
    page = reader.page
    reader.act("message 119", "Copy link")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{reader.url}/#/c/{direct}/119"
    far = link.replace("119", "20")
    ann.post("/messages", message(direct, f"see {far}"))
    page.get_by_role("link", name=far).click()
    for _ in range(2):
        expect(reader.message("message 20")).to_be_in_viewport()
        expect(reader.message("message 20")).to_be_focused()
        expect(page).to_have_url(far)
        page.reload()
    expect(reader.message("message 20")).to_be_focused()
    page.get_by_role("button", name="To the newest message").click()
    expect(page).to_have_url(re.compile(f"/c/{direct}$"))
    page.get_by_label("Back to the list").click()
    page.get_by_role("button", name="Search messages").click()
    page.get_by_role("dialog").get_by_label("Text").fill("message 77")
    page.locator("#results").get_by_role("button").click()
    expect(reader.message("message 77")).to_be_focused()
    page.reload()
    expect(reader.message("message 77")).to_be_focused()
    page.get_by_role("button", name="To the newest message").click()
    page.go_back()  # out of the conversation, whatever was looked up in it
    expect(page.get_by_role("button", name="Search messages")).to_be_visible()
    reader.open(f"/#/c/{direct}/999")
    for _ in range(2):
        expect(page.get_by_role("alert")).to_contain_text("This message is not here")
        expect(page).to_have_url(re.compile(f"/c/{direct}$"))
        page.get_by_role("button", name="Put away").click()
        reader.open("/docs")  # and back, as by a link from elsewhere
        reader.open(f"/#/c/{direct}/999")
    expect(reader.message(f"see {far}")).to_be_in_viewport()
    stranger = someone()
    stranger.enter(eve, f"{direct}/20")
    expect(stranger.page.get_by_role("heading", name="Not here")).to_be_visible()
    stranger.page.get_by_role("link", name="Back to the list").last.click()
    expect(stranger.page.get_by_label("Light or dark")).to_be_visible()


def test_pinned_messages_are_shown_to_all_and_lead_there(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    for n in range(1, 61):
        ann.post("/messages", message(direct, f"message {n}"))
    ben.post(f"/conversations/{direct}/receipts", {"read_seq": 60})
    writer, reader = someone(), someone(width=1_200)
    writer.enter(ann, direct)
    reader.enter(ben, direct)
    pins = reader.page.get_by_role("region", name="Pinned")
    writer.act("message 59", "Pin")
    expect(pins).to_contain_text("message 59")
    writer.page.locator("#messages").evaluate("box => box.scrollTop = 0")
    writer.act("message 2", "Pin")
    expect(pins).to_contain_text("message 2")
    reader.page.reload()
    pins.get_by_role("button", name="Go to the pinned message").click()
    expect(reader.message("message 2")).to_be_in_viewport()
    pins.get_by_role("button", name="All 2").click()
    expect(reader.page.locator("#results li")).to_have_count(2)
    reader.page.locator("#results").get_by_role("button", name="message 59").click()
    expect(reader.message("message 59")).to_be_focused()
    reader.act("message 59", "Unpin")
    expect(pins.get_by_role("button")).to_have_count(1)


def test_a_message_and_a_user_are_reported(someone: Someone, ann: Account, ben: Account, direct: str) -> None:
    ann.post("/messages", message(direct, "buy this"))
    reader = someone()
    reader.enter(ben, direct)
    dialog = reader.page.get_by_role("dialog")
    reader.act("buy this", "Report")
    dialog.get_by_label("What is wrong").select_option("Spam")
    dialog.get_by_label("In your words").fill("Every day.")
    with reader.page.expect_response("**/reports") as told:
        dialog.get_by_role("button", name="Report").click()
    assert told.value.status == 202
    sent = told.value.request.post_data_json
    assert sent is not None
    assert sent["target"] == {"conversation_id": direct, "seq": 1}
    expect(dialog.get_by_role("status")).to_contain_text("will look at it")
    dialog.get_by_role("button", name="Done").click()
    about(reader, "Report")
    dialog.get_by_label(f"Block {ann.name} as well").check()
    dialog.get_by_role("button", name="Report").click()
    expect(dialog.get_by_role("status")).to_contain_text("will look at it")
    dialog.get_by_role("button", name="Done").click()
    expect(reader.page.locator("#composer")).to_contain_text(f"You have blocked {ann.name}.")
    assert [user["id"] for user in ben.get("/me/blocks")["users"]] == [ann.id]
