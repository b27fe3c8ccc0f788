"""The rule of refresh tokens: the table of docs/protocol.md, row by row, and any sequence of uses."""

import hashlib
import re
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.core.errors import SessionRevoked
from gochat.core.refresh import TOGETHER_MS, Chain, use

PROTOCOL = Path(__file__).parents[3] / "docs" / "protocol.md"
USE = re.compile(r"(T\d+[′″]?) at (\d+) s")


class Session:
    """A session whose tokens have the names of the docs: T1′ is what replaces T1."""

    def __init__(self) -> None:
        self.names = {b"T0": "T0"}
        self.chain = Chain(b"T0")
        self.alive = True
        self._seeds = count()

    def use(self, name: str, at_s: float) -> str:
        """The name of the token that comes back, or `revoked`."""
        token = next((token for token, known in self.names.items() if known == name), name.encode())

        def successor(seed: bytes) -> bytes:
            return hashlib.sha256(token + seed).digest()

        if not self.alive:
            return "revoked"
        fresh = next(self._seeds).to_bytes(16)
        try:
            self.chain = use(self.chain, token, fresh=fresh, now=int(at_s * 1000), successor=successor)
        except SessionRevoked:
            self.alive = False
            return "revoked"
        return self._name(self.chain.newest, name)

    def _name(self, token: bytes, after: str) -> str:
        if token not in self.names:
            following = f"T{int(re.sub(r'[^0-9]', '', after)) + 1}"
            again = sum(
                re.fullmatch(f"{following}[′″]*\\d*", name) is not None for name in self.names.values()
            )
            self.names[token] = following + ("", "′", "″", *(f"″{n}" for n in range(30)))[again]
        return self.names[token]


def rows() -> list[tuple[str, list[tuple[str, int]], list[str]]]:
    """The table: the case, what was used when, and what was answered."""
    found = []
    for line in PROTOCOL.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and USE.match(cells[1]):
            found.append(
                (cells[0], [(name, int(at)) for name, at in USE.findall(cells[1])], cells[2].split(", "))
            )
    return found


def test_the_docs_have_the_table() -> None:
    assert len(rows()) >= 10


@pytest.mark.parametrize(("case", "uses", "answers"), rows(), ids=[row[0] for row in rows()])
def test_the_table_of_the_docs(case: str, uses: list[tuple[str, int]], answers: list[str]) -> None:
    session = Session()
    assert [session.use(name, at) for name, at in uses] == answers, case


@given(st.lists(st.tuples(st.integers(0, 120), st.booleans(), st.booleans()), max_size=30))
def test_two_parts_of_an_app_never_lose_their_login(steps: list[tuple[int, bool, bool]]) -> None:
    """They share what they keep; an answer may be lost, and both may ask at the same moment."""
    session, kept, now = Session(), "T0", 0
    for pause, both, lost in steps:
        now += pause
        answers = {session.use(kept, now) for _ in range(1 + both)}
        assert len(answers) == 1
        if not lost:
            (kept,) = answers
        assert kept != "revoked"


@given(
    st.lists(st.integers(61, 10_000), min_size=1, max_size=10),
    st.integers(0, 9),
    st.lists(st.integers(61, 10_000), min_size=1, max_size=5),
    st.booleans(),
)
def test_a_thief_who_is_not_within_the_same_minute_ends_the_session(
    before: list[int], stolen_at: int, after: list[int], thief_first: bool
) -> None:
    """Whoever of the two goes on, once both have used what they had: neither keeps a login for long."""
    session, now, held = Session(), 0, ["T0"]
    for pause in before:
        now += pause
        held.append(session.use(held[-1], now))
    thief, owner = held[max(0, len(held) - 1 - stolen_at)], held[-1]
    for pause in after:
        for is_thief in (thief_first, not thief_first):
            now += pause
            if is_thief:
                thief = session.use(thief, now)
            else:
                owner = session.use(owner, now)
    now += 61
    assert "revoked" in (session.use(owner, now), session.use(thief, now + 61))


@pytest.mark.parametrize(("later", "again"), [(0, True), (60_000, True), (60_001, False), (-60_001, False)])
def test_the_minute_is_a_minute(later: int, again: bool) -> None:
    """On whichever side clocks differ."""
    session = Session()
    session.use("T0", 100)
    assert session.use("T0", 100 + later / 1000) == ("T1" if again else "T1′")
    assert TOGETHER_MS == 60_000


@pytest.mark.parametrize(("seed", "seeded_at"), [(None, None), (b"s" * 16, None), (None, 100)])
def test_without_what_the_newest_follows_from_there_is_a_fresh_one(
    seed: bytes | None, seeded_at: int | None
) -> None:
    chain = Chain(b"T1", b"T0", seed, seeded_at)
    used = use(chain, b"T0", fresh=b"f" * 16, now=100, successor=lambda seed: b"after " + seed)
    assert used == Chain(b"after " + b"f" * 16, b"T0", b"f" * 16, 100)
