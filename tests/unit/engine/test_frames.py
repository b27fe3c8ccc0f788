"""RFC 6455, server side."""

import os
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.events.engine import frames
from gochat.events.engine.errors import FrameError
from gochat.events.engine.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, Message, whole_text

LIMIT = 1000
MESSAGES = st.one_of(
    st.tuples(st.just(TEXT), st.text(max_size=200).filter(lambda text: len(text.encode()) <= LIMIT)),
    st.tuples(st.just(BINARY), st.binary(max_size=LIMIT)),
    st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)),
)


def masked(payload: bytes, first: int) -> bytes:
    key = os.urandom(4)
    size = len(payload)
    head = bytes((first,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65_536:
        head += bytes((0x80 | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((0x80 | 127,)) + size.to_bytes(8, "big")
    return head + key + bytes(byte ^ key[i & 3] for i, byte in enumerate(payload))


def encode(message: tuple[int, str | bytes], cuts: list[int]) -> bytes:
    """Frame as a client does, data messages in fragments."""
    opcode, content = message
    payload = content.encode() if isinstance(content, str) else content
    if opcode >= CLOSE:
        return masked(payload, 0x80 | opcode)
    edges = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    pieces = [payload[start:end] for start, end in pairwise(edges)]
    firsts = [opcode] + [0] * (len(pieces) - 1)
    firsts[-1] |= 0x80
    return b"".join(map(masked, pieces, firsts))


def read(reader: FrameReader, data: bytes, sizes: list[int]) -> list[Message]:
    """Feed `data` in pieces, reading what there is after each."""
    received: list[Message] = []
    position = 0
    for size in [*sizes, len(data)]:
        reader.feed(data[position : position + size])
        position += size
        while (message := reader.next()) is not None:
            received.append(message)
    return received


@given(
    st.lists(st.tuples(MESSAGES, st.lists(st.integers(0, LIMIT), max_size=4)), max_size=8),
    st.lists(st.integers(1, 300), max_size=30),
)
def test_what_a_client_frames_is_read_however_it_is_cut(
    messages: list[tuple[tuple[int, str | bytes], list[int]]], sizes: list[int]
) -> None:
    data = b"".join(encode(message, cuts) for message, cuts in messages)
    assert read(FrameReader(LIMIT), data, sizes) == [message for message, _ in messages]


ONE = st.builds(
    lambda payload, first, tail: masked(payload, first) + tail,
    st.one_of(st.binary(max_size=140), st.text(max_size=140).map(str.encode), st.binary(min_size=LIMIT - 1)),
    st.sampled_from([0x81, 0x81, 0x82, 0x01, 0x89, 0xC1]),
    st.sampled_from([b"", b"", b"\x81"]),
)


@given(st.one_of(ONE, st.binary(max_size=200)))
def test_what_is_read_at_once_is_what_would_have_been_read(data: bytes) -> None:
    def attempt(reading: Callable[[], list[Message]]) -> list[Message] | int:
        try:
            return reading()
        except FrameError as error:
            return error.code

    def at_once() -> list[Message]:
        text = whole_text(data, LIMIT)
        return step_by_step() if text is None else [(TEXT, text)]

    def step_by_step() -> list[Message]:
        return read(FrameReader(LIMIT), data, [])

    assert attempt(at_once) == attempt(step_by_step)


@pytest.mark.parametrize("size", [0, 1, 125, 126, LIMIT])
def test_one_text_is_read_at_once(size: int) -> None:
    assert whole_text(masked(b"x" * size, 0x81), LIMIT) == "x" * size


def test_what_is_too_long_or_more_than_one_is_not_read_at_once() -> None:
    for data in (masked(b"x" * (LIMIT + 1), 0x81), masked(b"", 0x81) * 2, masked(b"x", 0x81)[:-1]):
        assert whole_text(data, LIMIT) is None


def test_a_reader_holds_what_is_not_whole() -> None:
    reader = FrameReader(LIMIT)
    assert [reader.holds, read(reader, masked(b"x", 0x81), []), reader.holds] == [False, [(TEXT, "x")], False]
    for begun in (masked(b"x", 0x81)[:1], masked(b"x", 0x01)):
        reader = FrameReader(LIMIT)
        assert (read(reader, begun, []), reader.holds) == ([], True)


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=20))
def test_rubbish_is_read_or_refused_and_never_more(data: bytes, sizes: list[int]) -> None:
    try:
        messages = read(FrameReader(LIMIT), data, sizes)
    except FrameError:
        return
    assert sum(len(payload) for _, payload in messages) <= len(data)


@given(st.binary(max_size=70_000), st.sampled_from([TEXT, BINARY, CLOSE]))
def test_own_frames_come_apart_again(payload: bytes, opcode: int) -> None:
    other = frames.frame(b"x", BINARY)
    joined = frames.frame(payload, opcode) + other
    assert list(frames.unframe(joined)) == [(opcode, payload), (BINARY, b"x")]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 255, 256, 65_535])
def test_one_text_is_taken_out_of_its_frame_and_nothing_else_is(size: int) -> None:
    text = b"x" * size
    framed = frames.frame(text)
    assert frames.one_text(framed) == text
    for other in (frames.frame(text, BINARY), framed + frames.frame(b""), framed + framed):
        assert frames.one_text(other) is None
    assert frames.one_text(frames.frame(b"x" * 65_536)) is None


def test_the_limit_is_met_before_the_payload() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(masked(b"x" * (LIMIT + 1), 0x82)[:8])
    with pytest.raises(FrameError) as caught:
        reader.next()
    assert caught.value.code == frames.MESSAGE_TOO_BIG


def test_fragments_count_together_and_control_frames_do_not() -> None:
    reader = FrameReader(10)
    assert read(reader, masked(b"12345", 0x01) + masked(b"0123456789", 0x89), []) == [(PING, b"0123456789")]
    assert read(reader, masked(b"67890", 0x80), []) == [(TEXT, "1234567890")]
    reader.feed(masked(b"12345", 0x01) + masked(b"678901", 0x80))
    with pytest.raises(FrameError):
        reader.next()


def test_close_frame_cuts_a_long_reason() -> None:
    ((opcode, payload),) = frames.unframe(frames.close_frame(1000, "x" * 200))
    assert (opcode, len(payload)) == (CLOSE, 125)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8", b"\x13\x87"])
def test_good_close_frames(payload: bytes) -> None:
    assert read(FrameReader(LIMIT), masked(payload, 0x88), []) == [(CLOSE, payload)]
