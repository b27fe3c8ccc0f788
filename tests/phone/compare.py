"""Whether a phone holds what there is: against one that has just fetched everything, and against history."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from gochat.contract import shapes
from tests.phone.store import Conversation, Store

History = Callable[[str], Sequence[shapes.Message]]
"""All messages of a conversation that the user may see, in ascending order."""


def differences(phone: Store, fresh: Store, history: History) -> Iterator[str]:
    """What is wrong with a phone that has synced; nothing, if all is well."""
    for name, mine, theirs in (
        ("conversations", phone.known, fresh.known),
        ("epoch", phone.epoch, fresh.epoch),
        ("me", phone.me, fresh.me),
        ("total unread", phone.total_unread, fresh.total_unread),
    ):
        yield from _unlike(name, mine, theirs)
    for cid in phone.conversations.keys() & fresh.conversations.keys():
        held = phone.conversations[cid]
        messages = {message["seq"]: message for message in history(cid)}
        for fault in (
            *_against_fresh(held, fresh.conversations[cid]),
            *_against_history(held, messages),
        ):
            yield f"{cid}: {fault}"


def _against_fresh(held: Conversation, fresh: Conversation) -> Iterator[str]:
    for name in (
        "revision",
        "own",
        "last_seq",
        "members",
        "visible_from_seq",
        "delivered_seq",
        "read_seq",
        "unread",
        "counted",
    ):
        yield from _unlike(name, getattr(held, name), getattr(fresh, name))
    for seq, message in fresh.messages.items():
        if seq >= held.complete_from and held.messages.get(seq) != message:
            yield f"message {seq}: {held.messages.get(seq)}, but there is {message}"


def _against_history(held: Conversation, messages: Mapping[int, shapes.Message]) -> Iterator[str]:
    for seq, message in held.messages.items():
        if messages.get(seq) != message:
            yield f"message {seq}: {message}, but in history stands {messages.get(seq)}"
    for seq in range(max(held.complete_from, held.visible_from_seq), held.last_seq + 1):
        if seq not in held.messages:
            yield f"message {seq} is missing"
    unread = sum(seq > held.read_seq and not held.skips(it) for seq, it in messages.items())
    if held.unread != unread:
        yield f"unread: {held.unread}, but counted there are {unread}"


def _unlike(name: str, mine: object, theirs: object) -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in mine.keys() | theirs.keys():
            yield from _unlike(f"{name} {key}", mine.get(key), theirs.get(key))
    elif mine != theirs:
        yield f"{name}: {mine}, but there is {theirs}"
