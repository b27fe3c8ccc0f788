"""Search among a million messages, of which the user sees a hundred thousand."""

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from benchmarks.filled import AT, DATABASES, conversation, fill, member, message, server_version
from benchmarks.measure import percentile
from benchmarks.report import Page, circumstances, sqlite_version
from gochat.core.model import UserId
from gochat.core.search import SearchPage, SearchRequest
from gochat.storage import search
from gochat.storage.engines import read_engine, transaction, write_engine
from gochat.storage.fetch import run_all
from gochat.storage.search_index import SearchIndex
from gochat.storage.tables import ConversationRow, MemberRow, MessageRow
from tests.writing.world import prepare

CONVERSATIONS, EACH = 2_000, 500
MINE = 200
QUERIES = 100
"""Of each kind."""
SCRIPTS = {
    "latin": (0x61, 26),
    "cyrillic": (0x430, 32),
    "arabic": (0x627, 36),
    "thai": (0xE01, 46),
    "chinese": (0x4E00, 3_000),
    "japanese": (0x3041, 80),
}
"""First character, and how many, that its words are made of."""
WORDS = 6_000
"""Of each script; the nth is used as often as 1/n."""


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("Search")
    conversations = CONVERSATIONS // 10 if quick else CONVERSATIONS
    page.say(circumstances(sqlite_version()))
    page.say(
        f"{conversations * EACH:,} messages of two to twenty words in {conversations:,} conversations; the"
        f" user who searches is in {MINE} and sees {MINE * EACH:,}. Processor time of one page of 20 in ms,"
        f" server and database together, of {QUERIES} queries of each kind; `server` and `database`: the"
        " medians of each alone. Asked: at most 50 ms at the 95th percentile. `found`: results in the first"
        " page, on average; `pages`: queries whose first page was not complete. The conversations are all"
        " as lively: the newest messages of each are of about the same time, so that results are sure only"
        " when all of them were looked at."
    )
    texts = Texts()
    # As a server does: its collector does not walk what lives long again and again.
    gc.collect()
    gc.freeze()
    for name, database in DATABASES.items():
        with database() as (url, cpu):
            (me,) = prepare(url, 1)
            build(url, me, texts, conversations)
            title = f"{name} {server_version(url)}"
            lines = list(measured(url, cpu, me, texts))
        for line in lines:
            print(title, *line, flush=True)
        page.say(f"## {title}")
        page.table(("query", "p50", "p95", "most", "server", "database", "found", "pages"), lines)
    return page


class Texts:
    """Bodies of words that are as rare as words are, each in one script."""

    def __init__(self) -> None:
        self._chance = random.Random(1)
        self.words: dict[str, list[str]] = {}
        for script, (first, count) in SCRIPTS.items():
            length = (1, 4) if count > 1_000 else (2, 9)
            self.words[script] = [
                "".join(
                    chr(first + self._chance.randrange(count)) for _ in range(self._chance.randint(*length))
                )
                for _ in range(WORDS)
            ]

    def word(self, script: str, among: int = WORDS) -> str:
        """One, the first ones most often."""
        return self.words[script][int(among ** self._chance.random()) - 1]

    def body(self) -> str:
        """Two to twenty words."""
        script = self._chance.choice(list(SCRIPTS))
        space = "" if script in {"chinese", "japanese", "thai"} else " "
        return space.join(self.word(script) for _ in range(self._chance.randint(2, 20)))

    def queries(self) -> Iterator[tuple[str, Callable[[], SearchRequest]]]:
        """Every kind of query, with what makes one."""
        chance, scripts = self._chance, list(SCRIPTS)

        def any_script() -> str:
            return chance.choice(scripts)

        def request(query: str, **more: Any) -> SearchRequest:
            return SearchRequest(query, 20, **more)

        def rare() -> str:
            return chance.choice(self.words[any_script()][WORDS // 2 :])

        def two(script: str) -> str:
            return self.word(script, 200) + " " + self.word(script, 200)

        yield "a common word", lambda: request(self.word(any_script(), 50))
        yield "any word", lambda: request(self.word(any_script()))
        yield "a rare word", lambda: request(rare())
        yield "two words", lambda: request(two(any_script()))
        yield "one character", lambda: request(self.word(any_script())[0])
        yield "what is nowhere", lambda: request("".join(self.word(any_script(), 20)[:3] for _ in range(4)))
        yield "an emoji that nobody used", lambda: request("🦖")
        yield (
            "a word of one sender",
            lambda: request(self.word(any_script(), 500), sender_id=chance.randint(2, 50)),
        )
        yield "a word in one conversation", lambda: request(rare(), conversation_id=chance.randint(1, MINE))
        yield "a word of some time ago", lambda: request(self.word(any_script(), 500), before=AT + 20_000_000)


def build(url: str, me: UserId, texts: Texts, conversations: int) -> None:
    """Fill a database, and index it as the follower does."""
    ids = range(1, conversations + 1)
    fill(url, ConversationRow, (conversation(cid, EACH, 20) for cid in ids))
    fill(url, MemberRow, (member(me, cid, EACH) for cid in ids[:MINE]))
    fill(
        url,
        MessageRow,
        (
            message(cid, seq, 2 + (cid + seq) % 49, texts.body(), AT + seq * 100_000 + cid)
            for cid in ids
            for seq in range(1, EACH + 1)
        ),
    )
    index = SearchIndex()
    engine = write_engine(url)
    try:
        with engine.connect() as connection:
            for first in range(0, conversations, 8):
                with transaction(connection):
                    writes = index.work(connection, ids[first : first + 8])
                    assert writes.done
                    for statement, values in writes.statements:
                        run_all(connection, statement, values)
    finally:
        engine.dispose()


@dataclass
class Measured:
    """Of one kind of query."""

    server: list[float] = field(default_factory=list)
    """Milliseconds of each query."""
    database: list[float] = field(default_factory=list)
    found: int = 0
    incomplete: int = 0

    @property
    def both(self) -> list[float]:
        """Server and database together."""
        return [sum(it) for it in zip(self.server, self.database, strict=True)]

    def take(self, server: float, database: float, page: SearchPage) -> None:
        """One answer, and the seconds that it took."""
        self.server.append(server * 1e3)
        self.database.append(database * 1e3)
        self.found += len(page.found)
        self.incomplete += not page.complete


def measured(url: str, cpu: Callable[[], float], me: UserId, texts: Texts) -> Iterator[Sequence[object]]:
    """A line for each kind of query, and one for all."""
    all_: list[float] = []
    with closing(read_engine(url, 1).connect()) as connection:
        search.search(connection, me, SearchRequest("warm", 20))
        for kind, made in texts.queries():
            it = Measured()
            for _ in range(QUERIES):
                _one(connection, cpu, me, made(), it)
            all_ += it.both
            apart = (f"{percentile(sorted(each), 0.5):.1f}" for each in (it.server, it.database))
            yield (kind, *_told(it.both), *apart, f"{it.found / QUERIES:.1f}", it.incomplete)
    yield ("all of them", *_told(all_), "", "", "", "")


def _one(
    connection: Connection, cpu: Callable[[], float], me: UserId, request: SearchRequest, it: Measured
) -> None:
    server, database = time.thread_time(), cpu()
    page = search.search(connection, me, request)
    it.take(time.thread_time() - server, cpu() - database, page)


def _told(ms: Sequence[float]) -> tuple[str, ...]:
    ordered = sorted(ms)
    return tuple(f"{it:.1f}" for it in (percentile(ordered, 0.5), percentile(ordered, 0.95), ordered[-1]))
