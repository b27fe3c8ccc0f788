from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from gochat.rest.pages import LIBRARIES
from tests.browser.person import Person
from tests.services.gochat import GoChatServer
from tests.services.programs import CHROMIUM, missing, require
from tests.wire.conftest import ann, ben, direct, eve, http, own, server

__all__ = ["ann", "ben", "direct", "eve", "http", "own", "server"]

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
]
Someone = Callable[..., Person]


@pytest.fixture(scope="session")
def serving() -> str:
    """`gochat serve`, as people run it."""
    return "serve"


# For a module, not for all: while it runs, its event loop is the thread's, and no test can run another.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which asks nobody anything by itself."""
    if not (LIBRARIES / "stamp").exists():
        missing("the pages' scripts are missing (python scripts/web.py)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=require(CHROMIUM), args=QUIET)
        yield running
        running.close()


@pytest.fixture
def someone(browser: Browser, server: GoChatServer) -> Iterator[Someone]:
    """Makes people with a browser of their own, a phone's if nothing else is said."""
    people: list[Person] = []

    def make(url: str = server.url, width: int = 390, height: int = 780, **options: Any) -> Person:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        people.append(Person(context, url))
        return people[-1]

    yield make
    for person in people:
        person.context.close()
    assert [person.faults for person in people if person.faults] == []
