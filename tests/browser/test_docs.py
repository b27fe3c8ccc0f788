"""The pages about the API."""

import re

import pytest
from playwright.sync_api import expect

from gochat.contract.events import CLIENT_EVENTS, SERVER_EVENTS
from gochat.contract.routes import ROUTES
from tests.browser.conftest import Someone


def test_the_pages_show_the_contract(someone: Someone) -> None:
    reader = someone(width=1_200, height=900)
    reader.open("/docs")
    reader.page.get_by_role("link", name="REST", exact=True).click()
    expect(reader.page.get_by_role("row", name="POST /api/v1/auth/register")).to_contain_text("display_name?")
    reader.page.get_by_role("link", name="‹ API").click()
    reader.page.get_by_role("link", name="Events", exact=True).click()
    expect(reader.page.get_by_role("row", name="message:send")).to_contain_text("client_message_id")


@pytest.mark.parametrize("width", [390, 1_280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_events_are_one_table_that_a_phone_can_read(someone: Someone, width: int, scheme: str) -> None:
    reader = someone(width=width, height=900, color_scheme=scheme)
    reader.open("/docs/events#message:send")
    page = reader.page
    rows = page.locator("tbody tr:not(.part, .shape)")
    expect(rows).to_have_count(len(CLIENT_EVENTS) + len(SERVER_EVENTS) + 1)
    sending = page.locator("[id='message:send']")
    expect(sending).to_be_in_viewport()
    expect(sending).to_contain_text("idempotency_conflict")
    sending.get_by_text("Request", exact=True).last.click()
    expect(sending.locator("pre").first).to_contain_text("client_message_id")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_label("Search").fill("superseded")
    expect(page.locator("tbody tr:not(.part):visible")).to_have_count(1)
    page.get_by_label("Search").fill("no such thing")
    expect(page.get_by_role("status")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1_280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_operations_are_one_table_that_a_phone_can_read(
    someone: Someone, width: int, scheme: str
) -> None:
    reader = someone(width=width, height=900, color_scheme=scheme)
    reader.open("/docs/rest#messages")
    page = reader.page
    expect(page.locator("tbody tr:not(.part, .shape)")).to_have_count(len(ROUTES))
    reading = page.locator("[id='messages']")
    expect(reading).to_be_in_viewport()
    expect(reading).to_contain_text("around_seq?")
    expect(reading).to_contain_text("HistoryAnswer")
    expect(reading.get_by_text("not_found 404")).to_be_visible()
    reading.get_by_text("Request", exact=True).last.click()
    expect(reading.locator("pre").first).to_contain_text("GET /api/v1/messages?conversation_id=")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    registering = page.get_by_role("row", name="POST /api/v1/auth/register")
    registering.get_by_role("link", name="DeviceInRequest").click()
    expect(page.locator("[id='DeviceInRequest']")).to_be_in_viewport()
    expect(page.locator("[id='DeviceInRequest']")).to_contain_text("platform?")
    page.get_by_label("Search").fill("position_lost")
    expect(page.locator("tbody tr:not(.part):visible")).to_have_count(1)
    expect(page.locator("tr.part:visible")).to_have_text("Sync")


@pytest.mark.parametrize("width", [390, 1_280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_guide_has_contents_and_all_can_be_searched(someone: Someone, width: int, scheme: str) -> None:
    reader = someone(width=width, height=900, color_scheme=scheme)
    reader.open("/docs")
    page = reader.page
    page.get_by_role("link", name="The protocol", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The protocol")
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_label("Search all guides").fill("unread formula")
    page.locator("#found").get_by_role("link", name="The protocol: The unread formula").click()
    expect(page.get_by_role("heading", name="The unread formula")).to_be_in_viewport()
    page.get_by_label("Search all guides").fill("no such words")
    expect(page.locator("#found")).to_have_text("Nothing says that.")


def test_a_failed_request_is_said_and_made_again(someone: Someone) -> None:
    reader = someone()
    reader.refusals = ("503",)
    failing = True
    busy = {"status": 503, "content_type": "application/json", "body": "{}"}
    reader.context.route(
        re.compile(r"/docs/guides\.json|/asyncapi\.json"),
        lambda route: route.fulfill(**busy) if failing else route.continue_(),
    )
    reader.open("/docs/events")
    expect(reader.page.get_by_role("status")).to_contain_text("The server does not answer.")
    reader.open("/docs/guides/protocol")
    field = reader.page.get_by_label("Search all guides")
    field.fill("unread")
    expect(reader.page.locator("#found")).to_contain_text("can't be searched at the moment")
    failing = False
    field.fill("unread formula")
    expect(reader.page.locator("#found").get_by_role("link").first).to_be_visible()
