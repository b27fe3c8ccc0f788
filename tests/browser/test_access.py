"""The demo page for everybody: axe-core finds nothing, light or dark, on a phone or a desk; and keys do."""

import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Someone
from tests.browser.person import Person
from tests.wire.account import Account
from tests.wire.phone import message

AXE = Path(__file__).parents[1] / "js" / "node_modules" / "axe-core" / "axe.min.js"
FOUND = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, ...nodes.map((it) => it.html + " " + it.failureSummary)]);
}"""


def expect_access(person: Person) -> None:
    """Nothing on screen is against the rules of axe."""
    if not person.page.evaluate("() => 'axe' in window"):
        person.page.evaluate(AXE.read_text(encoding="utf-8"))
    assert person.page.evaluate(FOUND) == []


@pytest.mark.parametrize("width", [390, 1_280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    someone: Someone,
    ann: Account,
    ben: Account,
    direct: str,
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    ann.post("/conversations", {"kind": "group", "member_ids": [ben.id], "title": "Sailing"})
    for body in ("one https://example.com", "שלום", "two"):
        ann.post("/messages", message(direct, body))
    ben.post("/messages", message(direct, "three") | {"reply_to_seq": 1})
    ben.ask("POST", "/messages", json=message(direct, "four"))
    visitor = someone(width=width, color_scheme=scheme)
    visitor.open()
    expect(visitor.page.locator("#login")).to_be_visible()
    expect_access(visitor)
    reader = someone(width=width, color_scheme=scheme)
    reader.enter(ben)
    expect(reader.row(ann.name)).to_be_visible()
    expect_access(reader)
    reader.choose(ann.name)
    reader.act("two", "React with 👍")
    expect(reader.page.locator(".reactions")).to_be_visible()
    reader.act("four", "Reply")
    row = reader.message("three")
    row.hover()
    row.get_by_role("button", name="What to do with this message").click()
    expect_access(reader)
    row.get_by_role("button", name="Pin", exact=True).click()
    expect(reader.page.get_by_role("region", name="Pinned")).to_be_visible()
    for button in ("Pin to top", "Search", "Report"):
        reader.page.get_by_role("button", name="About this conversation").click()
        reader.page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()
        if button == "Search":
            reader.page.get_by_label("Text").fill("three")
            expect(reader.page.locator("mark")).to_be_visible()
        expect_access(reader)
        reader.page.get_by_role("dialog").get_by_role("button", name=re.compile("Done|Cancel")).click()
    reader.open("/#/")
    reader.choose("Sailing")
    reader.page.get_by_role("button", name="About this conversation").click()
    expect(reader.page.locator("#members li")).to_have_count(2)
    expect_access(reader)


def test_the_page_is_used_by_keys_alone(someone: Someone, ann: Account, ben: Account, direct: str) -> None:
    ann.post("/messages", message(direct, "hello"))
    reader = someone(width=1_280)
    reader.enter(ben)
    reader.row(ann.name).get_by_role("link").focus()
    reader.page.keyboard.press("Enter")
    expect(reader.field).to_be_focused()
    reader.page.keyboard.type("well")
    reader.page.keyboard.press("Enter")
    reader.expect_messages("hello", "well")
    reader.expect_ticks("Sent")
    reader.page.keyboard.press("Shift+Tab")
    expect(reader.message("well").get_by_label("What to do with this message")).to_be_focused()
    reader.page.keyboard.press("Enter")
    expect(reader.message("well").get_by_role("group")).to_be_visible()
    reader.page.keyboard.press("Tab")
    reader.page.keyboard.press("Escape")
    expect(reader.message("well").get_by_label("What to do with this message")).to_be_focused()
    about = reader.page.get_by_label("About this conversation")
    about.focus()
    reader.page.keyboard.press("Enter")
    expect(reader.page.get_by_role("dialog")).to_be_visible()
    reader.page.keyboard.press("Escape")
    expect(reader.page.get_by_role("dialog")).to_have_count(0)
    expect(about).to_be_focused()


@pytest.mark.parametrize("width", [390, 1_280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_docs(
    someone: Someone, width: int, scheme: Literal["light", "dark"]
) -> None:
    reader = someone(width=width, color_scheme=scheme)
    for path in (
        "/docs",
        "/docs/events",
        "/docs/rest",
        "/docs/guides/quickstart/web",
        "/docs/guides/operations",
    ):
        reader.open(path)
        if path == "/docs/events":
            expect(reader.page.get_by_role("row", name="message:send")).to_be_visible()
            reader.page.get_by_text("Request", exact=True).last.click()
        if path == "/docs/rest":
            expect(reader.page.locator("[id='ready']")).to_be_visible()
            reader.page.get_by_text("Answer", exact=True).last.click()
        expect_access(reader)
    reader.page.get_by_label("Search all guides").fill("unread")
    expect(reader.page.locator("#found")).to_be_visible()
    expect_access(reader)


def test_the_focus_goes_where_one_goes_on_a_phone(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    ann.post("/messages", message(direct, "hello"))
    reader = someone(has_touch=True, is_mobile=True)
    reader.enter(ben)
    reader.row(ann.name).get_by_role("link").tap()
    expect(reader.page.get_by_role("heading", name=ann.name)).to_be_focused()
    about = reader.page.get_by_role("button", name="About this conversation")
    about.tap()
    expect(reader.page.get_by_role("dialog").get_by_role("button").first).to_be_focused()
    reader.page.get_by_role("button", name="Done").tap()
    expect(about).to_be_focused()
    reader.page.get_by_label("Back to the list").tap()
    expect(reader.row(ann.name).get_by_role("link")).to_be_focused()
    reader.open("/#/c/nosuch")
    expect(reader.page.get_by_role("heading", name="Not here")).to_be_focused()
    reader.page.get_by_role("link", name="Back to the list").last.tap()
    expect(reader.page.get_by_role("heading", name=ben.name)).to_be_focused()
