"""One GET of a small document at an address that the operator set: no redirects, no proxies, bounded in all.

None of the libraries that the server needs to run is an HTTP client, and one more would be a lot for this:
one request on a connection, which closes after it. The standard library's `urllib.request` follows redirects,
wherever they lead, believes HTTP_PROXY, and bounds each read but not all of them. What is parsed is parsed by
httptools, as uvicorn's requests are.
"""

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import httptools

MOST_BYTES: Final = 262_144
"""Of the whole answer, headers too."""
WITHIN_S: Final = 5.0
"""From looking up the name to the last byte."""
_READ_BYTES: Final = 16_384
_HEADERS: Final = (
    "Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: gochat\r\nConnection: close\r\n"
)


class FetchError(Exception):
    """It could not be fetched; the text says why, and holds nothing of the answer."""


async def fetch(url: str) -> bytes:
    """Return the body of a GET that is answered with 200.

    Args:
        url: `https://...`, or `http://...`; the certificate has to be that host's.

    Raises:
        FetchError: no answer in time, another status (a redirect is not followed), too long, or not HTTP.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            return await _get(url)
    except TimeoutError:
        raise FetchError(f"no answer within {WITHIN_S:g} s") from None
    except (OSError, ValueError, httptools.HttpParserError) as error:
        raise FetchError(f"{type(error).__name__}") from None


async def _get(url: str) -> bytes:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    # It reads the system's certificates from disk.
    tls = await asyncio.to_thread(ssl.create_default_context) if secure else None
    reader, writer = await asyncio.open_connection(host, parts.port or (443 if secure else 80), ssl=tls)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{_HEADERS}\r\n"
        writer.write(request.encode("ascii"))
        answer = _Answer()
        parser, read = httptools.HttpResponseParser(answer), 0
        while not answer.complete:
            data = await reader.read(_READ_BYTES)
            read += len(data)
            if read > MOST_BYTES:
                raise FetchError(f"more than {MOST_BYTES} bytes")
            if not data:
                if answer.length_known or not answer.begun:
                    raise FetchError("the answer was cut off")
                break
            parser.feed_data(data)
            if answer.begun and parser.get_status_code() != 200:
                raise FetchError(f"status {parser.get_status_code()}")
        return bytes(answer.body)
    finally:
        writer.transport.abort()


class _Answer:
    """What httptools tells of an answer."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.begun = False
        """All headers have come."""
        self.length_known = False
        """Its end is said; else it ends with the connection."""
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.length_known |= name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True
