"""One HTTP request to the engine: a handshake, a poll, a post or a preflight, however it came in. Without
I/O.

Source: the Engine.IO protocol, section "HTTP long-polling"; for the headers of CORS the Fetch standard.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .errors import Refused
from .handshake import Request, parse_query
from .polling import Polling, Post
from .relay import Elsewhere, Told

if TYPE_CHECKING:
    from .engine import Engine
    from .session import Session

Headers = tuple[tuple[bytes, bytes], ...]

PREFLIGHT_S: Final = 7200
"""How long a browser may keep the answer to a preflight, in seconds: the longest that Chromium does."""
_NO_STORE: Final[Headers] = ((b"cache-control", b"no-store"),)
_TEXT: Final[Headers] = (*_NO_STORE, (b"content-type", b"text/plain; charset=UTF-8"))
_JSON: Final[Headers] = (*_NO_STORE, (b"content-type", b"application/json"))
FIXED: Final = 2
"""An answer with no more headers has one of these: what is a page's or an error's own comes behind them."""
_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")


def _nothing(*_: object) -> None:
    pass


class Exchange:
    """Answers one request, once.

    Args:
        respond: takes the status, the headers but Content-Length, and the body; returns whether they were
            written to the client's connection, None if `written` will be told.
        more: is called when a body whose exchange was `full` may go on.
    """

    __slots__ = (
        "_cors",
        "_elsewhere",
        "_engine",
        "_more",
        "_polling",
        "_post",
        "_request",
        "_respond",
        "_told",
        "over",
        "refused",
    )

    def __init__(
        self,
        engine: "Engine",
        request: Request,
        respond: Callable[[int, Headers, bytes], bool | None],
        more: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._request = request
        self._respond = respond
        self._more = more
        self._cors: Headers = ()  # of the answer
        # Who answers, at most one of them: a poll's session, a post's, or another process.
        self._polling: Polling | None = None
        self._post: Post | None = None
        self._elsewhere: Elsewhere | None = None
        self._told: Told = _nothing  # hears whether the answer was written
        self.over = False  # it is answered, or nobody is there to be answered
        self.refused: Refused | None = None  # with what it was answered, if with an error

    def begin(self) -> str | None:
        """Answer as soon as may be. Returns the other process that has the session, if that has to be sent
        a body: see `ask`."""
        request = self._request
        try:
            origin = self._engine.origins.check(request)
            if origin is not None:
                self._cors = _cors(origin, request)
            if request.method == "OPTIONS":
                self._end(204, _NO_STORE + self._cors, b"")
                return None
            query = parse_query(request.query)
            if query.transport != "polling":
                raise Refused(400, 3, "Bad request")
            if query.sid is None:
                if request.method != "GET":
                    raise Refused(400, 2, "Bad handshake method")
                self.answer(self._engine.open(request, Polling, ["websocket"]))
                return None
            owner = self._engine.owner(query)
            if owner is None:
                self._reach(*self._engine.find_polling(query))
            elif request.method == "GET":
                self.ask(owner, b"")
                return None
            return owner
        except Refused as refused:
            self.refuse(refused)
            return None

    def ask(self, owner: str, body: bytes) -> None:
        """Have it answered by the process that has the session."""
        relay = self._engine.relay
        assert relay is not None  # it told of the owner
        self._elsewhere = relay.ask(owner, self._request, body, self)

    def answer(self, body: bytes, told: Told | None = None) -> None:
        """Answer with a payload; tell whether that was written to the client's connection."""
        if told is None:
            told = _nothing if self._polling is None else self._polling.settle
        self._end(200, _TEXT + self._cors, body, told)

    def refuse(self, refused: Refused) -> None:
        """Answer with an error."""
        self.refused = refused.with_traceback(None)  # whose frames would hold this exchange
        self._end(refused.status, (*_JSON, *self._cors, *refused.headers), refused.body)

    # The body

    @property
    def full(self) -> bool:
        """Whether no more of the body should be read, until `more` is called."""
        return self._post is not None and self._post.full

    def feed(self, data: bytes, *, last: bool) -> None:
        """Take the next piece of the body, if it is one that matters."""
        if self._post is not None:
            self._post.feed(data, last=last)

    # The client

    def written(self, taken: bool) -> None:
        """Note whether the answer was written to the client's connection, as far as that can be known."""
        told, self._told = self._told, _nothing
        told(taken)

    def release(self) -> None:
        """Answer a poll of a session of this process with NOOP, if it waits."""
        if self._polling is not None:
            self._polling.let_go(self)

    def give_way(self) -> None:
        """Have a request that another process answers answered soon: this one stops."""
        if self._elsewhere is not None:
            self._elsewhere.release()

    def stall(self) -> None:
        """Give up a body that does not come."""
        if self._post is not None:
            self._post.fail(408, "request timeout")

    def leave(self) -> None:
        """Note that the client is gone."""
        self.over = True
        polling, post, elsewhere = self._polling, self._post, self._elsewhere
        self._let_go()
        self.written(False)
        if polling is not None:
            polling.leave(self)
        elif post is not None:
            post.leave()
        elif elsewhere is not None:
            elsewhere.leave()

    # Inside

    def _reach(self, session: "Session", polling: Polling) -> None:
        if self._request.method == "GET":
            self._polling = polling
            polling.poll(self)
        elif self._request.method == "POST":
            self._post = Post(session, self._posted, self._more)
            length = self._request.header(b"content-length") or b"0"
            if not length.isdigit() or int(length) > self._engine.options.max_post:
                self._post.refuse_size()
        else:
            raise Refused(400, 3, "Bad request")

    def _posted(self, refused: Refused | None) -> None:
        if refused is None:
            self.answer(b"ok")
        else:
            self.refuse(refused)

    def _end(self, status: int, headers: Headers, body: bytes, told: Told = _nothing) -> None:
        if self.over:
            told(False)
            return
        self.over = True
        respond = self._respond
        self._let_go()
        self._told = told
        written = respond(status, headers, body)
        if written is not None:
            self.written(written)

    def _let_go(self) -> None:
        """Hold nobody who may hold this."""
        self._respond = self._more = _nothing
        self._polling = self._post = self._elsewhere = None


def _cors(origin: str, request: Request) -> Headers:
    """Return what lets a page of that origin read the answer, and ask with headers of its own."""
    headers: Headers = (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"origin"),
    )
    if request.method != "OPTIONS":
        return headers
    wanted = request.header(b"access-control-request-headers") or b""
    return (
        *headers,
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (
            b"access-control-allow-headers",
            wanted if _NAMES.fullmatch(wanted) else b"content-type, authorization",
        ),
        (b"access-control-max-age", b"%d" % PREFLIGHT_S),
    )
