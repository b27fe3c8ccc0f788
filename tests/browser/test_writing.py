"""What is written at the demo page: drafts, what waits, what failed; in one tab or two, offline or not."""

from playwright.sync_api import expect

from tests.browser.conftest import Someone
from tests.wire.account import Account
from tests.wire.phone import message

OWN_KEYS = "Object.keys(localStorage).filter(key => /^gochat\\.(outbox|draft)/.test(key)).length"


def test_a_draft_belongs_to_its_conversation(
    someone: Someone, ann: Account, ben: Account, eve: Account, direct: str
) -> None:
    ann.post("/conversations", {"kind": "direct", "member_ids": [eve.id]})
    writer = someone(width=1_200)
    writer.enter(ann, direct)
    writer.field.fill("for Ben alone")
    writer.choose(eve.name)
    expect(writer.field).to_have_value("")
    expect(writer.row(ben.name)).to_contain_text("Draft: for Ben alone")
    writer.write("for Eve")
    writer.page.reload()
    writer.choose(ben.name)
    expect(writer.field).to_have_value("for Ben alone")
    writer.page.get_by_role("button", name="Send").click()
    writer.expect_messages("for Ben alone")
    writer.expect_ticks("Sent")
    assert [it["body"] for it in ben.history(direct)] == ["for Ben alone"]


def test_two_tabs_that_were_offline_share_one_outbox(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    one = someone()
    one.enter(ann, direct)
    other = one.other_tab()
    third = one.other_tab()
    for tab in (other, third):
        tab.open(f"/#/c/{direct}")
    for tab in (one, other, third):
        expect(tab.field).to_be_visible()
    one.context.set_offline(True)
    for tab in (one, other, third):
        expect(tab.page.locator("#status")).not_to_be_empty()
    texts = [f"text {n}" for n in range(6)]
    for n, text in enumerate(texts):
        (one, other, third)[n % 3].write(text)
        for tab in (one, other, third):
            tab.expect_messages(*texts[: n + 1])
    third.page.close()
    one.context.set_offline(False)
    for tab in (one, other):
        tab.expect_ticks(*["Sent"] * 6)
        tab.expect_messages(*texts)
    assert [it["body"] for it in ben.history(direct)] == texts
    assert one.page.evaluate(OWN_KEYS) == 0


def test_what_failed_says_why_and_can_be_sent_again_or_discarded(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    ben.ask("PUT", "/me/blocks", json={"user_id": ann.id})
    writer = someone()
    writer.enter(ann, direct)
    for text in ("one", "two"):
        writer.write(text)
        expect(writer.message(text)).to_contain_text("Not sent. One of you has blocked the other.")
    writer.page.reload()
    writer.message("one").get_by_role("button", name="Discard").click()
    writer.expect_messages("two")
    ben.ask("DELETE", "/me/blocks", params={"user_id": ann.id})
    writer.message("two").get_by_role("button", name="Try again").click()
    writer.expect_ticks("Sent")
    assert [it["body"] for it in ben.history(direct)] == ["two"]


def test_logging_out_leaves_nothing_that_was_written(
    someone: Someone, ann: Account, ben: Account, eve: Account, direct: str
) -> None:
    ann.post("/conversations", {"kind": "direct", "member_ids": [eve.id]})
    writer = someone(width=1_200)
    writer.log_in(ann.name)
    other = writer.other_tab()
    other.open()
    expect(other.row(eve.name)).to_be_visible()
    writer.choose(eve.name)
    writer.field.fill("a draft")
    writer.context.set_offline(True)
    for tab in (writer, other):
        expect(tab.page.locator("#status")).not_to_be_empty()
    writer.choose(ben.name)
    writer.write("not sent")
    writer.page.get_by_role("button", name="Log out").click()
    dialog = writer.page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 message that you wrote is not sent yet")
    writer.context.set_offline(False)
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    writer.expect_ticks("Sent")
    writer.page.get_by_role("button", name="Log out").click()
    for tab in (writer, other):
        expect(tab.page.locator("#login")).to_be_visible()
        assert tab.page.evaluate(OWN_KEYS) == 0
    assert writer.page.evaluate("localStorage.getItem('gochat.session')") is None


def test_a_message_is_changed_answered_reacted_to_and_deleted(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    ben.post("/messages", message(direct, "tea or coffee?"))
    writer, reader = someone(), someone(width=1_200)
    writer.enter(ann, direct)
    reader.enter(ben, direct)
    writer.act("tea or coffee?", "Reply")
    writer.write("tee")
    expect(reader.message("tee").locator(".quote")).to_contain_text("tea or coffee?")
    writer.act("tee", "Edit")
    expect(writer.field).to_have_value("tee")
    writer.field.fill("tea")
    writer.page.get_by_role("button", name="Save").click()
    expect(reader.message("tea").locator(".edited")).to_be_visible()
    expect(writer.field).to_have_value("")
    reader.act("tea", "React with 👍")
    reaction = writer.message("tea").locator(".reactions").get_by_role("button")
    expect(reaction).to_have_text("👍 1")
    expect(reaction).to_have_attribute("aria-pressed", "false")
    reaction.click()
    expect(reaction).to_have_attribute("aria-pressed", "true")
    theirs = reader.message("tea").locator(".reactions").get_by_role("button")
    expect(theirs).to_have_text("👍 2")
    theirs.click()
    expect(reaction).to_have_text("👍 1")
    writer.act("tea", "Delete")
    writer.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for one in (writer, reader):
        one.expect_messages("tea or coffee?", "Message deleted")


def test_an_answer_that_was_begun_outlives_an_edit_a_block_and_a_tab(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    ben.post("/messages", message(direct, "tea or coffee?"))
    ann.post("/messages", message(direct, "tee"))
    writer = someone()
    writer.enter(ann, direct)
    answering = writer.page.locator("#composer .about")
    writer.act("tea or coffee?", "Reply")
    writer.field.fill("coffee")
    writer.act("tee", "Edit")
    expect(answering).to_contain_text("Changing your message")
    writer.page.get_by_role("button", name="Do not change it").click()
    expect(writer.field).to_have_value("coffee")
    writer.act("tee", "Edit")
    writer.field.fill("tea")
    writer.page.get_by_role("button", name="Save").click()
    writer.expect_messages("tea or coffee?", "tea")
    writer.page.get_by_role("button", name="About this conversation").click()
    writer.page.get_by_role("button", name="Block").click()
    writer.page.get_by_role("button", name="Done").click()
    writer.page.locator(".blocked").get_by_role("button", name="Unblock").click()
    expect(writer.field).to_have_value("coffee")
    expect(answering).to_contain_text("tea or coffee?")
    other = writer.other_tab()
    other.open(f"/#/c/{direct}")
    expect(other.field).to_have_value("coffee")
    writer.act("tea", "Reply")
    writer.field.fill("both")
    expect(other.field).to_have_value("both")
    expect(other.page.locator("#composer .about b")).to_have_text(ann.name)
    other.page.get_by_role("button", name="Send").click()
    expect(writer.field).to_have_value("")
    expect(answering).to_have_count(0)
    assert ann.history(direct)[-1]["reply_to_seq"] == 2
