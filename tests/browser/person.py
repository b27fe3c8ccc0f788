"""Somebody at the demo page."""

import json
from typing import Any

from playwright.sync_api import BrowserContext, Locator, expect

from tests.wire.account import Account

TIMEOUT_MS = 20_000
expect.set_options(timeout=TIMEOUT_MS)


class Person:
    """One user in a browser of their own. What a page does that it must not is kept in `faults`."""

    def __init__(self, context: BrowserContext, url: str, faults: list[str] | None = None) -> None:
        self.context = context
        self.url = url
        self.faults: list[str] = [] if faults is None else faults
        self.refusals: tuple[str, ...] = ()
        """HTTP statuses that its console may tell of, now or later."""
        if faults is None:
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

    def enter(self, account: Account, conversation_id: str = "") -> None:
        """Be in the chat as somebody who logged in here before, perhaps at a conversation."""
        kept = {
            "access_token": account.token,
            "refresh_token": account.refresh_token,
            "user": account.get("/me")["user"],
        }
        self.keep_session(kept)
        self.open(f"/#/c/{conversation_id}" if conversation_id else "/")
        expect(self.page.get_by_role("main")).to_be_visible()

    def keep_session(self, kept: dict[str, Any]) -> None:
        """Have this login, unless there is one."""
        script = f"if (location.host) localStorage['gochat.session'] ??= JSON.stringify({json.dumps(kept)})"
        self.context.add_init_script(script)

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
        expect(self.page.locator("#title")).to_have_text(title)

    def row(self, title: str) -> Locator:
        """A conversation in the list."""
        return self.page.locator("#conversations li").filter(has_text=title)

    @property
    def field(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_label("Message", exact=True)

    def act(self, text: str, button: str) -> None:
        """Choose what to do with the message that says so."""
        row = self.message(text)
        row.hover()
        row.get_by_role("button", name="What to do with this message").click()
        row.get_by_role("button", name=button, exact=True).click()

    def message(self, text: str) -> Locator:
        """A message on screen."""
        return self.page.locator(".message").filter(has=self.page.get_by_text(text, exact=True))

    def other_tab(self) -> "Person":
        """The same user in one more tab of the same browser."""
        return Person(self.context, self.url, self.faults)

    def write(self, text: str) -> None:
        """Send a message."""
        self.field.fill(text)
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
