"""The pages about the API."""

from playwright.sync_api import expect

from tests.browser.conftest import Someone


def test_the_pages_show_the_contract(someone: Someone) -> None:
    reader = someone(width=1_200, height=900)
    reader.open("/docs")
    reader.page.get_by_role("link", name="REST", exact=True).click()
    expect(reader.page.locator("#api")).to_contain_text("/api/v1/auth/register")
    reader.page.get_by_role("link", name="‹ API").click()
    reader.page.get_by_role("link", name="Events", exact=True).click()
    expect(reader.page.locator("#api")).to_contain_text("message:send")
