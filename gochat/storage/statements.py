"""The SQL of the conversation writer, as text in the words of one dialect."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from gochat.core.model import EVERYONE, NOBODY
from gochat.core.values import value
from gochat.storage.dialects import Dialect, Statement
from gochat.storage.rows import (
    BANS,
    BATCHES,
    BLOCKS,
    CONVERSATIONS,
    DECIDED,
    ME_REVISIONS,
    MEMBERS,
    MENTIONS,
    MESSAGES,
    MOVING,
    MOVING_MEMBERS,
    PROFILES,
    REACTIONS,
    SIDES,
    columns,
)


@value(frozen=True, slots=True)
class Statements:
    """Those that read take one JSON parameter with the keys named here, those that write take rows."""

    dialect: Dialect
    clock: str
    """No parameter."""
    lock_conversations: Statement
    """[id] -> conversations with the clock as one more column, packed; waits for a moment for their locks."""
    try_conversations: Statement
    """The same of those that nobody else has locked."""
    conversations: Statement
    """[id] -> id of those that are there"""
    find_keys: str
    """[unique_key] -> unique_key, id"""
    sent: Statement
    """[sender_id, client_message_id] -> messages, packed"""
    members: Statement
    """[conversation_id, user_id] -> members, packed"""
    messages: Statement
    """[conversation_id, seq] -> messages, packed"""
    users: str
    """[id] -> id, number of active memberships"""
    lock_users: Statement
    """[id] -> id, me_revision, receipts_hidden; waits for a moment for their locks."""
    try_users: Statement
    """The same of those that nobody else has locked."""
    profiles: Statement
    """[id] -> what a user sees of themselves"""
    blocks: Statement
    """[user_id, blocked_id] -> the same, of those there are"""
    blockers: str
    """[user_id] -> user_id, how many they have blocked"""
    welcome: str
    """[user_id, other_id] -> the same, and 1 if the first lets the second bring them into conversations"""
    bans: Statement
    """[conversation_id, user_id] -> the same, of those there are"""
    makers: str
    """[user_id] -> user_id, how many conversations they made and are in"""
    successors: str
    """Two parameters, conversation_id and a limit -> members, highest standing and oldest first."""
    deleted: str
    """[conversation_id, user_id, seq, low, high] -> the first three; messages above low up to high that are
    deleted, the server's or the user's own"""
    total_unread: str
    """[user_id] -> user_id, unread messages over all conversations in which the user has set nothing"""
    sided: str
    """[user_id] -> last_seq, members and sides, of those in which the user has set something"""
    sides: Statement
    """[conversation_id, user_id] -> sides, packed"""
    write_sides: Statement
    find_batch: str
    """Two parameters, process_id and n -> its changes, as they are stored now."""
    fence: Statement
    """A row of batches; one of its number stays as it is. Waits for whoever inserts that to be decided."""
    reserve: Statement
    """Conversations; those whose unique key is there stay as they are."""
    unreserve: str
    """[id]"""
    insert_messages: Statement
    update_messages: Statement
    insert_conversations: Statement
    update_conversations: Statement
    move_conversations: Statement
    """Of `rows.MOVING`."""
    write_members: Statement
    move_members: Statement
    """Of `rows.MOVING_MEMBERS`."""
    write_users: Statement
    """[id, me_revision]"""
    insert_mentions: Statement
    delete_mentions: str
    """[conversation_id, user_id, seq]"""
    reactions: Statement
    """[conversation_id, user_id, seq] -> the same with emoji, of all reactions there are"""
    reactors: str
    """Four parameters, conversation_id, seq, emoji and a limit -> user_id, the newest first."""
    write_reactions: Statement
    delete_reactions: str
    """[conversation_id, user_id, seq, emoji]"""
    forget_reactions: str
    """Two parameters, conversation_id and seq: all to one message."""
    unread_mentions: str
    """[conversation_id, user_id, seq] -> conversation_id, user_id, messages above seq that mean the user"""
    insert_bans: Statement
    delete_bans: str
    """[conversation_id, user_id]"""
    insert_blocks: Statement
    delete_blocks: str
    """[user_id, blocked_id]"""
    write_profiles: Statement
    """Of `rows.PROFILES`."""
    write_decided: Statement
    """[id, profile_revision]"""
    insert_batch: Statement
    reveal: str
    """A revision, and the conversation whose active members have all changed at it."""

    def skip(self, count: int) -> str:
        """One more to skip for each of `count` messages of one conversation, for those who had not read it.

        Not for its sender. Parameters: seq and sender of each, the conversation, and the highest seq.
        """
        at = self.dialect.marker
        more = " + ".join([f"(read_seq < {at} AND user_id <> {at})"] * count)
        return (
            f"UPDATE members{self.dialect.by('ix_members_conversation')} SET skipped = skipped + {more}"
            f" WHERE conversation_id = {at} AND active = 1 AND read_seq < {at}"
        )


def statements(d: Dialect) -> Statements:
    """All statements, in the words of a dialect."""
    at = d.marker
    conversations = (d.packed(CONVERSATIONS, "c", d.clock), "conversations c", "id")
    users = ("u.id, u.me_revision, u.receipts_hidden", "users u", "id")
    return Statements(
        dialect=d,
        clock=f"SELECT {d.clock}",
        lock_conversations=d.lock(*conversations),
        try_conversations=d.try_lock(*conversations),
        conversations=d.look_up("c.id", "conversations c", "id"),
        find_keys=(
            f"{d.select} c.unique_key, c.id FROM {d.given('unique_key')}"
            f" {d.join} conversations c{d.by('uq_conversations_unique_key')}"
            " ON c.unique_key = given.unique_key"
        ),
        sent=d.look_up(
            d.packed(MESSAGES, "m"), "messages m", "sender_id", "client_message_id", index="uq_messages_retry"
        ),
        members=d.look_up(d.gathered(MEMBERS, "m"), "members m", "conversation_id", "user_id"),
        messages=d.look_up(d.packed(MESSAGES, "m"), "messages m", "conversation_id", "seq"),
        users=(
            f"{d.select} u.id, (SELECT COUNT(*) FROM members m{d.by('PRIMARY')}"
            f" WHERE m.user_id = u.id AND m.active = 1) FROM {d.given('id')}"
            f" {d.join} users u{d.by('PRIMARY')} ON u.id = given.id"
        ),
        lock_users=d.lock(*users),
        try_users=d.try_lock(*users),
        profiles=d.look_up(columns(PROFILES, "u"), "users u", "id"),
        blocks=d.look_up("b.user_id, b.blocked_id", "blocks b", "user_id", "blocked_id"),
        blockers=(
            f"SELECT given.user_id, (SELECT COUNT(*) FROM blocks b{d.by('PRIMARY')}"
            f" WHERE b.user_id = given.user_id) FROM {d.given('user_id')}"
        ),
        welcome=(
            f"{d.select} u.id, given.other_id, CASE u.who_can_add WHEN 'everyone' THEN 1 WHEN 'contacts' THEN"
            f" EXISTS (SELECT 1 FROM members m{d.by('PRIMARY')} {d.join} members o{d.by('PRIMARY')}"
            " ON o.user_id = given.other_id AND o.conversation_id = m.conversation_id AND o.active = 1"
            " WHERE m.user_id = u.id AND m.active = 1) ELSE 0 END"
            f" FROM {d.given('user_id', 'other_id')}"
            f" {d.join} users u{d.by('PRIMARY')} ON u.id = given.user_id"
            f" WHERE u.deleted = 0 AND (u.deletes_at IS NULL OR u.deletes_at > {d.clock})"
        ),
        bans=d.look_up("b.conversation_id, b.user_id", "bans b", "conversation_id", "user_id"),
        makers=(
            f"SELECT given.user_id, (SELECT COUNT(*) FROM conversations c{d.by('ix_conversations_creator')}"
            f" {d.join} members m{d.by('PRIMARY')}"
            " ON m.user_id = c.created_by AND m.conversation_id = c.id AND m.active = 1"
            f" WHERE c.created_by = given.user_id) FROM {d.given('user_id')}"
        ),
        successors=(
            f"SELECT {columns(MEMBERS, 'm')} FROM members m{d.by('ix_members_conversation')}"
            f" WHERE m.conversation_id = {at} AND m.active = 1"
            " ORDER BY CASE m.role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 ELSE 2 END,"
            f" m.joined_revision, m.user_id LIMIT {at}"
        ),
        deleted=(
            "SELECT given.conversation_id, given.user_id, given.seq,"
            f" (SELECT COUNT(*) FROM messages m{d.by('PRIMARY')}"
            " WHERE m.conversation_id = given.conversation_id AND m.seq > given.low AND m.seq <= given.high"
            f" AND (m.deleted_at IS NOT NULL OR m.sender_id IN (given.user_id, {NOBODY})))"
            f" FROM {d.given('conversation_id', 'user_id', 'seq', 'low', 'high')}"
        ),
        total_unread=(
            f"{d.select} m.user_id, SUM(CASE WHEN c.last_seq > m.read_seq + m.skipped"
            " THEN c.last_seq - m.read_seq - m.skipped ELSE 0 END)"
            f" FROM {d.given('user_id')}"
            f" {d.join} members m{d.by('PRIMARY')} ON m.user_id = given.user_id AND m.active = 1"
            f" {d.join} conversations c{d.by('PRIMARY')} ON c.id = m.conversation_id"
            f" LEFT JOIN sides s{d.by('PRIMARY')}"
            " ON s.user_id = m.user_id AND s.conversation_id = m.conversation_id"
            " WHERE s.user_id IS NULL GROUP BY m.user_id"
        ),
        sided=(
            f"{d.select} c.last_seq, {columns(MEMBERS, 'm')}, {columns(SIDES, 's')} FROM {d.given('user_id')}"
            f" {d.join} sides s{d.by('PRIMARY')} ON s.user_id = given.user_id"
            f" {d.join} members m{d.by('PRIMARY')} ON m.user_id = s.user_id"
            " AND m.conversation_id = s.conversation_id AND m.active = 1"
            f" {d.join} conversations c{d.by('PRIMARY')} ON c.id = s.conversation_id"
        ),
        sides=d.look_up(d.packed(SIDES, "s"), "sides s", "conversation_id", "user_id"),
        write_sides=d.upsert(SIDES),
        find_batch=f"SELECT changes FROM batches WHERE process_id = {at} AND n = {at}{d.for_update}",
        fence=d.insert_missing(BATCHES),
        reserve=d.insert_missing(CONVERSATIONS),
        unreserve=d.unreserve,
        insert_messages=d.insert(MESSAGES),
        update_messages=d.upsert(MESSAGES),
        insert_conversations=d.insert(CONVERSATIONS),
        update_conversations=d.upsert(CONVERSATIONS),
        move_conversations=d.update(MOVING),
        write_members=d.upsert(MEMBERS),
        move_members=d.update(MOVING_MEMBERS),
        write_users=d.update(ME_REVISIONS),
        insert_mentions=d.insert_missing(MENTIONS),
        delete_mentions=d.delete(MENTIONS),
        reactions=d.look_up(
            "r.conversation_id, r.user_id, r.seq, r.emoji", "reactions r", "conversation_id", "user_id", "seq"
        ),
        reactors=(
            f"SELECT r.user_id FROM reactions r{d.by('ix_reactions_newest')}"
            f" WHERE r.conversation_id = {at} AND r.seq = {at} AND r.emoji = {at}"
            f" ORDER BY r.revision DESC, r.user_id DESC LIMIT {at}"
        ),
        write_reactions=d.upsert(REACTIONS),
        delete_reactions=d.delete(REACTIONS),
        forget_reactions=f"DELETE FROM reactions WHERE conversation_id = {at} AND seq = {at}",
        unread_mentions=(
            f"{d.select} given.conversation_id, given.user_id, COUNT(DISTINCT n.seq)"
            f" FROM {d.given('conversation_id', 'user_id', 'seq')} {d.join} mentions n{d.by('PRIMARY')}"
            f" ON n.conversation_id = given.conversation_id AND n.user_id IN (given.user_id, {EVERYONE})"
            " AND n.seq > given.seq GROUP BY given.conversation_id, given.user_id"
        ),
        insert_bans=d.insert_missing(BANS),
        delete_bans=d.delete(BANS),
        insert_blocks=d.insert_missing(BLOCKS),
        delete_blocks=d.delete(BLOCKS),
        write_profiles=d.update(PROFILES),
        write_decided=d.update(DECIDED),
        insert_batch=d.insert(BATCHES),
        reveal=(
            f"UPDATE members{d.by('ix_members_conversation')} SET revision = {d.marker}"
            f" WHERE conversation_id = {d.marker} AND active = 1"
        ),
    )
