"""The guides of docs/ as pages: rendered when somebody first asks, with contents, and texts to search."""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from gochat.core.values import value

if TYPE_CHECKING:
    from markdown_it.token import Token

_PACKAGE = Path(__file__).parents[1]
FOLDER: Final = next(
    (it for it in (_PACKAGE / "web/_docs", _PACKAGE.parent / "docs") if it.is_dir()), _PACKAGE / "web/_docs"
)
"""In an installed package, or in a checkout."""
BASE: Final = "/docs/guides/"

GUIDES: Final = (
    "quickstart/android",
    "quickstart/ios",
    "quickstart/flutter",
    "quickstart/react-native",
    "quickstart/web",
    "quickstart/python-bot",
    "protocol",
    "guarantees",
    "phone",
    "errors",
    "own-login",
    "privacy",
    "deploy-railway",
    "deploy-vps",
    "operations",
    "scaling",
    "threats",
    "architecture",
)
"""Those that are pages, in the order in which they are listed."""


_ACCESS: Final = {
    r"<(pre|table)>": r'<\1 tabindex="0">',
    r"<thead>\s*<tr>(\s*<th></th>)+\s*</tr>\s*</thead>": "",
    r"<th></th>": "<td></td>",
}
"""What Markdown can't say: what is wider than the screen is scrolled by keys too, and no heading is empty."""
_BETWEEN_PARTS: Final = re.compile(r"(?<=[_:/.])(?=\w)")
"""Where a long name, such as `innodb_flush_log_at_trx_commit`, may go on in the next line."""


@value(frozen=True, slots=True)
class Part:
    """A heading, and what stands below it. `level` 1 is the page's own."""

    level: int
    id: str
    title: str
    text: str


@value(frozen=True, slots=True)
class Guide:
    """One page: its title, its HTML, and its parts."""

    name: str
    title: str
    body: str
    parts: tuple[Part, ...]


@cache
def guide(name: str) -> Guide | None:
    """Render one of `GUIDES`; None: it is not there."""
    from markdown_it import MarkdownIt  # no start waits for it

    file = FOLDER / f"{name}.md"
    if not file.is_file():
        return None
    # Without HTML of its own: whatever stands in a text is shown, never run.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("code_inline", _name)
    tokens = markdown.parse(file.read_text("utf-8"))
    parts = _number(tokens)
    for token in tokens:
        for inner in token.children or ():
            if inner.type == "link_open":
                _lead(inner, name)
    body = markdown.renderer.render(tokens, markdown.options, {})
    for said, meant in _ACCESS.items():
        body = re.sub(said, meant, body)
    return Guide(name, parts[0].title, body, parts)


def contents(shown: Guide) -> str:
    """Links to a page's parts, as HTML."""
    return "".join(
        f'<li class="level-{part.level}"><a href="#{part.id}">{html.escape(part.title)}</a></li>'
        for part in shown.parts
        if part.level in {2, 3}
    )


def listed(current: str | None = None) -> str:
    """Links to all guides that are there, as HTML. Nothing is rendered: servers do it at their start."""
    lines = []
    for name in GUIDES:
        file = FOLDER / f"{name}.md"
        if file.is_file():
            with file.open(encoding="utf-8") as opened:
                title = html.escape(opened.readline().removeprefix("# ").strip())
            mark = ' aria-current="page"' if name == current else ""
            lines.append(f'<li><a href="{BASE}{name}"{mark}>{title}</a></li>')
    return "".join(lines)


def index() -> list[dict[str, str]]:
    """What the search looks through: each part of each guide."""
    return [
        {"page": it.title, "title": part.title, "href": f"{BASE}{it.name}#{part.id}", "text": part.text}
        for name in GUIDES
        if (it := guide(name)) is not None
        for part in it.parts
    ]


def _number(tokens: list[Token]) -> tuple[Part, ...]:
    """Give headings the ids that links name them by, as GitHub does; return the parts."""
    found: list[tuple[int, str, str, list[str]]] = []
    heading: Token | None = None
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            heading = following
            title = re.sub(r"[`*]", "", following.content)
            slug = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            token.attrSet("id", slug)
            found.append((int(token.tag[1:]), slug, title, []))
        elif found and token.content and token is not heading:
            texts = (" " if it.type == "softbreak" else it.content for it in token.children or (token,))
            found[-1][3].append("".join(texts))
    return tuple(Part(level, slug, title, " ".join(texts)) for level, slug, title, texts in found)


def _name(_renderer: object, tokens: list[Token], index: int, *_: object) -> str:
    """Code within a line."""
    return f"<code>{_BETWEEN_PARTS.sub('<wbr>', html.escape(tokens[index].content))}</code>"


def _lead(link: Token, name: str) -> None:
    """A link to another guide leads to its page; one to a file that is no page leads nowhere."""
    target, _, anchor = str(link.attrGet("href") or "").partition("#")
    if not target or "://" in target or target.startswith("/"):
        return
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / target).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    wanted = "/".join(parts).removesuffix(".md")
    if wanted in GUIDES and target.endswith(".md"):
        link.attrSet("href", BASE + wanted + (f"#{anchor}" if anchor else ""))
    elif wanted.startswith("contract/"):
        link.attrSet("href", f"/api/v1/{parts[-1]}")
    else:
        link.attrs.pop("href", None)
