"""What changed: for a phone that was away, and for a process that missed something.

All of one answer is read in one snapshot, so that it is the state as of the revisions that it reports.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection

from gochat.core.delta import Change, Delta, repaired
from gochat.core.errors import NotFound, PositionLost
from gochat.core.limits import Limits
from gochat.core.model import ConversationId, Member, Message, Millis, UserId
from gochat.core.queries import ChangedUsers, ConversationView, MeDelta, SyncPage, SyncPosition, SyncRequest
from gochat.core.standing import MANY, Standing
from gochat.core.sync import (
    FIRST,
    MARGIN,
    MAX_CHANGES,
    Agenda,
    Candidate,
    Item,
    Page,
    fit,
    fit_first,
    is_partial,
    settle,
    start,
)
from gochat.storage import rows, sides
from gochat.storage.accounts import profile
from gochat.storage.conversations import conversation, views
from gochat.storage.engines import snapshot
from gochat.storage.fetch import fetch, fetch_any
from gochat.storage.log import MAX_SAID, said_since
from gochat.storage.position import (
    LastHeads,
    Now,
    changed_since,
    check_followed,
    is_far,
    outlined,
    summed_up,
    unnamed_since,
)
from gochat.storage.reactions import seen
from gochat.storage.visibility import meeting

T = TypeVar("T", Message, Member)

_CHUNK = 25
"""Conversations that are looked at together, until the answer is full."""

_SURE = 20
"""So few revisions that the messages that changed in them are not counted."""

_CONVERSATION = f"SELECT {rows.columns(rows.CONVERSATIONS, 'c')} FROM conversations c WHERE c.id = ?"

_PROFILE_DECIDED = "SELECT 1 FROM users WHERE id = ? AND profile_revision > ?"
_ME_REVISION = "SELECT me_revision FROM users WHERE id = ?"
_COUNT = f"""(SELECT COUNT(*) FROM (
  SELECT 1 FROM messages WHERE conversation_id = ? AND revision > ? AND seq >= ? LIMIT {MAX_CHANGES + 1}
) changed)"""
_MESSAGES = f"SELECT {rows.columns(rows.MESSAGES, 'x')} FROM messages x"
_NEWEST = "x.conversation_id = ? AND x.seq > ?"
_CHANGED = "x.conversation_id = ? AND x.revision > ? AND x.seq >= ?"
_FIRST_CHANGED = f"{_MESSAGES} WHERE {_CHANGED} ORDER BY x.revision LIMIT ?"
_MEMBERS = f"SELECT {rows.columns(rows.MEMBERS, 'm')} FROM members m"
_ALL_MEMBERS = "m.conversation_id = ? AND m.active = 1"
_CHANGED_MEMBERS = "m.conversation_id = ? AND m.revision > ? AND m.revision <= ?"

_OWN = f"""
SELECT c.last_seq, {rows.columns(rows.MEMBERS, "me")}
FROM members me JOIN conversations c ON c.id = me.conversation_id
WHERE me.user_id = ? AND me.active = 1
"""
_OWN_CHANGED = f"{_OWN} AND me.me_revision > ?"
_OWN_ALL = f"{_OWN} AND (me.delivered_seq > 0 OR c.last_seq > me.read_seq + me.skipped OR me.me_revision > 0)"


def changes(
    connection: Connection,
    user_id: UserId,
    conversation_id: ConversationId,
    since: int | None,
    limits: Limits,
    in_parts: bool,
) -> Delta:
    """See `core.ports.reading.Reader.changes`."""
    with snapshot(connection):
        view = conversation(connection, user_id, conversation_id)
        item = _start(view, since)
        return _only(connection, item, limits, in_parts)


def repair(connection: Connection, conversation_id: ConversationId, since: int, limits: Limits) -> Change:
    """See `core.ports.reading.Reader.repair`."""
    with snapshot(connection):
        found = fetch(connection, _CONVERSATION, conversation_id)
        if not found:
            raise NotFound("There is no such conversation.", field="conversation_id")
        current = rows.CONVERSATIONS.read(found[0])
        item = start(current, None, None, since)
        changed = _count_changed(connection, (item,))[conversation_id]
        if changed > MAX_CHANGES and not item.whole:
            item = replace(item, messages=MAX_CHANGES, partial=True)
        else:
            item = settle(item, changed)
        (delta,) = fit(_deltas(connection, (item,), limits))
        return repaired(delta, current, limits)


def me(connection: Connection, user_id: UserId, since: int) -> MeDelta:
    """See `core.ports.reading.Reader.me`."""
    with snapshot(connection):
        found = fetch(connection, _ME_REVISION, user_id)
        revision = found[0][0] if found else 0
        return _me(connection, user_id, *((since, False) if since <= revision else (0, True)), revision)


def sync(
    connection: Connection,
    user_id: UserId,
    request: SyncRequest,
    limits: Limits,
    last: LastHeads | None = None,
) -> SyncPage:
    """See `core.ports.reading.Reader.sync`. `last`: of this process's syncs."""
    page = _sync(connection, user_id, request, limits, last or LastHeads())
    if request.users_since is None or request.position is not None:
        return page
    return replace(page, users=_changed_users(connection, user_id, request, request.users_since, page))


