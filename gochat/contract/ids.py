"""How ids, retry keys and times look on the wire."""

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from struct import iter_unpack

from gochat.core.model import Millis

ID_PATTERN = r"^[0-9a-f]{16}$"
UUID_PATTERN = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
UUID_OUT_PATTERN = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
TIME_IN_PATTERN = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z"
NO_ID = 0
"""No object has it: what a string that is no id of ours stands for."""


def id_out(number: int) -> str:
    """An id as clients see it: an opaque string (16 hexadecimal digits)."""
    return f"{number:016x}"


def id_in(text: str) -> int:
    """The id that a client names. Ids are opaque: any other string is an object that does not exist."""
    if len(text) != 16:
        return NO_ID
    try:
        number = int(text, 16)
    except ValueError:
        return NO_ID
    return number if 0 < number < 1 << 63 and text == id_out(number) else NO_ID


def ids_in(texts: Collection[str]) -> Iterable[int]:
    """The ids that a client names, in order: as `id_in`, and cheaper where all of them look right."""
    joined = "".join(texts)
    if len(joined) == 16 * len(texts) and all(len(text) == 16 for text in texts):
        with suppress(ValueError):
            data = bytes.fromhex(joined)
            if data.hex() == joined:  # in lower case, without blanks
                return (number if number > 0 else NO_ID for (number,) in iter_unpack(">q", data))
    return map(id_in, texts)


def uuid_out(key: bytes) -> str:
    """A retry key as a UUID in lower case (RFC 9562, section 4)."""
    digits = key.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid_in(text: str) -> bytes:
    """The 16 bytes of a UUID in its usual form, in any case; the pattern was checked before."""
    return bytes.fromhex(text.replace("-", ""))


def time_out(at: Millis) -> str:
    """A time as RFC 3339 with milliseconds, UTC: `2026-01-31T12:00:00.000Z`."""
    second, milli = divmod(at, 1000)
    return f"{_second(second)}.{milli:03d}Z"


def time_in(text: str) -> Millis:
    """A time as RFC 3339 in UTC, with or without milliseconds, as `time_out` writes it.

    Raises:
        ValueError: it is not of that form, or no such time.
    """
    if not re.fullmatch(TIME_IN_PATTERN, text):
        raise ValueError("Input should be a time such as 2026-01-31T12:00:00.000Z")
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
