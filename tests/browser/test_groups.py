"""Groups, blocks and one's own name at the demo page."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Someone
from tests.browser.person import Person
from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register
from tests.wire.conftest import SETTINGS
from tests.wire.phone import message


def about(person: Person) -> Locator:
    """Open what is said of the conversation on screen."""
    person.page.get_by_role("button", name="About this conversation").click()
    return person.page.get_by_role("dialog")


def test_a_group_is_renamed_grows_has_roles_and_is_left(
    someone: Someone, ann: Account, ben: Account, eve: Account
) -> None:
    created = ann.post("/conversations", {"kind": "group", "member_ids": [ben.id], "title": "Sailing"})
    group = created["conversation"]["id"]
    owner, member = someone(), someone(width=1_200)
    owner.enter(ann, group)
    member.enter(ben, group)
    dialog = about(owner)
    dialog.get_by_label("Name of the group").fill("Rowing")
    dialog.get_by_role("button", name="Rename").click()
    expect(member.page.locator("#title")).to_have_text("Rowing")
    dialog.get_by_role("searchbox").fill(eve.name)
    dialog.get_by_role("button", name=f"@{eve.name}").click()
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog).to_contain_text("3 members")
    expect(member.page.locator("#subtitle")).to_have_text("3 members")
    dialog.get_by_label(f"Role of {ben.name}").select_option("admin")
    theirs = about(member)
    theirs.get_by_role("button", name=f"Remove {eve.name}").click()
    expect(dialog).to_contain_text("2 members")
    theirs.get_by_role("button", name="Leave the group").click()
    member.page.get_by_role("dialog").get_by_role("button", name="Leave", exact=True).click()
    expect(member.page.get_by_text("No conversations yet.")).to_be_visible()
    expect(dialog).to_contain_text("1 member")


def test_a_group_of_three_hundred_is_used_like_a_small_one(
    someone: Someone, http: httpx2.Client, ann: Account, ben: Account
) -> None:
    with ThreadPoolExecutor(8) as pool:
        crowd = list(pool.map(lambda n: register(http, f"crowd{n:03}"), range(298)))
    body = {"kind": "group", "member_ids": [it.id for it in crowd], "title": "All hands"}
    group = ann.post("/conversations", body)["conversation"]["id"]
    owner, member = someone(), someone(width=1_200)
    owner.enter(ann, group)
    dialog = about(owner)
    rows = dialog.locator("#members li")
    expect(dialog).to_contain_text("299 members")
    expect(rows).to_have_count(50)
    dialog.get_by_role("searchbox").fill(ben.name)
    dialog.get_by_role("button", name=f"@{ben.name}").click()
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog).to_contain_text("300 members")
    expect(rows).to_have_count(51)
    role = dialog.get_by_label(f"Role of {ben.name}")
    role.select_option("admin")
    while dialog.get_by_role("button", name="More").count():
        before = rows.count()
        dialog.get_by_role("button", name="More").click()
        expect(rows).not_to_have_count(before)
    expect(rows).to_have_count(300)
    expect(role).to_have_value("admin")
    dialog.get_by_role("button", name="Remove crowd007").click()
    expect(dialog).to_contain_text("299 members")
    expect(rows).to_have_count(299)
    dialog.get_by_role("button", name="Done").click()
    member.enter(ben)
    member.choose("All hands")
    expect(member.page.locator("#subtitle")).to_have_text("299 members")
    about(member).get_by_label("Name of the group").fill("All but one")
    member.page.get_by_role("button", name="Rename").click()
    member.page.get_by_role("button", name="Done").click()
    expect(owner.page.locator("#title")).to_have_text("All but one")
    crowd[0].post("/messages", message(group, "here"))
    for one in (owner, member):
        expect(one.page.locator(".sender")).to_have_text("crowd000")
        expect(one.message("here")).to_be_in_viewport()
    member.write("there")
    expect(owner.message("there")).to_be_in_viewport()


def test_who_is_removed_while_they_look_at_the_members_reads_on_elsewhere(
    someone: Someone, ann: Account, ben: Account, direct: str
) -> None:
    created = ann.post("/conversations", {"kind": "group", "member_ids": [ben.id], "title": "Sailing"})
    group = created["conversation"]["id"]
    member, owner = someone(width=1_200), someone()
    member.enter(ben, group)
    dialog = about(member)
    expect(dialog).to_contain_text("2 members")
    owner.enter(ann, group)
    about(owner).get_by_role("button", name=f"Remove {ben.name}").click()
    expect(dialog).to_have_count(0)
    expect(member.page.get_by_text("This conversation is not here")).to_be_visible()
    member.choose(ann.name)
    about(member)
    member.page.go_back()
    expect(dialog).to_have_count(0)
    member.choose(ann.name)
    owner.page.get_by_role("button", name="Done").click()
    owner.open(f"/#/c/{direct}")
    owner.write("hello")
    owner.expect_ticks("Read")


def test_somebody_is_blocked_and_no_more(someone: Someone, ann: Account, ben: Account, direct: str) -> None:
    one = someone()
    one.enter(ann, direct)
    about(one).get_by_role("button", name="Block").click()
    one.page.get_by_role("button", name="Done").click()
    expect(one.page.locator("#composer")).to_contain_text(f"You have blocked {ben.name}.")
    one.page.locator("#composer").get_by_role("button", name="Unblock").click()
    one.write("well then")
    one.expect_ticks("Sent")


def test_who_registers_says_their_name(someone: Someone) -> None:
    new = someone()
    new.register("reg.zoe", "Zoë 🌿")
    expect(new.page.locator("#my-name")).to_have_text("Zoë 🌿")


def test_what_the_server_says_of_a_group_is_worded_and_not_unread(someone: Someone, tmp_path: Path) -> None:
    with GoChatServer(tmp_path, SETTINGS) as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        ann, ben = register(http, "system.ann"), register(http, "system.ben")
        created = ann.post("/conversations", {"kind": "group", "member_ids": [ben.id], "title": "Sailing"})
        reader = someone(server.url)
        reader.enter(ben)
        expect(reader.row("Sailing")).to_be_visible()
        path = f"/conversations/{created['conversation']['id']}"
        owner = someone(server.url, width=1_200)
        owner.enter(ann, created["conversation"]["id"])
        dialog = about(owner)
        dialog.get_by_label("Name of the group").fill("Rowing")
        dialog.get_by_role("button", name="Rename").click()
        expect(reader.row("Rowing")).to_contain_text("system.ann called the group “Rowing”")
        expect(reader.row("Rowing").locator(".badge")).to_have_text("")
        reader.choose("Rowing")
        expect(reader.page.locator("#messages")).to_contain_text("system.ann called the group “Rowing”")
        assert ben.get(path)["conversation"]["me"]["unread"] == 0
