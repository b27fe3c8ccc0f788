"""What is counted for the wire is what goes over it: never less, and little more."""

from dataclasses import fields, replace

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from gochat.contract.encode import delta_out, message_out
from gochat.core.delta import Delta
from gochat.core.model import (
    TEXT,
    Attachment,
    Conversation,
    ConversationExtras,
    Extras,
    Forwarded,
    History,
    Kind,
    Member,
    Mentions,
    Message,
    Private,
    Reaction,
    Role,
    Who,
)
from gochat.core.sizes import bare_size, delta_size, json_bound, json_size, message_size
from gochat.core.sync import parts

SPARE = 560
"""Bytes that a message may be counted too much: numbers that are short, and times that are not there."""

ids = st.integers(1, 2**63 - 1)
numbers = st.integers(1, 2**53 - 1)
times = st.integers(0, 253_402_300_799_999)
letters = st.characters(exclude_categories=["Cs"]) | st.sampled_from('\x00\x01\x1f"\\\n\x7f/é👍')
texts = st.text(letters, max_size=80)
keys = st.binary(min_size=16, max_size=16)
attachments = st.builds(
    Attachment,
    url=texts,
    mime_type=texts,
    size=st.none() | numbers,
    width=st.none() | numbers,
    height=st.none() | numbers,
    name=st.none() | texts,
)
data = st.dictionaries(texts, texts | numbers | st.floats(allow_nan=False, allow_infinity=False), max_size=3)
extras = st.builds(
    Extras,
    kind=st.sampled_from([TEXT, "custom:" + "k" * 32]),
    data=st.none() | data.map(lambda it: orjson.dumps(it).decode()),
    mentions=st.none() | st.builds(Mentions, st.lists(ids, max_size=3).map(tuple), st.booleans()),
    silent=st.booleans(),
    forwarded_from=st.none() | st.builds(Forwarded, ids, numbers),
    read_up_to=st.none() | numbers,
    reactions=st.lists(
        st.builds(
            Reaction,
            emoji=st.sampled_from(["👍", "custom:" + "k" * 32]),
            count=st.integers(1, 10_000),
            user_ids=st.lists(ids, max_size=3).map(tuple),
            mine=st.none() | st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)
messages = st.builds(
    Message,
    conversation_id=ids,
    seq=numbers,
    revision=numbers,
    sender_id=ids,
    client_message_id=keys,
    request_hash=keys,
    body=st.none() | texts,
    attachments=st.lists(attachments, max_size=3).map(tuple),
    created_at=times,
    edited_at=st.none() | times,
    deleted_at=st.none() | times,
    reply_to_seq=st.none() | numbers,
    extras=st.none() | extras,
)
setups = st.builds(
    ConversationExtras,
    avatar_url=st.none() | texts,
    data=st.none() | data.map(lambda it: orjson.dumps(it).decode()),
    who_sends=st.sampled_from(Who),
    who_adds=st.sampled_from(Who),
)
conversations = st.builds(
    Conversation,
    extras=st.none() | setups,
    id=ids,
    kind=st.sampled_from(Kind),
    title=st.none() | texts,
    history=st.sampled_from(History),
    revision=numbers,
    last_seq=numbers,
    last_message_at=times,
    member_count=numbers,
    created_at=times,
    created_by=ids,
)
members = st.builds(
    Member,
    conversation_id=ids,
    user_id=ids,
    role=st.sampled_from(Role),
    active=st.booleans(),
    revision=numbers,
    joined_revision=numbers,
    visible_from_seq=numbers,
    delivered_seq=numbers,
    read_seq=numbers,
    shown_delivered_seq=numbers,
    shown_read_seq=numbers,
)


def test_every_field_of_a_message_is_drawn() -> None:
    """A field that is added has to be counted, too."""
    drawn = {"conversation_id", "seq", "revision", "sender_id", "client_message_id", "request_hash", "body"}
    drawn |= {"attachments", "created_at", "edited_at", "deleted_at", "reply_to_seq", "extras"}
    assert {it.name for it in fields(Message)} == drawn
    extras = {"kind", "data", "mentions", "silent", "forwarded_from", "read_up_to", "reactions"}
    assert {it.name for it in fields(Extras)} == extras


@given(texts)
def test_text(text: str) -> None:
    assert json_size(text) == len(orjson.dumps(text)) <= json_bound(text)


def test_only_a_long_text_is_worth_to_be_counted() -> None:
    assert json_bound("x" * 200) == 2 + 6 * 200
    assert json_bound("x" * 201) == 203


PLAIN = Message(1, 2, 3, 4, bytes(16), bytes(16), "hello", (), 5)
FILE = Attachment("12345678", "12345", name="123")
CUSTOM = Extras("text12")


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (PLAIN, 602),
        (replace(PLAIN, body=None), 599),
        (replace(PLAIN, attachments=(FILE,)), 602 + 172),
        (replace(PLAIN, attachments=(FILE, FILE)), 602 + 2 * 172),
        (replace(PLAIN, extras=CUSTOM), 602 + 8),
        (replace(PLAIN, extras=replace(CUSTOM, data='{ "a" : 1 }')), 602 + 8 + 7),
        (replace(PLAIN, extras=replace(CUSTOM, mentions=Mentions())), 602 + 8 + 40),
        (replace(PLAIN, extras=replace(CUSTOM, mentions=Mentions((1, 2, 3)))), 602 + 8 + 100),
        (replace(PLAIN, extras=replace(CUSTOM, read_up_to=1)), 602 + 8 + 30),
        (replace(PLAIN, extras=replace(CUSTOM, forwarded_from=Forwarded(1, 2))), 602 + 8 + 70),
        (replace(PLAIN, extras=replace(CUSTOM, reactions=(Reaction("1234", 9, ()),))), 602 + 8 + 66),
        (
            replace(PLAIN, extras=replace(CUSTOM, reactions=(Reaction("1234", 9, (1, 2, 3)),) * 2)),
            602 + 8 + 2 * (66 + 57),
        ),
    ],
)
def test_what_each_part_of_a_message_counts(message: Message, size: int) -> None:
    assert message_size(message) == size


