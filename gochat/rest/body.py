"""The body of a request: bounded, and JSON."""

import asyncio

import orjson
from starlette.requests import Request

from gochat.contract.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from gochat.contract.requests import MAX_BYTES
from gochat.core.errors import InvalidPayload

TIMEOUT_S = 15.0


async def read_json(request: Request) -> object:
    """The decoded body.

    orjson refuses what is no JSON (RFC 8259): NaN, lone surrogates, text that is not UTF-8; and what nests
    deeper than 1024.

    Raises:
        UnsupportedMediaType, PayloadTooLarge, RequestTimeout
        InvalidPayload: it is not JSON.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType
    try:
        async with asyncio.timeout(TIMEOUT_S):
            body = await _read(request)
    except TimeoutError:
        raise RequestTimeout from None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidPayload("The body of the request is not JSON.") from None


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(details={"limit": MAX_BYTES})
