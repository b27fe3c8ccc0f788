"""The body of a request: bounded, and JSON."""

import asyncio

import orjson
from starlette.requests import Request

from gochat.contract.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from gochat.contract.requests import MAX_BYTES
from gochat.contract.unique import stands_twice, twice
from gochat.core.errors import InvalidPayload

SILENCE_S = 8.0
"""How long a body may stand still. The engine's fast path is more patient, and then cuts the connection."""
SLOWEST = 512
"""Bytes a second that a body brings on the whole, or it is given up."""


async def read_body(request: Request) -> bytes:
    """The whole body of a request of JSON.

    Raises:
        UnsupportedMediaType, PayloadTooLarge, RequestTimeout
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType
    try:
        return await _read(request)
    except TimeoutError:
        raise RequestTimeout from None


def json_in(body: bytes) -> object:
    """A decoded body.

    orjson refuses what is no JSON (RFC 8259): NaN, lone surrogates, text that is not UTF-8; and what nests
    deeper than 1024.

    Raises:
        InvalidPayload: it is not JSON, or a key stands twice in an object.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidPayload("The body of the request is not JSON.") from None
    if (found := twice(body, value)) is not None:
        path, key = found
        raise stands_twice(".".join(part[:64] for part in path or (key,)))
    return value


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise _too_large()
    body = bytearray()
    clock = asyncio.get_running_loop().time
    begun = clock()
    async with asyncio.timeout(SILENCE_S) as limit:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                raise _too_large()
            limit.reschedule(min(clock(), begun + len(body) / SLOWEST) + SILENCE_S)
    return bytes(body)


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(details={"limit": MAX_BYTES})
