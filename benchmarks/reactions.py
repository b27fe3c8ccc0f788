"""A thousand people react to one message of a large group within a second: and who hears how much."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.phones import SYNC, Line, acked, dial
from benchmarks.processes.deployment import Deployment, Meter, Person, converse, deployment, enrol
from benchmarks.report import Page, circumstances, mariadb_version
from gochat.contract.ids import id_out
from gochat.core.model import ConversationId

MEMBERS, REACTING, PROCESSES, ROUNDS = 10_000, 1_000, 2, 3
EMOJI = ("👍", "❤️", "😂", "😮", "custom:party")
STEPS = 50
"""So many times within the second some react."""
PATIENCE_S = 120.0


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("A thousand react to one message")
    with deployment() as it:
        page.say(circumstances(mariadb_version(it.mariadb)))
        page.say(
            f"A group of {MEMBERS:,}, of whom {REACTING:,} are online at {PROCESSES} processes with Redis;"
            f" of these react to one message within a second, in {len(EMOJI)} ways. `revisions`: of the"
            " conversation; `bytes`: all that comes to the phone that hears most, its own ack too. Processor"
            " time in ms. Asked: at most 10 revisions, exact counts, and 64 KiB to each phone."
        )
        it.gochat.grow(PROCESSES)
        people = enrol(it.url, MEMBERS // 10 if quick else MEMBERS)
        rows = asyncio.run(_rounds(it, people))
    head = ("round", "revisions", "deltas", "bytes", "all acked after, s", "processes", "redis", "database")
    page.table(head, rows)
    return page


@dataclass
class Phone:
    """What one hears."""

    news: asyncio.Event
    received: int = 0
    """Bytes."""
    deltas: int = 0
    acked: bool = False
    shown: dict[str, int] = field(default_factory=dict)
    """The count of each kind, as it was last told."""

    def hear(self, packet: bytes) -> None:
        """An event, or an ack."""
        self.received += len(packet)
        self.news.set()
        if packet.startswith(b"43"):
            answer = acked(packet)
            assert answer["ok"], answer
            self.acked = True
            return
        name, payload = orjson.loads(packet[2:])
        if name == "message:reacted":
            self.deltas += 1
            (message,) = payload["messages"]
            self.shown = {it["emoji"]: it["count"] for it in message["reactions"]}


async def _rounds(it: Deployment, people: list[Person]) -> list[tuple[Any, ...]]:
    (cid,) = await converse(it.url, [[person.id for person in people]])
    reacting = people[: min(REACTING, len(people))]
    news = asyncio.Event()
    phones = [Phone(news) for _ in reacting]
    lines: list[Line] = []
    try:
        for n, (person, phone) in enumerate(zip(reacting, phones, strict=True)):
            port = it.gochat.ports[n % PROCESSES]
            lines.append(await dial(port, person.token, SYNC, phone.hear))
        return [await _round(it, cid, n, phones, lines) for n in range(1, ROUNDS + 1)]
    finally:
        for line in lines:
            line.close()


async def _round(
    it: Deployment, cid: ConversationId, number: int, phones: list[Phone], lines: list[Line]
) -> tuple[Any, ...]:
    key = f"00000000-0000-4000-8000-{number:012d}"
    sent = {"conversation_id": id_out(cid), "client_message_id": key, "body": "Shall we meet at noon?"}
    lines[0].say(b"421" + orjson.dumps(["message:send", sent]))
    await _until(phones[0].news, lambda: phones[0].acked)
    await asyncio.sleep(3.0)  # all have heard it, and the log was read
    ((seq, before),) = it.ask(f"SELECT last_seq, revision FROM conversations WHERE id = {cid}")
    for phone in phones:
        phone.received, phone.deltas, phone.acked = 0, 0, False
    meter = Meter([*it.gochat.servers, it.redis, it.mariadb])
    began = time.perf_counter()
    wanted = Counter[str]()
    for step in range(STEPS):
        for n in range(step, len(lines), STEPS):
            emoji = EMOJI[n % len(EMOJI)]
            wanted[emoji] += 1
            react = {"conversation_id": id_out(cid), "seq": seq, "emoji": emoji, "on": True}
            lines[n].say(b"422" + orjson.dumps(["message:react", react]))
        await asyncio.sleep(max(0.0, began + (step + 1) / STEPS - time.perf_counter()))
    await _until(phones[0].news, lambda: all(phone.acked for phone in phones))
    seconds = time.perf_counter() - began
    await _until(phones[0].news, lambda: all(phone.shown == wanted for phone in phones))
    *processes, redis, database = meter.used()
    ((after,),) = it.ask(f"SELECT revision FROM conversations WHERE id = {cid}")
    ((stored,),) = it.ask(f"SELECT COUNT(*) FROM reactions WHERE conversation_id = {cid} AND seq = {seq}")
    assert stored == len(lines)
    most = max(phones, key=lambda phone: phone.received)
    return (
        number,
        after - before,
        most.deltas,
        f"{most.received:,}",
        f"{seconds:.1f}",
        *(f"{it * 1e3:.0f}" for it in (sum(processes), redis, database)),
    )


async def _until(news: asyncio.Event, is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            news.clear()
            await news.wait()