def _changed_users(
    connection: Connection, user_id: UserId, request: SyncRequest, since: Millis, page: SyncPage
) -> ChangedUsers:
    """Of whom a phone may hold something old; what committed late is named twice rather than never."""
    lost = request.epoch not in (None, page.epoch)
    if lost or since > page.server_time + MARGIN:
        return ChangedUsers(None)
    said = said_since(connection, max(0, since - MARGIN))
    if len(said) > MAX_SAID:
        return ChangedUsers(None)
    seen = meeting(connection, user_id, [it for it, _ in said])
    return ChangedUsers({it: revision for it, revision in said if it in seen})


def _sync(
    connection: Connection, user_id: UserId, request: SyncRequest, limits: Limits, last: LastHeads
) -> SyncPage:
    if request.standing is not None:
        return _sync_from(connection, user_id, request, Standing.unpack(request.standing), limits, last)
    outlines, now = outlined(connection, user_id)
    agenda = Agenda(outlines, request, now.epoch, now.clock)
    candidates = agenda.candidates()
    me_since = agenda.me_since(now.standing.me)
    if not candidates and me_since is None:
        return _last(agenda, request, now, (), None)
    with snapshot(connection):
        return _told_page(connection, user_id, agenda, request, now, limits)


def _sync_from(
    connection: Connection,
    user_id: UserId,
    request: SyncRequest,
    then: Standing,
    limits: Limits,
    last: LastHeads,
) -> SyncPage:
    """What changed since a phone held so much.

    Raises:
        PositionLost: it can't be told: another history, or more of the log than is read, or left of it.
    """
    many = then.count >= MANY
    far = many and is_far(then, last)
    if far or not many:  # most often nothing is new, and that takes no snapshot
        now = summed_up(connection, user_id, last)
        if _is_nothing_new(request, then, now):
            return _nothing_new(now)
    with snapshot(connection):
        if far:
            check_followed(connection, user_id, then)
        by_log = unnamed_since(connection, user_id, then, last) if many and not far else None
        now = by_log or summed_up(connection, user_id)
        if _is_nothing_new(request, then, now):
            return _nothing_new(now)
        outlines, known = changed_since(connection, user_id, then, now)
        request = replace(request, known=known, me=_me_then(request, then))
        agenda = Agenda(outlines, request, now.epoch, now.clock)
        return _told_page(connection, user_id, agenda, request, now, limits)


def _is_nothing_new(request: SyncRequest, then: Standing, now: Now) -> bool:
    """Whether a phone has all. Raises PositionLost: of another history."""
    if then.epoch != now.standing.epoch or request.epoch not in (None, now.epoch):
        raise PositionLost(field="position")
    unchanged = (then.count, then.total) == (now.standing.count, now.standing.total)
    return unchanged and _me_then(request, then) == now.standing.me and request.position is None


def _me_then(request: SyncRequest, then: Standing) -> int:
    return then.me if request.me is None else request.me


def _nothing_new(now: Now) -> SyncPage:
    return SyncPage((), None, None, now.epoch, now.clock, now.standing.pack())


