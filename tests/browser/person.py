"""Somebody at the demo page."""

from typing import Any

from playwright.sync_api import BrowserContext, Locator, expect

TIMEOUT_MS = 20_000
expect.set_options(timeout=TIMEOUT_MS)


class Person:
    """One user in a browser of their own. What a page does that it must not is kept in `faults`."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.faults: list[str] = []
        self.refusals: tuple[str, ...] = ()
        """HTTP statuses that its console may tell of, now or later."""
        context.set_default_timeout(TIMEOUT_MS)
        context.on("request", lambda request: self._asked(request.url))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("console", self._heard)
        self.page = context.new_page()
        self.page.on("websocket", lambda socket: self._asked(socket.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.url}/", f"ws{self.url.removeprefix('http')}/", "data:")):
            self.faults.append(f"asked {url}")

    def _heard(self, message: Any) -> None:
        # A connection that can't be made is told on the console; no page can help that.
        is_network = "net::ERR_" in message.text or "WebSocket connection to" in message.text
        is_refusal = any(f"status of {status} " in message.text for status in self.refusals)
        if message.type in {"error", "warning"} and not is_network and not is_refusal:
            self.faults.append(message.text)

    def open(self, path: str = "/") -> None:
        """Go to a page."""
        self.page.goto(self.url + path)

    def register(self, name: str, display_name: str = "") -> None:
        """Make an account, and be in the chat."""
        self.open()
        self.page.get_by_role("button", name="Create an account").click()
        self.page.get_by_label("Your name").fill(display_name)
        self._submit(name, "Create the account")

    def log_in(self, name: str) -> None:
        """Log in, and be in the chat."""
        self.open()
        self._submit(name, "Log in")

    def _submit(self, name: str, button: str) -> None:
        self.page.get_by_label("Username").first.fill(name)
        self.page.get_by_label("Password").fill(f"secret-{name}")
        self.page.get_by_role("button", name=button).click()
        expect(self.page.locator("#chat")).to_be_visible()

    def start(self, *names: str, title: str = "") -> None:
        """Start a conversation, and be in it."""
        self.page.get_by_role("button", name="New conversation").click()
        for name in names:
            self.page.get_by_role("searchbox").fill(name)
            self.page.locator("#found").get_by_role("button", name=f"@{name}").click()
        if title:
            self.page.get_by_label("Name of the group").fill(title)
        self.page.get_by_role("button", name="Start").click()
        expect(self.page.get_by_label("Message", exact=True)).to_be_visible()

    def choose(self, title: str) -> None:
        """Open a conversation of the list."""
        self.row(title).click()

    def row(self, title: str) -> Locator:
        """A conversation in the list."""
        return self.page.locator("#conversations li").filter(has_text=title)

    def write(self, text: str) -> None:
        """Send a message."""
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.get_by_role("button", name="Send").click()

    def expect_messages(self, *texts: str) -> None:
        """Exactly these are on screen, in this order."""
        expect(self.page.locator(".bubble .text")).to_have_text(list(texts))

    def expect_ticks(self, *kinds: str) -> None:
        """What one's own messages say of themselves, such as Sent or Read."""
        expect(self.page.locator(".ticks")).to_have_count(len(kinds))
        for n, kind in enumerate(kinds):
            expect(self.page.locator(".ticks").nth(n)).to_have_attribute("title", kind)

    def expect_status(self, text: str) -> None:
        """What the page says of its connection; nothing if all is well."""
        expect(self.page.locator("#status")).to_have_text(text)
