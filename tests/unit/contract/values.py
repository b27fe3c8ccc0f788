"""Hypothesis strategies for the values of core that go out on the wire."""

from hypothesis import strategies as st

from gochat.core.delta import Delta, MeChange, MeConversation
from gochat.core.model import (
    Attachment,
    Conversation,
    Device,
    History,
    Kind,
    Member,
    Message,
    Role,
    Session,
    User,
)
from gochat.core.queries import ConversationView, MeDelta
from gochat.core.receipts import Receipt

ids = st.integers(1, 2**63 - 1)
seqs = st.integers(0, 2**53 - 1)
millis = st.integers(0, 253_402_300_799_999)  # the last of the year 9999
texts = st.text(max_size=20)
optional_texts = st.none() | texts
optional_seqs = st.none() | seqs
optional_millis = st.none() | millis

attachments = st.builds(Attachment, texts, texts, optional_seqs, optional_seqs, optional_seqs, optional_texts)
messages = st.builds(
    Message,
    conversation_id=ids,
    seq=seqs,
    revision=seqs,
    sender_id=ids,
    client_message_id=st.binary(min_size=16, max_size=16),
    request_hash=st.just(b""),
    body=optional_texts,
    attachments=st.lists(attachments, max_size=2).map(tuple),
    created_at=millis,
    edited_at=optional_millis,
    deleted_at=optional_millis,
    reply_to_seq=optional_seqs,
)
conversations = st.builds(
    Conversation,
    id=ids,
    kind=st.sampled_from(Kind),
    title=optional_texts,
    history=st.sampled_from(History),
    revision=seqs,
    last_seq=seqs,
    last_message_at=millis,
    member_count=st.integers(0, 10_000),
    created_at=millis,
    created_by=ids,
)
members = st.builds(
    Member,
    conversation_id=ids,
    user_id=ids,
    role=st.sampled_from(Role),
    active=st.booleans(),
    revision=seqs,
    joined_revision=seqs,
    visible_from_seq=seqs,
    delivered_seq=seqs,
    read_seq=seqs,
    skipped=seqs,
    shown_delivered_seq=seqs,
    shown_read_seq=seqs,
    me_revision=seqs,
)
broadcasts = st.builds(
    Delta,
    conversation_id=ids,
    since=seqs,
    revision=seqs,
    conversation=st.none() | conversations,
    members=st.lists(members, max_size=2).map(tuple),
    messages=st.lists(messages, max_size=2).map(tuple),
    gap=st.booleans(),
    removed=st.booleans(),
)
personal_deltas = st.builds(
    Delta,
    conversation_id=ids,
    since=seqs,
    revision=seqs,
    conversation=conversations,
    members=st.lists(members, max_size=2).map(tuple),
    messages=st.lists(messages, max_size=2).map(tuple),
    gap=st.booleans(),
    me=members,
    last_message=st.none() | messages,
)
views = st.builds(ConversationView, conversation=conversations, me=members, last_message=st.none() | messages)
me_conversations = st.builds(MeConversation, member=members, unread=seqs)
_own = st.lists(me_conversations, max_size=3).map(tuple)
me_changes = st.builds(
    MeChange, user_id=ids, since=seqs, revision=seqs, conversations=_own, total_unread=seqs
)
me_deltas = st.builds(
    MeDelta, since=seqs, revision=seqs, conversations=_own, total_unread=seqs, gap=st.booleans()
)
receipts = st.builds(Receipt, seqs, seqs, seqs, seqs)
users = st.builds(User, ids, texts, texts, optional_texts, optional_texts)
devices = st.builds(Device, optional_texts, optional_texts, optional_texts)
sessions = st.builds(Session, ids, ids, devices, millis, millis, optional_millis)
