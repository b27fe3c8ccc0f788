"""The code in the README and in docs/: what stands between fences, and what becomes of it.

A fence that begins with ```` ```kotlin file=Store.kt ```` is a file, written out and run by these tests;
several of one name are one file, in their order. `not-run` says that no test here can run it: the page
then says so too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """One block of code: its language, the words after that, and what it says."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, or is a part of."""
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)

    @property
    def where(self) -> str:
        """For messages: `docs/phone.md:12`."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(page: Path) -> Iterator[Fence]:
    """All of a page, in their order."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        language, *words = found["info"].split() or [""]
        line = text.count("\n", 0, found.start()) + 1
        yield Fence(page, line, language, tuple(words), found["text"])


def write(page: Path, directory: Path) -> list[Path]:
    """Write the files of a page into a directory; return where they are."""
    files: dict[str, str] = {}
    for fence in fences(page):
        if fence.file:
            files[fence.file] = files.get(fence.file, "") + fence.text
    for name, text in files.items():
        (directory / name).write_text(text, "utf-8")
    return [directory / name for name in files]
