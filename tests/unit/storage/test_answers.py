"""What MySQL answers, packet by packet: read whole, or the connection is lost."""

import io
from collections.abc import Iterator, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE
from pymysql.err import OperationalError, ProgrammingError

from gochat.storage.answers import ask

LARGEST = 0xFFFFFF
MORE = 0x0008
COLUMNS = {
    int: (FIELD_TYPE.LONGLONG, 63),
    str: (FIELD_TYPE.VAR_STRING, 45),
    bytes: (FIELD_TYPE.BLOB, 63),
    Decimal: (FIELD_TYPE.NEWDECIMAL, 63),
}
VALUES: dict[type, st.SearchStrategy[object]] = {
    int: st.integers(-(2**63), 2**64 - 1),
    str: st.text(st.characters(codec="utf-8"), max_size=300),
    bytes: st.binary(max_size=300),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=2),
}
ROWS = st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=4).flatmap(
    lambda kinds: st.tuples(
        st.just(kinds), st.lists(st.tuples(*(st.none() | VALUES[kind] for kind in kinds)), max_size=4)
    )
)
Result = tuple[Sequence[type], Sequence[tuple[object, ...]]] | None
"""The columns and rows of a SELECT; None is another statement."""


class Connection:
    """As much of PyMySQL's as is used."""

    def __init__(self, answer: bytes) -> None:
        self._rfile = io.BytesIO(answer)
        self.asked: list[str] = []
        self.closed = False

    def _execute_command(self, _command: int, script: str) -> None:
        self.asked.append(script)

    def _force_close(self) -> None:
        self.closed = True


def counted(value: bytes) -> bytes:
    size = len(value)
    if size < 251:
        return bytes((size,)) + value
    if size < 65_536:
        return b"\xfc" + size.to_bytes(2, "little") + value
    if size <= LARGEST:
        return b"\xfd" + size.to_bytes(3, "little") + value
    return b"\xfe" + size.to_bytes(8, "little") + value


def text(value: object) -> bytes:
    if value is None:
        return b"\xfb"
    return counted(value if isinstance(value, bytes) else str(value).encode())


def packets(result: Result, status: int) -> Iterator[bytes]:
    if result is None:
        yield b"\x00\x01\xfc\x00\x01" + status.to_bytes(2, "little") + b"\x00\x00"
        return
    kinds, rows = result
    end = b"\xfe\x00\x00" + status.to_bytes(2, "little")
    yield bytes((len(kinds),))
    for kind in kinds:
        field, charset = COLUMNS[kind]
        names = b"".join(map(counted, (b"def", b"gochat", b"m", b"messages", b"body", b"body")))
        yield names + b"\x0c" + charset.to_bytes(2, "little") + bytes(4) + bytes((field,)) + bytes(5)
    yield end
    for row in rows:
        yield b"".join(map(text, row))
    yield end


def numbered(payloads: Sequence[bytes]) -> bytes:
    pieces: list[bytes] = []
    for payload in payloads:
        pieces += [payload[at : at + LARGEST] for at in range(0, len(payload) + 1, LARGEST)]
    return b"".join(
        len(piece).to_bytes(3, "little") + bytes((n & 0xFF,)) + piece for n, piece in enumerate(pieces, 1)
    )


def answer(*results: Result, last: bytes | None = None) -> bytes:
    payloads: list[bytes] = []
    for n, result in enumerate(results, 1):
        payloads += packets(result, MORE if n < len(results) or last is not None else 0)
    return numbered([*payloads, *([] if last is None else [last])])


@given(st.lists(st.none() | ROWS, min_size=1, max_size=4))
def test_the_rows_of_each_statement_are_read(results: list[Result]) -> None:
    connection = Connection(answer(*results) + b"the next answer")
    assert ask(connection, "SELECT 1") == [() if it is None else it[1] for it in results]
    assert (connection.asked, connection._rfile.read()) == (["SELECT 1"], b"the next answer")


def test_what_is_longer_than_a_packet_is_read() -> None:
    long = "x" * (2 * LARGEST)
    assert ask(Connection(answer(([str], [(long,), ("y",)]))), "") == [[(long,), ("y",)]]


def test_more_packets_than_are_numbered() -> None:
    rows = [(n,) for n in range(600)]
    assert ask(Connection(answer(([int], rows), None)), "") == [rows, ()]


def test_a_statement_that_fails_says_so_and_leaves_the_connection() -> None:
    error = b"\xff" + (1064).to_bytes(2, "little") + b"#42000no such thing"
    for before in ([], [None], [([int], [(1,)])]):
        connection = Connection(answer(*before, last=error) if before else numbered([error]))
        with pytest.raises(ProgrammingError) as caught:
            ask(connection, "")
        assert (caught.value.args, connection.closed) == ((1064, "no such thing"), False)


def test_an_error_in_the_midst_of_rows() -> None:
    payloads = list(packets(([int], [(1,), (2,)]), 0))[:-1]
    error = b"\xff" + (1317).to_bytes(2, "little") + b"#70100interrupted"
    with pytest.raises(OperationalError) as caught:
        ask(Connection(numbered([*payloads, error])), "")
    assert caught.value.args[0] == 1317


def test_an_answer_that_breaks_off_is_a_lost_connection() -> None:
    whole = answer(([int, str], [(1, "a"), (2, None)]), None)
    for end in range(len(whole)):
        connection = Connection(whole[:end])
        with pytest.raises(OperationalError) as caught:
            ask(connection, "")
        assert (caught.value.args[0], connection.closed) == (2013, True)


@pytest.mark.parametrize("payload", [b"", b"\xfc", b"\x01", b"\xfb/etc/passwd"])
def test_what_is_no_answer_is_a_lost_connection(payload: bytes) -> None:
    connection = Connection(numbered([payload, b"", b""]))
    with pytest.raises(OperationalError) as caught:
        ask(connection, "")
    assert (caught.value.args[0], connection.closed) == (2013, True)


def test_packets_out_of_order_are_a_lost_connection() -> None:
    whole = bytearray(answer(None))
    whole[3] = 0  # as MariaDB numbers what it says when it stops
    with pytest.raises(OperationalError) as caught:
        ask(Connection(bytes(whole)), "")
    assert caught.value.args[0] == 2013