def test_what_each_part_of_a_delta_counts() -> None:
    delta = Delta(1, 2, 3)
    conversation = Conversation(1, Kind.GROUP, "title", History.FROM_START, 3, 2, 0, 2, 0, 1)
    row = Member(1, 2, Role.MEMBER, True, 3, 1, 1)
    whole = replace(delta, conversation=conversation)
    setup = ConversationExtras(pinned_seqs=(1,))
    counted = {
        "bare": bare_size(delta),
        "members": bare_size(replace(delta, members=(row, row))),
        "conversation": bare_size(whole),
        "draft": bare_size(replace(whole, private=Private(draft="12345678"))),
        "extras": bare_size(replace(whole, conversation=replace(conversation, extras=setup))),
        "last_message": bare_size(replace(whole, last_message=PLAIN)),
        "messages": bare_size(replace(whole, messages=(PLAIN,))),
        "all": delta_size(replace(whole, messages=(PLAIN, PLAIN), last_message=PLAIN)),
    }
    assert counted == {
        "bare": 160,
        "members": 160 + 2 * 190,
        "conversation": 160 + 930 + len('"title"null'),
        "draft": 160 + 930 + len('"title""12345678"'),
        "extras": 160 + 930 + len('"title"null') + len('[null,null,"all","admins",[1]]'),
        "last_message": 160 + 930 + len('"title"null') + 602,
        "messages": 160 + 930 + len('"title"null'),
        "all": 160 + 930 + len('"title"null') + 3 * 602,
    }


@given(messages)
def test_message(message: Message) -> None:
    spare = message_size(message) - len(orjson.dumps(message_out(message)))
    assert 0 <= spare <= SPARE * (1 + len(message.attachments))


@given(
    st.builds(
        Delta,
        conversation_id=ids,
        since=numbers,
        revision=numbers,
        conversation=st.none() | conversations,
        members=st.lists(members, max_size=3).map(tuple),
        messages=st.lists(messages, max_size=3).map(tuple),
        gap=st.booleans(),
        me=st.none() | members,
        last_message=st.none() | messages,
        members_hidden=st.booleans(),
    )
)
def test_delta(delta: Delta) -> None:
    assert delta_size(delta) >= len(orjson.dumps(delta_out(delta)))


@given(st.lists(st.tuples(messages, st.integers(1, 2)), min_size=1, max_size=8), st.integers(1, 5_000))
def test_parts_follow_on_each_other_and_fit(drawn: list[tuple[Message, int]], room: int) -> None:
    """Members' rows too; a message that is too large by itself is one part."""
    revision, told = 7, []
    for seq, (message, taken) in enumerate(drawn, 1):
        revision += taken
        told.append(replace(message, seq=seq, revision=revision))
    rows = tuple(Member(1, it.revision, Role.MEMBER, True, it.revision, 1, 1) for it in told)
    conversation = Conversation(1, Kind.GROUP, None, History.FROM_START, revision + 1, 9, 0, 2, 0, 1)
    delta = Delta(1, 7, revision + 1, conversation, rows, tuple(told))
    found = list(parts(delta, room))
    assert (found[0].since, found[-1].revision) == (7, revision + 1)
    assert [it.since for it in found[1:]] == [it.revision for it in found[:-1]]
    assert [it for part in found for it in part.messages] == told
    assert [it for part in found for it in part.members] == list(rows)
    assert [part.conversation for part in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1].conversation == conversation
    for part in found:
        assert part.messages
        revisions = [it.revision for it in part.messages] + [it.revision for it in part.members]
        assert all(part.since < it <= part.revision for it in revisions)
        assert len(part.messages) == 1 or sum(map(message_size, part.messages)) <= room
