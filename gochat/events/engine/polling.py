"""HTTP long-polling as a transport: a bounded queue between the session and the polls, and the posts.
Without I/O.

Source: the Engine.IO protocol, section "HTTP long-polling". The HTTP itself is `http_polling` and `asgi`.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from .errors import ProtocolError, Refused, SessionUnknown
from .frames import COME_BACK, MESSAGE_TOO_BIG
from .payloads import CLOSE_FRAME, NOOP_FRAME, SEPARATOR, decode_packet, take_payload
from .session import ENDED, Session

PATIENCE_S: Final = 0.1
"""How long a poll is held while the client upgrades; it may send one after it was told not to."""


YIELD: Final = 8
"""Bytes that may come of one that was posted, as acks and deltas of short messages."""
NOOP: Final = b"6"
SLICE: Final = 128
"""Packets of one POST that are handled before others get their turn."""


class Last(Enum):
    """What is known of the last answer."""

    SETTLED = "settled"
    """Whether it was written to its client's connection; or there was none."""
    IN_DOUBT = "in doubt"
    """Nothing; it holds nothing that the client would miss."""
    AT_STAKE = "at stake"
    """Nothing; and it holds what the client should not miss."""


# By names of the module, which cost less to look up than an enum's attributes.
SETTLED: Final = Last.SETTLED
IN_DOUBT: Final = Last.IN_DOUBT
AT_STAKE: Final = Last.AT_STAKE


class Poll(Protocol):
    """One poll that waits."""

    def answer(self, body: bytes) -> None:
        """Send a payload to its client; then `Polling.settle` is called, now or later."""

    def refuse(self, refused: Refused) -> None:
        """Send an error to its client."""


class Polling:
    """One session's polls (GET), at most one at a time. What is written in one turn of the loop goes out
    together.

    An answer is in doubt until it is known to be written to its client's connection. Meanwhile the next poll
    waits. One that was not written, or of which that is not known, ends the session: to give it again might
    tell packets twice, to go on would lose them without a word.
    """

    __slots__ = (
        "_backlog",
        "_due",
        "_grace",
        "_last",
        "_noop_due",
        "_poll",
        "_queue",
        "_returns",
        "_session",
        "fd",
    )

    name = "polling"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queue: deque[bytes] = deque()  # frames for the next answer
        self._backlog = 0  # bytes of those
        self._poll: Poll | None = None  # the one that waits
        self._grace = 0  # bytes that may wait beyond the bound, until nothing waits
        self._noop_due = False  # a poll is to be answered, though with nothing
        self._due = False  # `flush` will be called at the end of the turn
        self._last = SETTLED
        self._returns = False  # the session is over, and its client should open another
        self.fd = -1

    # What the session calls

    def write(self, frames: bytes) -> None:
        """Queue frames for the next poll; a client that lets them pile up is evicted.

        What comes of a POST may wait beyond the bound: a library that changes over does not poll until its
        POST is answered, and posts all at once what was written offline.
        """
        self._backlog += len(frames)
        post = self._session.post
        if post is not None:
            self._grace = max(self._grace, post.size * YIELD)
        if self._backlog > self._session.engine.options.max_backlog + self._grace:
            self._session.fail(ProtocolError("slow consumer"), COME_BACK)
            return
        self._queue.append(frames)
        if self._backlog > self._session.engine.much:
            self._session.engine.congested.add(self)
        if self._poll is not None and not self._due:
            self._due = True
            self._session.engine.output.add(self)

    def send(self, frames: bytes) -> None:
        """Send frames."""
        self.write(frames)

    @property
    def carried(self) -> Session:
        """Its session."""
        return self._session

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        return self._backlog

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """End the polls: the pending one hears of it, or with `flush` the next one does.

        It is told in an answer of its own: the JavaScript client acts on CLOSE before it acts on the packets
        in front of it. With `COME_BACK` the session is unknown from then on: every library takes that for a
        fault and opens another one, while python-socketio stays away after a CLOSE packet.
        """
        self._returns = code == COME_BACK
        self._session.engine.congested.discard(self)
        if not flush:
            self._queue.clear()
            self._last = SETTLED
        heard = self._poll is not None and not self._queue and self._last is SETTLED
        self._wake()
        return not flush or heard or (self._returns and not self._queue)

    def resume(self) -> None:
        """Do nothing: what waits is a post's, which the session knows."""

    def release(self) -> None:
        """Answer a poll with NOOP, the pending one or else the next: the client is about to upgrade."""
        self._noop_due = True
        self._wake()

    def hand_over(self) -> deque[bytes]:
        """Give up what is queued, and let a pending poll go."""
        waiting, self._queue, self._backlog = self._queue, deque(), 0
        self._session.engine.congested.discard(self)
        self.release()
        return waiting

    # What the loop's output calls

    def flush(self) -> None:
        """Answer the pending poll with what was written."""
        self._due = False
        if self._queue:
            self._wake()

    def take(self) -> bytes | None:
        """Give out nothing: a poll's answer is more than frames."""
        return None

    def put_back(self, data: bytes) -> None:
        """Do nothing."""

    # What HTTP calls

    def poll(self, poll: Poll) -> None:
        """Have a poll answered once, now or when there is something to say. Raises Refused for a second
        poll."""
        session = self._session
        if self._poll is not None:
            session.fail(ProtocolError("overlapping polls"))
            raise Refused(400, 3, "Bad request")
        self._poll = poll
        if self._queue or self._noop_due or session.state is ENDED:
            self._wake()
        elif session.upgrade is not None and session.upgrade.is_probed:
            session.engine.loop.call_later(PATIENCE_S, self.let_go, poll)

    def leave(self, poll: Poll) -> None:
        """Note that a poll's client is gone. If it waited, it has left the session: what it missed is
        lost."""
        if self._poll is poll:
            self._poll = None
            self._session.close("transport close", code=COME_BACK)

    def let_go(self, poll: Poll) -> None:
        """Answer a poll with NOOP, if it waits."""
        if self._poll is poll:
            self.release()

    def settle(self, taken: bool) -> None:
        """Note whether the last answer was written to its client's connection, as far as that is known."""
        last, self._last = self._last, SETTLED
        if not taken and last is AT_STAKE:
            self._queue.clear()
            self._session.close("transport close", code=COME_BACK)
        if self._poll is not None and (self._queue or self._noop_due or self._session.state is ENDED):
            self._wake()

    # Inside

    def _wake(self) -> None:
        """Answer the pending poll, if there is one, and the answer before is not in doubt."""
        poll = self._poll
        if poll is None or self._last is not SETTLED:
            return
        self._poll = None
        noop, self._noop_due = self._noop_due, False
        session = self._session
        if not self._queue:
            if session.state is ENDED:
                session.engine.forget(session)
                if self._returns and not noop:
                    poll.refuse(SessionUnknown())
                    return
            self._queue.append(CLOSE_FRAME if session.state is ENDED and not noop else NOOP_FRAME)
        payload, taken = take_payload(self._queue)
        self._backlog = max(self._backlog - taken, 0)
        if self._backlog <= session.engine.much:
            session.engine.congested.discard(self)
        if not self._queue:
            self._grace = 0
            if self._returns:
                session.engine.forget(session)
        self._last = IN_DOUBT if payload == NOOP else AT_STAKE
        poll.answer(payload)


