"""What operators do is written down: each command that takes `--why`, whatever becomes of it."""

import json
from collections.abc import Iterator

import pytest
import structlog
from typer.main import get_command

from gochat.cli import app
from gochat.contract.ids import id_out
from gochat.core.measures import Measures
from gochat.storage import backend, operating, safety
from gochat.storage.engines import write_engine
from tests.contract.rest import Rest, operator, register


def acting() -> set[str]:
    """The commands that ask for a reason."""
    return {
        f"{group} {name}"
        for group, it in get_command(app).commands.items()  # type: ignore[attr-defined]
        for name, command in getattr(it, "commands", {}).items()
        if any(parameter.name == "why" for parameter in command.params)
    }


async def test_every_act_is_written_down(rest: Rest, database_url: str) -> None:
    ann, ben = await register(rest, "ann"), await register(rest, "ben")
    made = await ann.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": [ben.id]})
    report = {"client_report_id": "5b7a1c2e-0000-4000-8000-000000000001", "reason": "spam"}
    await ann.rest.send("POST", "/api/v1/reports", json=report | {"target": {"user_id": ben.id}})
    number = json.loads(operator(database_url, "report", "list", "--json"))["report"]
    (session, *_) = (
        json.loads(it) for it in operator(database_url, "user", "sessions", "ben", "--json").splitlines()
    )
    operator(database_url, "key", "create", "shop", "--why=why-first")
    key = json.loads(operator(database_url, "key", "list", "--json"))["key"]
    arguments = {
        "user reset-password": ["ann"],
        "user logout": ["ben"],
        "user disable": ["ben"],
        "user enable": ["ben"],
        "user mute": ["ben"],
        "user create": ["carl"],
        "user invite": [],
        "session end": [session["session"]],
        "conversation ban": [made["conversation"]["id"], ben.id],
        "report show": [number],
        "report resolve": [number],
        "key create": ["mine"],
        "key revoke": [key],
    }
    assert arguments.keys() == acting(), "a command that acts, and is not tried here"
    for n, (command, those) in enumerate(arguments.items()):
        operator(database_url, *command.split(), *those, f"--why=why-{n}", "--as=the night shift")
        (told,) = [it for it in operator(database_url, "log").splitlines() if f"why-{n}" in it.split()[-1]]
        assert command in told
        assert "the night shift" in told


async def test_what_is_refused_is_told_as_refused(rest: Rest, database_url: str) -> None:
    ann, ben = await register(rest, "ann"), await register(rest, "ben")
    made = await ann.rest.ok("POST", "/conversations", {"kind": "direct", "member_ids": [ben.id]})
    cid = made["conversation"]["id"]
    with pytest.raises(AssertionError, match="SystemExit"):
        operator(database_url, "conversation", "ban", cid, ben.id, "--why=x")
    acts = [json.loads(it)["act"] for it in operator(database_url, "log", cid, "--json").splitlines()]
    assert acts == ["conversation ban refused", "conversation ban"]


async def test_nothing_is_done_to_a_user_who_is_not_there(rest: Rest, database_url: str) -> None:
    nobody = id_out(255)
    for command in ("reset-password", "logout", "disable", "enable", "mute"):
        with pytest.raises(AssertionError, match=f"There is no user {nobody}"):
            operator(database_url, "user", command, nobody, "--why=x")
    with pytest.raises(AssertionError, match="hours"):
        operator(database_url, "user", "mute", nobody, "--why=x", "--hours=1e300")
    assert operator(database_url, "log") == "(none)"


async def test_how_an_account_stands_and_why_is_shown_by_any_of_its_names(
    rest: Rest, database_url: str
) -> None:
    ann, ben = await register(rest, "ann"), await register(rest, "ben", phone="+4930123456")
    made = await ann.rest.ok("POST", "/conversations", {"kind": "group", "member_ids": [ben.id]})

    def shown(name: str) -> list[dict[str, str]]:
        return [json.loads(it) for it in operator(database_url, "user", "show", name, "--json").splitlines()]

    assert shown("ben")[0]["state"] == "open"
    operator(database_url, "user", "mute", ben.id, "--why=spam", "--hours=2")
    operator(database_url, "user", "disable", "+49 30 123456", "--why=more spam")
    account, login, *acts = shown("BEN")
    assert (account["state"][:13], ", muted until " in account["state"]) == ("closed since ", True)
    assert login["state"] == "ended"
    assert [(it["act"], it["why"]) for it in acts] == [
        ("user disable", "more spam"),
        ("user mute", "2 h: spam"),
    ]
    assert [json.loads(it) for it in operator(database_url, "log", "ben", "--json").splitlines()] == acts
    code = operator(database_url, "user", "reset-password", ben.id, "--why=lost")
    assert len(code.split("-")) == 4
    operator(database_url, "conversation", "ban", made["conversation"]["id"], "ben", "--why=spam")
    assert operator(database_url, "session", "list", "ben") == operator(
        database_url, "user", "sessions", ben.id
    )
    with pytest.raises(AssertionError, match="There is no user nobody"):
        operator(database_url, "log", "nobody")


async def test_nothing_is_done_that_could_not_be_written_down(
    rest: Rest, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await register(rest, "ann")

    def killed(*_: object) -> None:
        raise InterruptedError

    for module in (backend, operating, safety):
        monkeypatch.setattr(module, "note", killed)
    for command in (
        ("key", "create", "shop"),
        ("user", "create", "ben"),
        ("user", "invite"),
        ("user", "reset-password", "ann"),
        ("user", "logout", "ann"),
        ("user", "disable", "ann"),
        ("user", "mute", "ann"),
    ):
        with pytest.raises(AssertionError, match="InterruptedError"):
            operator(database_url, *command, "--why=x")
    monkeypatch.undo()
    assert operator(database_url, "log") == "(none)"
    assert operator(database_url, "key", "list") == "(none)"
    assert operator(database_url, "user", "find", "ben") == "(none)"
    engine = write_engine(database_url)
    with engine.connect() as connection:
        for table in ("invites", "reset_codes"):
            assert connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one() == 0
    engine.dispose()
    assert (await ann.rest.ok("GET", "/me"))["user"]["id"] == ann.id


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """Logs as they are when a program starts, whatever ran in this process before."""
    before = structlog.get_config() if structlog.is_configured() else {}
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if before:
        structlog.configure(**before)


@pytest.mark.usefixtures("unconfigured")
async def test_what_is_logged_meanwhile_is_no_part_of_an_answer(
    rest: Rest, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Measures.__init__, "__defaults__", (0.0,))  # each read is slow, and told
    operator(database_url, "key", "create", "shop", "--why=x")
    (line,) = operator(database_url, "key", "list", "--json").splitlines()
    assert "key" in json.loads(line)
    await rest.ok("GET", "/terms")
