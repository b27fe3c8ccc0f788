"""The documents written by hand name what the contract has: no more, no less."""

import re
from pathlib import Path

import pytest

from gochat.contract.errors import error_table
from gochat.contract.events import CLIENT_EVENTS, SERVER_EVENTS
from gochat.contract.routes import ROUTES, Route
from gochat.core.rates import DEFAULT_RATES, Key
from gochat.rest.guides import guide

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table(page: str, header: str) -> list[list[str]]:
    """The cells of the rows below a header, without backquotes."""
    lines = (DOCS / page).read_text("utf-8").split(header, 1)[1].splitlines()
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def test_errors_lists_every_code_with_its_status() -> None:
    told = [row[:3] for row in table("errors.md", "| code | REST | again | meaning | what an app does |")]
    assert told == [
        [row["code"], str(row["status"]), "yes" if row["retryable"] else "no"] for row in error_table()
    ]


def test_protocol_lists_every_client_event_with_its_fields() -> None:
    told = {row[0]: row[1] for row in table("protocol.md", "| you emit | with | `data` of the ack |")}
    assert told == {
        name: ", ".join(
            field if info.is_required() else f"{field}?" for field, info in event.request.model_fields.items()
        )
        for name, event in CLIENT_EVENTS.items()
    }


def test_protocol_lists_every_server_event() -> None:
    told = [row[0] for row in table("protocol.md", "| you hear | with |")]
    assert told == list(SERVER_EVENTS)


def test_protocol_lists_every_rate() -> None:
    told = table("protocol.md", "| rate | at once | seconds |")
    rates = [it for it in DEFAULT_RATES if it.key is Key.USER]
    assert told == [[it.name, f"{it.limit:,}", f"{it.window_s:g}"] for it in rates]
    told = table("protocol.md", "| rate | of each | at once | seconds |")
    rates = [it for it in DEFAULT_RATES if it.key is not Key.USER]
    assert told == [[it.name, it.key, f"{it.limit:,}", f"{it.window_s:g}"] for it in rates]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_protocol_names_every_route(route: Route) -> None:
    rest = (DOCS / "protocol.md").read_text("utf-8").split("## REST", 1)[1]
    assert route.path.removeprefix("/") in rest


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_protocol_lists_what_every_route_takes(route: Route) -> None:
    rest = (DOCS / "protocol.md").read_text("utf-8").split("## REST", 1)[1]
    path = re.escape(route.path.removeprefix("/"))
    [row] = [
        line
        for line in rest.splitlines()
        if re.match(rf"\| .*\b{route.method} ([^|]*`, `)?{path}[?`].* \|", line.split(" | ")[0] + " |")
    ][:1]
    if f"as `{route.event}`" in row:
        return
    models = [model for model in (route.body, route.query) if model is not None]
    taken = {info.alias or name for model in models for name, info in model.model_fields.items()}
    for name in taken - {"limit"}:  # of that a sentence speaks
        assert re.search(rf"[`?&]{name}[?=`]", row), f"{name} in {row}"


def test_a_long_name_in_a_guide_is_broken_between_its_parts() -> None:
    shown = guide("operations")
    assert shown is not None
    assert "<code>innodb_<wbr>flush_<wbr>log_<wbr>at_<wbr>trx_<wbr>commit</code>" in shown.body
    assert "wbr" not in "".join(part.text for part in shown.parts)


def test_links_lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    for page in pages:
        text = page.read_text("utf-8")
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
            there = (page.parent / target).resolve() if target else page
            assert there.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in anchors, f"{page.name}: {target}#{anchor}"