class Post:
    """One POST to a session: its packets are handed over as they arrive, and wait while the session is
    paused.

    So its size does not matter, only that of each packet: clients that were not told `maxPayload`, or know
    nothing of it (Java 2.1, JavaScript before 4.5), send all that was written offline in one.

    Args:
        done: called once, when all was handed over, with None, or with why it was refused.
        more: called when a post that was `full` has room again.
    """

    __slots__ = ("_done", "_ended", "_more", "_rest", "_session", "_waiting", "size")

    def __init__(
        self, session: Session, done: Callable[[Refused | None], object], more: Callable[[], object]
    ) -> None:
        """Begin. Raises Refused if another one is under way: that closes the session."""
        if session.post is not None:
            session.fail(ProtocolError("overlapping posts"))
            raise Refused(400, 3, "Bad request")
        session.post = self
        self._session = session
        self._done: Callable[[Refused | None], object] | None = done
        self._more = more
        self._rest = bytearray()  # a packet whose end has not arrived
        self.size = 0  # bytes of the body so far
        self._waiting: deque[bytes] = deque()  # packets that may not be handed over yet
        self._ended = False  # all of the body has come

    @property
    def full(self) -> bool:
        """Whether packets wait, so that no more should be read."""
        return bool(self._waiting)

    @property
    def over(self) -> bool:
        """Whether `done` was called."""
        return self._done is None

    def feed(self, data: bytes, *, last: bool) -> None:
        """Take the next piece of the body."""
        if self._done is None:
            return
        options = self._session.engine.options
        self.size += len(data)
        self._ended = last
        if self._rest or not last:
            self._session.heard()  # who uploads for long has no way to answer pings meanwhile
            self._rest += data
            if not last and SEPARATOR not in data:
                if len(self._rest) > options.max_message:
                    self.refuse_size()
                return
            data = bytes(self._rest)
            self._rest = bytearray()
        packets = data.split(SEPARATOR)
        if not last:
            self._rest += packets.pop()
        if self.size > options.max_post or max(map(len, (*packets, self._rest))) > options.max_message:
            self.refuse_size()
            return
        self._waiting.extend(packets)
        self.resume()

    def resume(self) -> None:
        """Hand over what waits, until the session is paused or over."""
        session = self._session
        waiting = self._waiting
        had_to_wait = bool(waiting)
        left = SLICE
        while waiting and not session.paused and session.state is not ENDED:
            if not left:
                session.engine.loop.call_soon(self.resume)
                return
            left -= 1
            try:
                session.receive(decode_packet(waiting.popleft()))
            except ProtocolError as error:
                self._end(Refused(400, 3, "Bad request"))
                session.fail(error)
                return
        if waiting and session.state is ENDED:
            self._end(SessionUnknown())
        elif not waiting and self._ended:
            self._end(None)
        elif not waiting and had_to_wait:
            self._more()

    def fail(self, status: int, reason: str) -> None:
        """Give up a body that does not come, and the session with it."""
        if self._done is not None:
            self._end(Refused(status, 3, reason.capitalize()))
            self._session.close(reason, code=COME_BACK)

    def refuse_size(self) -> None:
        """Give up a body that is, or will be, too large, and the session with it."""
        refused = Refused(413, 3, "Payload too large")
        self._end(refused)
        self._session.fail(refused, MESSAGE_TOO_BIG)

    def leave(self) -> None:
        """Note that the client of the post is gone; a session that goes on elsewhere takes what came
        whole."""
        if self._done is None:
            return
        if not self._ended or self._session.transport.name == "polling":
            self.fail(400, "transport close")

    def _end(self, outcome: Refused | None) -> None:
        done, self._done = self._done, None
        self._waiting.clear()
        if done is not None:
            self._session.end_post()
            done(outcome)
