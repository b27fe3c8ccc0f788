"""A process of its own that writes until SIGTERM, and reports: for tests that compare, kill and freeze.

`python -m tests.writing.process ORDERS` with the fields of `Orders` as JSON. It prints one JSON value a line:
`{"ready": true}`; for each answer its kind and what identifies it; at last what it published, in order.
"""

import asyncio
import json
import logging
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.errors import ChatError
from gochat.core.messages import DeleteMessage, EditMessage, SendMessage, Sent
from gochat.core.model import Conversation, ConversationId, UserId
from gochat.core.receipts import AdvanceReceipts, Position
from tests.services.process import Process
from tests.writing.world import Writing, direct, writing


@dataclass(frozen=True)
class Orders:
    """What the process does. With retry keys below `shared_keys` every process sends the same request."""

    url: str
    seed: int = 0
    senders: int = 24
    shared_keys: int = 0
    conversations: Sequence[tuple[ConversationId, Sequence[UserId]]] = ()
    pairs: Sequence[tuple[UserId, UserId]] = ()
    """Direct conversations to create, all at once."""
    edits: bool = False
    """The senders send nothing; they change the first messages of the conversations."""
    receipts: Sequence[tuple[ConversationId, UserId, int]] = ()
    """Read positions to tell, one after the other."""


@dataclass
class Report:
    """What a process printed."""

    sent: dict[bytes, tuple[ConversationId, int, int]] = field(default_factory=dict)
    """By retry key: conversation, seq, created_at."""
    pairs: dict[tuple[UserId, UserId], ConversationId] = field(default_factory=dict)
    receipts: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    published: list[tuple[ConversationId, int, int]] = field(default_factory=list)
    """Conversation and span of each delta, in order."""


def start(orders: Orders, log: Path) -> Process:
    """Start one, and wait until it is ready."""
    command = [sys.executable, "-m", "tests.writing.process", json.dumps(asdict(orders))]
    process = Process(command, log)
    process.wait_until(lambda: '"ready"' in process.log, timeout=60)
    return process


def report(process: Process) -> Report:
    """What it has printed so far. Two answers to one retry key must be the same."""
    found = Report()
    for line in process.log.splitlines():
        match json.loads(line) if line.startswith("[") else None:
            case ["sent", key, *numbers]:
                answer = (numbers[0], numbers[1], numbers[2])
                assert found.sent.setdefault(bytes.fromhex(key), answer) == answer
            case ["pair", one, other, cid]:
                found.pairs[(one, other)] = cid
            case ["receipt", read_seq]:
                found.receipts.append(read_seq)
            case ["refused", code]:
                found.refused.append(code)
            case ["published", changes]:
                found.published += [(cid, since, revision) for cid, since, revision in changes]
    return found


def _say(*values: object) -> None:
    print(json.dumps(values), flush=True)


async def _insist(it: Writing, command: AnyCommand) -> Any:
    """As a phone does: the same request again until it is answered for good."""
    while True:
        try:
            return await it.writer.submit(command)
        except ChatError as error:
            if not error.retryable:
                _say("refused", error.code)
                return None
            await asyncio.sleep(0.02)


def _message(orders: Orders, choice: random.Random) -> SendMessage:
    """A message of one's own, or one that every process sends: its number says all of it.

    But every seventh of those goes to another conversation from each process: one of them is refused.
    """
    number = choice.randrange(1 << 60)
    place = number
    if orders.shared_keys and choice.random() < 0.3:
        number = choice.randrange(orders.shared_keys)
        place = number if number % 7 else number + orders.seed
    cid, users = orders.conversations[place % len(orders.conversations)]
    return SendMessage(cid, users[number % len(users)], number.to_bytes(16, "big"), f"No. {number} 👍")


async def _send(it: Writing, orders: Orders, seed: int, stopping: asyncio.Event) -> None:
    choice = random.Random(seed)
    while not stopping.is_set():
        answer = await _insist(it, _message(orders, choice))
        if not isinstance(answer, Sent):
            continue
        message = answer.message
        key = message.client_message_id.hex()
        _say("sent", key, message.conversation_id, message.seq, message.created_at)
        cid, user_id, seq = message.conversation_id, message.sender_id, message.seq
        match choice.randrange(10):
            case 0:
                await _insist(it, EditMessage(cid, user_id, seq, f"edited {choice.random()}"))
            case 1:
                await _insist(it, DeleteMessage(cid, user_id, seq))
            case 2:
                await _insist(it, AdvanceReceipts(cid, {user_id: Position(read_seq=seq)}))


async def _edit(it: Writing, orders: Orders, seed: int, stopping: asyncio.Event) -> None:
    choice = random.Random(seed)
    while not stopping.is_set():
        cid, users = choice.choice(orders.conversations)
        await _insist(it, EditMessage(cid, users[0], 1, f"edited {choice.random()}"))
        await _insist(it, UpdateConversation(cid, users[0], {"title": f"renamed {choice.random()}"}))
        _say("edited")


async def _create(it: Writing, one: UserId, other: UserId) -> None:
    answer = await _insist(it, direct(one, other))
    assert isinstance(answer, Conversation)
    _say("pair", one, other, answer.id)


async def _read_on(it: Writing, orders: Orders) -> None:
    for cid, user_id, seq in orders.receipts:
        await _insist(it, AdvanceReceipts(cid, {user_id: Position(read_seq=seq)}))
        _say("receipt", seq)


async def _main(orders: Orders) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with writing(orders.url) as it:
        print('{"ready": true}', flush=True)
        pairs = random.Random(orders.seed).sample(orders.pairs, len(orders.pairs))
        async with asyncio.TaskGroup() as tasks:
            for one, other in pairs:
                tasks.create_task(_create(it, one, other))
            tasks.create_task(_read_on(it, orders))
            if orders.conversations:
                run = _edit if orders.edits else _send
                for n in range(orders.senders):
                    tasks.create_task(run(it, orders, orders.seed * 1000 + n, stopping))
        await stopping.wait()
    changes = [change.delta for committed in it.recorder.published for change in committed.changes]
    _say("published", [[delta.conversation_id, delta.since, delta.revision] for delta in changes])


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    fields: dict[str, Any] = json.loads(sys.argv[1])
    asyncio.run(_main(Orders(**fields)))


if __name__ == "__main__":
    main()
