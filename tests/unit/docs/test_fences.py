"""Code in the README and in docs/ is run by a test, or says that it is not."""

import json
import re
import subprocess
from importlib.metadata import metadata

import pytest

from tests.snippets.fences import PAGES, ROOT, Fence, fences

ALL = [fence for page in PAGES for fence in fences(page)]
CODE = {"js", "ts", "tsx", "kotlin", "java", "python", "swift", "dart", "html"}
TEXT = {"", "text", "sh", "json", "sql", "toml", "ini", "yaml", "mermaid", "console", "nginx"}
TESTS = (ROOT / "tests/snippets/programs.py").read_text() + (
    ROOT / "tests/snippets/test_snippets.py"
).read_text()


def named(fence: Fence) -> str:
    return fence.where


@pytest.mark.parametrize("fence", [it for it in ALL if it.language in CODE], ids=named)
def test_code_is_run_or_says_that_it_is_not(fence: Fence) -> None:
    page = str(fence.page.relative_to(ROOT))
    if fence.file:
        assert page.removeprefix("docs/") in TESTS, f"{page} is not written out by a test"
    else:
        assert fence.words == ("not-run",), f"{fence.where}: give it file=NAME, and a test that runs it"
        assert "not run by this project" in fence.page.read_text("utf-8"), f"{page} should say so in words"


@pytest.mark.parametrize("fence", [it for it in ALL if it.language == "sh"], ids=named)
def test_commands_are_complete(fence: Fence) -> None:
    subprocess.run(["bash", "-n"], input=fence.text, text=True, check=True, timeout=30)


@pytest.mark.parametrize("fence", [it for it in ALL if it.language == "json"], ids=named)
def test_json_is_json(fence: Fence) -> None:
    rest = fence.text
    while rest.strip():
        _, end = json.JSONDecoder().raw_decode(rest.lstrip())
        rest = rest.lstrip()[end:]


def test_every_language_is_known() -> None:
    assert {fence.language for fence in ALL} <= CODE | TEXT


def test_extras_that_pages_install_are_spelt_as_their_package_does() -> None:
    # pip before 23.3, which Python 3.11 brings, leaves an extra out that is spelt in another way.
    named = [
        (package, extra)
        for page in PAGES
        for package, extras in re.findall(r"pip install \"?([\w-]+)\[([\w,-]+)\]", page.read_text("utf-8"))
        for extra in extras.split(",")
    ]
    assert ("python-socketio", "asyncio-client") in named
    for package, extra in named:
        assert extra in (metadata(package).get_all("Provides-Extra") or [])