def _told_page(
    connection: Connection,
    user_id: UserId,
    agenda: Agenda,
    request: SyncRequest,
    now: Now,
    limits: Limits,
) -> SyncPage:
    """A page that may tell something; in a snapshot."""
    me_since = agenda.me_since(now.standing.me)
    candidates = agenda.candidates()
    if _is_first(request):
        page = Page(request.limit, limits, share=request.limit // max(1, min(len(candidates), FIRST)))
        deltas, position = _page(connection, user_id, agenda, candidates, page, fit_first)
    else:
        deltas, position = _page(connection, user_id, agenda, candidates, Page(request.limit, limits))
    me = _me(connection, user_id, *me_since, now.standing.me) if me_since is not None else None
    if position is None:
        return _last(agenda, request, now, deltas, me)
    return SyncPage(deltas, me, replace(position, standing=_started(request, now)), now.epoch, now.clock)


def _last(
    agenda: Agenda, request: SyncRequest, now: Now, deltas: tuple[Delta, ...], me: MeDelta | None
) -> SyncPage:
    """The last page, unless more is left to be removed than it holds."""
    removed, position = agenda.removed()
    deltas += removed
    held = _started(request, now)
    if position is not None:
        position = replace(position, standing=held)
        return SyncPage(deltas, me, position, now.epoch, now.clock)
    return SyncPage(deltas, me, None, now.epoch, now.clock, bytes.fromhex(held))


def _is_first(request: SyncRequest) -> bool:
    """Whether a phone has nothing, and waits for its first screen; not if it asks for small pages itself."""
    has_nothing = not request.known and request.position is None and request.standing is None
    return has_nothing and request.limit >= 5 * FIRST


def _started(request: SyncRequest, now: Now) -> str:
    """What a phone holds at least when all is told: how far all was when its first page was read."""
    return request.position.standing if request.position is not None else now.standing.pack().hex()


def _page(
    connection: Connection,
    user_id: UserId,
    agenda: Agenda,
    candidates: Sequence[Candidate],
    page: Page,
    fitted: Callable[[Sequence[Delta]], Sequence[Delta]] = fit,
) -> tuple[tuple[Delta, ...], SyncPosition | None]:
    """The deltas that fit one answer, and where the next goes on."""
    done = _fill(connection, user_id, page, candidates)
    read = _deltas(connection, page.items, page.limits)
    deltas = tuple(fitted(read))
    if len(deltas) < len(read):
        last = deltas[-1].conversation_id
        done = 1 + next(n for n, it in enumerate(candidates) if it.outline.conversation_id == last)
    if deltas and is_partial(deltas[-1]):
        return deltas, agenda.after(candidates[done - 1], deltas[-1].revision)
    return deltas, agenda.after(candidates[done - 1], 0) if done < len(candidates) else None


def _fill(connection: Connection, user_id: UserId, page: Page, candidates: Sequence[Candidate]) -> int:
    """Take conversations until the page is full; how many of the candidates are done."""
    for first in range(0, len(candidates), _CHUNK):
        known = {it.outline.conversation_id: it.known for it in candidates[first : first + _CHUNK]}
        found = views(connection, user_id, tuple(known))
        items = {
            conversation_id: _start(view, known[conversation_id]) for conversation_id, view in found.items()
        }
        changed = _count_changed(connection, items.values())
        for place, conversation_id in enumerate(known, first):
            if conversation_id in items and not page.take(
                settle(items[conversation_id], changed[conversation_id])
            ):
                return place
    return len(candidates)


def _start(view: ConversationView, known: int | None) -> Item:
    return start(view.conversation, view.me, view.last_message, known, view.private)


def _only(connection: Connection, item: Item, limits: Limits, in_parts: bool) -> Delta:
    """All that there is to tell of one conversation; if that is too much, a part or the whole."""
    changed = _count_changed(connection, (item,))[item.conversation.id]
    (delta,) = fit(_deltas(connection, (settle(item, changed, in_parts=in_parts),), limits))
    if is_partial(delta) and not in_parts:
        (delta,) = fit(_deltas(connection, (settle(item, MAX_CHANGES + 1),), limits))
    return delta


def _count_changed(connection: Connection, items: Iterable[Item]) -> dict[ConversationId, int]:
    """How many messages changed in each at most: never more than there were revisions."""
    changed = {item.conversation.id: item.conversation.revision - item.since for item in items}
    unsure = [item for item in items if not item.whole and changed[item.conversation.id] > _SURE]
    if unsure:
        values = [(item.conversation.id, item.since, item.visible_from_seq) for item in unsure]
        statement = f"SELECT {', '.join([_COUNT] * len(unsure))}"
        (counts,) = fetch(connection, statement, *(value for them in values for value in them))
        changed |= {item.conversation.id: count for item, count in zip(unsure, counts, strict=True)}
    return changed


def _deltas(connection: Connection, items: Sequence[Item], limits: Limits) -> tuple[Delta, ...]:
    messages = _messages(connection, items)
    told = {item.conversation.id: _told(item, messages[item.conversation.id]) for item in items}
    members = _members(connection, items, told, limits)
    return tuple(
        Delta(
            item.conversation.id,
            item.since,
            told[item.conversation.id],
            item.conversation,
            members=tuple(members[item.conversation.id]),
            messages=tuple(sorted(messages[item.conversation.id], key=lambda it: it.seq)),
            gap=item.gap,
            me=item.me,
            last_message=item.last_message,
            private=item.private,
            members_hidden=item.me is not None and item.conversation.member_count > limits.shown_members,
        )
        for item in items
    )


def _told(item: Item, messages: Sequence[Message]) -> int:
    """The revision up to which a conversation is told."""
    if item.partial and len(messages) == item.messages:
        return max(message.revision for message in messages)
    return item.conversation.revision


def _messages(connection: Connection, items: Sequence[Item]) -> Mapping[ConversationId, list[Message]]:
    newest: list[tuple[int, int]] = []
    changed: list[tuple[int, int, int]] = []
    found: list[Sequence[Any]] = []
    for item in items:
        conversation_id, last_seq = item.conversation.id, item.conversation.last_seq
        values = (conversation_id, item.since, item.visible_from_seq)
        if item.partial:
            found += fetch(connection, _FIRST_CHANGED, *values, item.messages)
        elif item.whole and item.messages:
            newest.append((conversation_id, last_seq - item.messages))
        elif item.messages:
            changed.append(values)
    found += fetch_any(connection, _MESSAGES, _NEWEST, newest)
    found += fetch_any(connection, _MESSAGES, _CHANGED, changed)
    messages = map(rows.MESSAGES.read, found)
    reader = next((item.me for item in items if item.me is not None), None)
    return _by_conversation(messages if reader is None else seen(connection, reader.user_id, messages))


def _members(
    connection: Connection, items: Iterable[Item], told: Mapping[ConversationId, int], limits: Limits
) -> Mapping[ConversationId, list[Member]]:
    """All of them, or those that changed; to one member of a large group only their own.

    To a process (`me` None) always all that changed until now, those who left too: a first part of a repair
    may go only to those who are members still.
    """
    own: list[Member] = []
    everyone: list[tuple[int]] = []
    changed: list[tuple[int, int, int]] = []
    for item in items:
        conversation_id, me = item.conversation.id, item.me
        if me is None:
            changed.append((conversation_id, item.since, item.conversation.revision))
        elif item.conversation.member_count <= limits.shown_members:
            if item.whole:
                everyone.append((conversation_id,))
            else:
                changed.append((conversation_id, item.since, told[conversation_id]))
        elif item.whole or me.revision > item.since:
            own.append(me)
    found = [*fetch_any(connection, _MEMBERS, _ALL_MEMBERS, everyone)]
    found += fetch_any(connection, _MEMBERS, _CHANGED_MEMBERS, changed)
    return _by_conversation((*own, *map(rows.MEMBERS.read, found)))


def _by_conversation(values: Iterable[T]) -> Mapping[ConversationId, list[T]]:
    grouped: dict[ConversationId, list[T]] = defaultdict(list)
    for value in values:
        grouped[value.conversation_id].append(value)
    return grouped


def _me(connection: Connection, user_id: UserId, since: int, gap: bool, revision: int) -> MeDelta:
    """What changed in a user's own log; after 0, wherever they have a position or something unread."""
    changed = (_OWN_CHANGED, user_id, since) if since else (_OWN_ALL, user_id)
    found = fetch(connection, *changed)
    own = sides.in_own(connection, user_id, ((rows.MEMBERS.read(row[1:]), row[0]) for row in found))
    unread = sides.total_unread(connection, user_id)
    decided = fetch(connection, _PROFILE_DECIDED, user_id, since)
    shown = profile(connection, user_id) if decided or gap else None
    return MeDelta(since, revision, own, unread, gap, shown)
