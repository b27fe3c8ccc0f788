"""What MySQL answers to a script: the rows of each of its statements, in one pass over the packets.

PyMySQL makes an object of every packet, which is much of what a batch of one message costs. What concerns the
connection stays PyMySQL's.

Source: MySQL's client/server protocol, "Text Resultset", "OK_Packet", "EOF_Packet" and "ERR_Packet".
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pymysql.constants import COMMAND, CR, FIELD_TYPE
from pymysql.err import OperationalError, raise_mysql_exception

_OK, _NULL, _EOF, _ERROR = 0x00, 0xFB, 0xFE, 0xFF
_WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_LARGEST = 0xFFFFFF
_MORE_RESULTS = 0x0008
_BINARY = 63
"""The character set of what is no text."""
_WHOLE = {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG}
_FLOAT = {FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE}
_DECIMAL = {FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL}
_STRINGS = {
    FIELD_TYPE.TINY_BLOB,
    FIELD_TYPE.MEDIUM_BLOB,
    FIELD_TYPE.LONG_BLOB,
    FIELD_TYPE.BLOB,
    FIELD_TYPE.VAR_STRING,
    FIELD_TYPE.STRING,
    FIELD_TYPE.VARCHAR,
}

Convert = Callable[[bytes], object]


def ask(connection: Any, script: str) -> list[Sequence[Any]]:
    """Run a script of statements; the rows of each, none for those that find nothing.

    Numbers, decimals, text and bytes come as Python's own, all else as text. The connection waits for
    an answer as long as it may take to ask: its two timeouts have to be the same.

    Raises:
        pymysql.err.Error: a statement failed, and those after it were not run; or the connection is lost.
    """
    connection._execute_command(COMMAND.COM_QUERY, script)
    packets = _packets(connection._rfile.read)
    try:
        return list(_results(packets))
    except (OSError, LookupError, ValueError) as error:  # broken off, or no answer at all
        connection._force_close()
        raise OperationalError(CR.CR_SERVER_LOST, "Lost connection during an answer") from error


def _packets(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Packets of one answer. Raises OSError when the connection ends, or sends what is none of it."""
    number = 1
    while True:
        whole = b""
        size = _LARGEST
        while size == _LARGEST:  # what is longer goes on in the next one
            head = read(4)
            size = int.from_bytes(head[:3], "little")
            body = read(size)
            if len(head) < 4 or len(body) < size or head[3] != number & 0xFF:
                raise OSError("the answer broke off")
            number += 1
            whole = whole + body if whole else body
        yield whole


def _results(packets: Iterator[bytes]) -> Iterator[Sequence[Any]]:
    more = _MORE_RESULTS
    while more:
        first = next(packets)
        _raise_error(first)
        if first[0] == _OK:
            more = _status_of_ok(first) & _MORE_RESULTS
            yield ()
            continue
        count, _ = _number(first, 0)
        converts = [_convert(next(packets)) for _ in range(count)]
        next(packets)  # the end of the columns
        rows: list[tuple[object, ...]] = []
        while not _ends(packet := next(packets)):
            rows.append(_row(packet, converts))
        more = int.from_bytes(packet[3:5], "little") & _MORE_RESULTS
        yield rows


def _raise_error(packet: bytes) -> None:
    if packet[0] == _ERROR:
        raise_mysql_exception(packet)


def _ends(packet: bytes) -> bool:
    """Whether there are no more rows; a row may begin with the same byte, and is longer then."""
    _raise_error(packet)
    return packet[0] == _EOF and len(packet) < 9


def _status_of_ok(packet: bytes) -> int:
    _, at = _number(packet, 1)  # affected rows
    _, at = _number(packet, at)  # the last id
    return int.from_bytes(packet[at : at + 2], "little")


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and where it ends."""
    first = packet[at]
    if first < _NULL:
        return first, at + 1
    end = at + 1 + _WIDTHS[first]
    return int.from_bytes(packet[at + 1 : end], "little"), end


@lru_cache(maxsize=4096)
def _convert(column: bytes) -> Convert:
    """What makes Python's value of a column's text. Statements are few, and so are their columns."""
    at = 0
    for _ in range(6):  # catalog, schema, table, its own name, name, its own name
        size, at = _number(column, at)
        at += size
    charset, kind = int.from_bytes(column[at + 1 : at + 3], "little"), column[at + 7]
    if kind in _WHOLE:
        return int
    if kind in _DECIMAL:
        return _decimal
    if kind in _FLOAT:
        return float
    return _as_it_is if charset == _BINARY and kind in _STRINGS else bytes.decode


def _decimal(value: bytes) -> Decimal:
    return Decimal(value.decode())


def _as_it_is(value: bytes) -> bytes:
    return value


def _row(packet: bytes, converts: Sequence[Convert]) -> tuple[object, ...]:
    at = 0
    row: list[object] = []
    for convert in converts:
        if packet[at] == _NULL:
            row.append(None)
            at += 1
            continue
        size, at = _number(packet, at)
        row.append(convert(packet[at : at + size]))
        at += size
    return tuple(row)
