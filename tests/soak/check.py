"""At the end, when all is quiet: what the phones know, what they were told, and what the database has."""

import asyncio
import traceback
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from gochat.contract import shapes
from gochat.contract.encode import message_out
from gochat.contract.ids import id_in, id_out, uuid_out
from gochat.core.model import Message
from tests.phone.compare import differences
from tests.phone.store import Store
from tests.soak.cluster import Cluster
from tests.soak.journal import Journal, Sending
from tests.soak.load import Witness
from tests.writing.stored import Stored, check, read

SYNC_S = 60


async def check_all(cluster: Cluster, journal: Journal, phones: Sequence[Witness]) -> None:
    """Every invariant; what is broken is in the journal afterwards. The phones are online, nobody acts."""
    stored = await asyncio.to_thread(read, cluster.url)
    try:
        check(stored)
    except AssertionError as error:
        journal.violation("database", "".join(traceback.format_exception(error))[-800:])
    _check_sendings(journal, stored)
    _check_order(journal)
    _check_strangers(journal, await asyncio.to_thread(_memberships, cluster))
    await asyncio.gather(*(_check_phone(journal, stored, phone) for phone in phones))


def _check_sendings(journal: Journal, stored: Stored) -> None:
    """Acked is kept, once, where the ack said, as last edited; nothing else is there."""
    found: dict[str, Message] = {}
    for message in stored.messages.values():
        if message.is_system:
            continue  # the server's own
        key = uuid_out(message.client_message_id)
        if key in found:
            journal.violation("history", f"{key} is stored twice")
        found[key] = message
    for key, sending in journal.sendings.items():
        at = found.pop(key, None)
        if sending.refused is None and sending.seq is None:
            journal.violation("outbox", f"{key} was never answered; stored: {at is not None}")
        if sending.seq is not None:
            _check_stored(journal, sending, at)
    for key in found:
        journal.violation("history", f"{key} is stored, but nobody sent it")


def _check_stored(journal: Journal, sending: Sending, at: Message | None) -> None:
    key, cid = sending.draft.key, sending.draft.conversation_id
    if at is None or (id_out(at.conversation_id), at.seq) != (cid, sending.seq):
        journal.violation("history", f"{key} was acked as {cid} {sending.seq}; stored: {at}")
    elif at.deleted_at is None and sending.acked_body is None:
        journal.violation("history", f"{key}: its deletion was acked, but it is there")
    elif at.body != sending.acked_body and at.body not in sending.maybe:
        journal.violation("history", f"{key}: {at.body} is stored, acked was {sending.acked_body}")


def _check_order(journal: Journal) -> None:
    """Whatever was sent after another's ack stands after it; and a phone in order kept its own order."""
    by_conversation: dict[str, list[Sending]] = defaultdict(list)
    for sending in journal.sendings.values():
        if sending.seq is not None:
            by_conversation[sending.draft.conversation_id].append(sending)
    for cid, sendings in by_conversation.items():
        sendings.sort(key=lambda it: it.seq or 0, reverse=True)
        earliest_ack = float("inf")
        for sending in sendings:
            if sending.sent_at is not None and sending.sent_at > earliest_ack:
                journal.violation("order", f"{cid}: {sending.seq} was sent after a later one was acked")
            earliest_ack = min(earliest_ack, sending.acked_at or earliest_ack)
        places: dict[str, int] = {}
        for sending in sendings:
            if sending.in_order:
                if sending.place > places.get(sending.user_id, sending.place):
                    journal.violation("order", f"{cid}: {sending.user_id} wrote {sending.seq} later")
                places[sending.user_id] = sending.place


Periods = dict[tuple[str, str], list[tuple[int, bool, int]]]
"""By conversation and user: from which revision on they are in or not, and from which seq on they see."""


def _memberships(cluster: Cluster) -> Periods:
    rows = cluster.sql(
        "SELECT conversation_id, user_id, revision, active, visible_from_seq FROM soak_members ORDER BY id"
    )
    periods: Periods = defaultdict(list)
    for cid, user_id, revision, active, visible_from in rows:
        key = (id_out(int(str(cid))), id_out(int(str(user_id))))
        periods[key].append((int(str(revision)), bool(active), int(str(visible_from))))
    return periods


def _check_strangers(journal: Journal, periods: Periods) -> None:
    """Nobody heard of what happened while they were no member, nor what was before their time."""
    for (cid, user_id), deltas in journal.heard.items():
        history = periods.get((cid, user_id), [])
        for revision, oldest in deltas:
            period = next((it for it in reversed(history) if it[0] <= revision), (0, False, 0))
            if not period[1]:
                journal.violation("strangers", f"{cid}: {user_id}, no member, was told revision {revision}")
            elif oldest and oldest < period[2]:
                journal.violation("strangers", f"{cid}: {user_id}, in from {period[2]}, was told of {oldest}")


async def _check_phone(journal: Journal, stored: Stored, phone: Witness) -> None:
    """After a sync its store is what a new phone fetches, and what is in history."""
    name = phone.store.user_id
    phone.resync()
    fresh = Witness(phone.urls, phone.tokens, journal)
    fresh.start()
    try:
        async with asyncio.timeout(SYNC_S):
            await phone.synced.wait()
            await fresh.synced.wait()
    except TimeoutError:
        journal.violation("sync", f"{name} could not sync")
        return
    finally:
        await fresh.stop()
    for difference in differences(phone.store, fresh.store, partial(_history, stored, phone.store)):
        journal.violation("store", f"{name}: {difference}"[:1000])


def _history(stored: Stored, store: Store, cid: str) -> list[shapes.Message]:
    """What the user may see, as the database has it."""
    number, first = id_in(cid), store.conversations[cid].visible_from_seq
    last = stored.conversations[number].last_seq
    return [message_out(stored.messages[(number, seq)]) for seq in range(first, last + 1)]
