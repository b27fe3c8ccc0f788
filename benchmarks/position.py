"""Sync by position: what it sends up, and what it costs, by conversations, absence and processes."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, text

from benchmarks.filled import AT, DATABASES, HASHED, conversation, fill, member, message, server_version
from benchmarks.report import Page, circumstances, sqlite_version
from gochat.contract.cursor import Cursors
from gochat.contract.ids import id_out
from gochat.core.errors import PositionLost
from gochat.core.limits import Limits
from gochat.core.queries import SyncPage, SyncRequest
from gochat.storage import sync
from gochat.storage.engines import read_engine, write_engine
from gochat.storage.position import LastHeads
from gochat.storage.tables import BatchRow, ConversationRow, MemberRow, MessageRow
from tests.writing.world import prepare

SIZES = (50, 1_000, 10_000)
PROCESSES = (1, 40)
ABSENCES = {"a second": 1, "an hour": 3_600, "a week": 604_800}
"""Seconds."""
EVERY, KEPT = 10, 3_600
"""Seconds from one batch of a process to its next, and for which batches are kept."""
CHANGED = 10
"""Of the user's conversations, while they were away."""
ROUNDS, CALLS = 5, 10
ELSEWHERE = 1 << 40
"""A conversation that the user is not in."""
CURSORS = Cursors([b"a secret of the benchmark's own"])
LIMITS = Limits()

Cpu = Callable[[], float]


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("Sync by position")
    page.say(circumstances(sqlite_version()))
    page.say(
        "A user in so many conversations of two sends the position of the sync before. `up`: bytes of what"
        " the phone emits. `ms`: processor time of one `sync`, of the server's reading side and the database"
        f" together, median of {ROUNDS} rounds of {CALLS} calls. Meanwhile each process committed a batch"
        f" every {EVERY} s, and batches are kept for an hour. `new`: so many of the user's conversations"
        " changed. A position that could not be followed (`lost`) is answered so, and the phone sends"
        " `known`, which is measured beside it. Asked: at most 400 bytes up; with nothing new at most"
        " 1 ms at 50 conversations, and 10 ms at 10,000."
    )
    for name, database in {**DATABASES, **HASHED}.items():
        lines: list[Sequence[object]] = []
        for size in SIZES[:2] if quick else SIZES:
            with database() as (url, cpu):
                title = f"{name} {server_version(url)}"
                for line in Case(url, cpu, size).lines():
                    lines.append(line)
                    print(name, *line, flush=True)
        page.say(f"## {title}")
        head = ("conversations", "processes", "away for", "new", "up", "ms", "answer", "up by `known`", "ms")
        page.table(head, lines)
    return page


@dataclass
class Case:
    """One number of conversations in one database."""

    url: str
    cpu: Cpu
    size: int

    def lines(self) -> Iterator[Sequence[object]]:
        """Every number of processes, absence, and whether anything is new."""
        self.me, other = prepare(self.url, 2)
        mine = range(1, self.size + 1)
        fill(self.url, ConversationRow, (conversation(cid, 1, 2) for cid in mine))
        fill(self.url, MemberRow, (member(it, cid, 1) for it in (self.me, other) for cid in mine))
        fill(self.url, MessageRow, (message(cid, 1, other, "Hello", AT + cid) for cid in mine))
        changed = 0
        for processes in PROCESSES:
            for absence, seconds in ABSENCES.items():
                for new in (0, CHANGED):
                    self.run("DELETE FROM batches")
                    self.log(processes, 1, 1)
                    then, known = self.whole()
                    if new:
                        changed += 1
                        self.change(changed)
                    self.log(processes, 2, seconds, changed if new else 0)
                    yield (f"{self.size:,}", processes, absence, new, *self.measured(then, known))

    def run(self, *statements: str) -> None:
        """Run statements."""
        engine = write_engine(self.url)
        with engine.connect() as connection, connection.begin():
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def log(self, processes: int, first: int, seconds: int, change: int = 0) -> None:
        """Let each process commit so long; the first one's last batch tells of the change."""
        elsewhere = orjson.dumps(
            {"conversations": {str(ELSEWHERE): [1, 2]}, "users": {}, "joined": {}}
        ).decode()
        spans = {str(cid): [change + 1, change + 2] for cid in range(1, CHANGED + 1)}
        told = orjson.dumps({"conversations": spans, "users": {}, "joined": {}}).decode()
        last = first + max(1, seconds // EVERY) - 1
        fill(
            self.url,
            BatchRow,
            (
                {
                    "process_id": 1_000 + process,
                    "n": n,
                    "changes": told if change and process == 0 and n == last else elsewhere,
                    "created_at": AT,
                }
                for process in range(processes)
                for n in range(max(first, last - KEPT // EVERY + 1), last + 1)
            ),
        )

    def change(self, time_: int) -> None:
        """A message more in some of the conversations."""
        seq = time_ + 1
        some = range(1, CHANGED + 1)
        fill(self.url, MessageRow, (message(cid, seq, self.me, "Hello", AT + seq) for cid in some))
        self.run(f"UPDATE conversations SET revision = {seq + 1}, last_seq = {seq} WHERE id <= {CHANGED}")

    def whole(self) -> tuple[bytes, dict[int, int]]:
        """What a phone holds: its position, and every conversation's revision."""
        with self.reading() as connection:
            known = {
                row[0]: row[1] for row in connection.execute(text("SELECT id, revision FROM conversations"))
            }
            page = sync.sync(connection, self.me, SyncRequest(known, 0, None, None, 200), LIMITS)
            assert page.standing is not None
            return page.standing, known

    def reading(self) -> "closing[Connection]":
        """A connection as the readers have it."""
        return closing(read_engine(self.url, 1).connect())

    def measured(self, then: bytes, known: dict[int, int]) -> Sequence[object]:
        """One case: up, ms and answer of a position; up and ms of what a phone sends where it is lost."""
        position = CURSORS.write_standing(self.me, then)
        up = _size({"position": position, "me": 0, "epoch": "0123456789abcdef"})
        by_known = _size({"known": {id_out(cid): it for cid, it in known.items()}, "me": 0})
        last = LastHeads()
        with self.reading() as connection:

            def ask() -> SyncPage | None:
                try:
                    return sync.sync(
                        connection, self.me, SyncRequest({}, 0, None, None, 200, then), LIMITS, last
                    )
                except PositionLost:
                    return None

            def name_all() -> SyncPage:
                return sync.sync(connection, self.me, SyncRequest(known, 0, None, None, 200), LIMITS)

            found = ask()
            answer = "lost" if found is None else f"{len(found.conversations)} deltas"
            if found is not None:
                assert len(found.conversations) == len(name_all().conversations)
            return up, f"{self.cost(ask):.2f}", answer, f"{by_known:,}", f"{self.cost(name_all):.2f}"

    def cost(self, call: Callable[[], object]) -> float:
        """Milliseconds of processor time, of this thread and the database."""
        rounds = []
        for _ in range(ROUNDS):
            before = time.thread_time() + self.cpu()
            for _ in range(CALLS):
                call()
            rounds.append((time.thread_time() + self.cpu() - before) / CALLS * 1e3)
        return statistics.median(rounds)


def _size(payload: object) -> int:
    """Bytes of the packet that a phone emits."""
    return len(b"421" + orjson.dumps(["sync", payload]))
