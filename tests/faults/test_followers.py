"""The follower of search, killed at every statement, while messages are written: its index stays right."""

import asyncio
import random
import sys

from gochat.core.messages import EditMessage
from gochat.core.model import Message
from gochat.core.search import SearchRequest
from gochat.storage.engines import write_engine
from gochat.storage.fetch import fetch
from tests.faults.follower_dies import DIED
from tests.reading.world import reading
from tests.writing.world import direct, prepare, send, writing


def test_a_follower_killed_at_every_statement(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)
    rng = random.Random(3)

    async def scenario() -> None:
        runner = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.follower_dies",
            database_url,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert runner.stdin is not None
        assert runner.stdout is not None
        async with writing(database_url) as it, reading(database_url) as reader:
            cid = await it.create(direct(anna, ben))
            words = [f"word{n}" for n in range(40)]
            ended: list[int] = []
            while not ended or ended[-1] == DIED:
                for _ in range(3):
                    sent = await it.send(send(cid, anna, " ".join(rng.choices(words, k=3))))
                await it.writer.submit(EditMessage(cid, anna, sent.message.seq, rng.choice(words)))
                runner.stdin.write(f"{len(ended) + 1}\n".encode())
                async with asyncio.timeout(60):
                    ended.append(int(await runner.stdout.readline()))
            assert ended[-1] == 0
            assert len(ended) > 15
            await asyncio.to_thread(assert_indexed, database_url)
            for word in words:
                page = await reader.search(anna, SearchRequest(word, 50))
                history: list[Message] = []
                after, more = 0, True
                while more:
                    read = await reader.history(anna, cid, after_seq=after, limit=100)
                    history += read.messages
                    more, after = read.has_more_after, read.messages[-1].seq
                expected = [at.seq for at in history if at.body is not None and word in at.body]
                assert [at.message.seq for at in page.found] == expected[::-1][:50]

        runner.stdin.close()
        await runner.wait()

    asyncio.run(scenario())


def assert_indexed(url: str) -> None:
    """All that is stored is in the index, so that a search leans on it alone."""
    engine = write_engine(url)
    with engine.connect() as connection:
        behind = fetch(
            connection,
            "SELECT c.id FROM conversations c LEFT JOIN search_marks s ON s.conversation_id = c.id"
            " WHERE s.revision IS NULL OR s.revision < c.revision",
        )
    engine.dispose()
    assert not behind
