"""The Socket.IO side of one session: namespaces, events in order, acks, and bounds. Without I/O.

Source: the Socket.IO protocol, sections "Connection to a namespace", "Sending and receiving data" and
"Acknowledgement".
"""

import logging
import math
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from . import packets
from .errors import ProtocolError
from .frames import COME_BACK
from .handshake import Request
from .member import CONNECTED, Ack, Member
from .packets import Packet
from .session import DRAINING, ENDED, OVER, Session
from .transports import Write, drop

if TYPE_CHECKING:
    from .server import EngineServer

logger = logging.getLogger(__name__)

Step = Coroutine[Any, Any, None]
LOOK_S: Final = 0.05
"""From one look to the next, whether a client has taken what waited for it."""
LARGE_BITS: Final = 12
"""An event counts once more for each 4 KiB: its answer may be as long."""


SMALL: Final = 1 << 10
"""Letters of an event that counts once, whatever they are."""


def _weight(data: str | bytes) -> int:
    """As how many events in flight one counts: by its bytes, at most four for a letter."""
    size = len(data) if type(data) is bytes or data.isascii() else len(data) << 2
    return 1 + (size >> LARGE_BITS)


class Client:
    """One session's Socket.IO state.

    Packets are handled in order. While one takes time (a CONNECT, or an event for one of python-socketio's
    handlers), those after it wait in `_inbox`; a dispatcher's events do not wait for each other. Both are
    bounded: beyond `max_in_flight` the session is paused. It is paused, too, while its client does not take
    the answers that it has: so nobody is cut for what they asked, however much they ask at once.
    """

    __slots__ = (
        "_answers",
        "_attachments",
        "_held",
        "_in_flight",
        "_inbox",
        "_limit",
        "_looks",
        "_options",
        "_refused",
        "_unseen",
        "members",
        "request",
        "server",
        "session",
    )

    def __init__(self, server: "EngineServer", session: Session, request: Request) -> None:
        self.server = server
        self.session = session
        self.request: Request | None = request  # until the first CONNECT
        self.members: dict[str, Member] = {}  # by namespace, also those whose CONNECT is not answered
        self._options = server.options
        self._limit = server.options.max_in_flight
        self._in_flight = 0  # events that are not answered, large ones as several
        self._answers = server.options.max_backlog // 4  # bytes that may wait to be sent while more is read
        self._unseen = 0  # bytes of answers since it was looked at what waits
        self._looks = False  # soon, whether the client has taken its answers
        self._inbox: deque[str | bytes] | None = None  # what waits for a step that is under way
        self._held: Packet | None = None  # one whose attachments are not all here
        self._attachments: list[bytes] = []  # those that are
        self._refused = 0  # CONNECTs

    @property
    def connected(self) -> bool:
        """Whether the client is connected to any namespace."""
        return any(member.state is CONNECTED for member in self.members.values())

    # What the session calls

    def receive(self, data: str | bytes) -> None:
        """Take one message. Raises ProtocolError."""
        if self._inbox is None:
            step = self._process(data)
            if step is not None:
                self._inbox = deque()
                self.server.eio.spawn(self._work(step))
        else:
            self._inbox.append(data)
            if len(self._inbox) >= self._limit:
                self.session.pause()

    def writer_changed(self, write: Write) -> None:
        """Send with `write` from now on."""
        for member in self.members.values():
            if member.state is CONNECTED:
                member.write = write

    def expired(self) -> None:
        """Close a session that was too long without a namespace."""
        if not self.connected:
            self.session.close("connect timeout", code=COME_BACK)

    def closed(self, reason: str) -> None:
        """Take leave of every namespace, after the step that is under way."""
        members = list(self.members.values())
        for member in members:
            member.write = drop
        if self._inbox is None:
            self.server.eio.spawn(self._leave(reason))
        else:
            self._inbox.clear()
            self._inbox.append(reason)

    def drain(self) -> None:
        """Close the session once it has nothing to answer."""
        if self._in_flight == 0 and self._inbox is None:
            self.session.close("server shutdown", code=COME_BACK, flush=True)

    # Packets

    def _process(self, data: str | bytes) -> Step | None:
        """Handle one message; return what has to be awaited before the next. Raises ProtocolError."""
        if self._held is None and type(data) is str:
            packet = packets.decode(
                data, self._options.max_attachments, self._options.max_depth, self._options.twice
            )
        else:
            packet = self._attach(data, self._held)
        kind, namespace, identifier, content, attachments = packet
        if attachments:
            self._held = packet
            return None
        if kind == packets.CONNECT:
            return self._connect(namespace, content)
        member = self.members.get(namespace)
        if member is None:
            raise ProtocolError("packet for a namespace that is not connected")
        if member.state is not CONNECTED:
            return None  # it was disconnected by us; what was still on its way is dropped
        if kind == packets.EVENT:
            return self._event(member, identifier, content, 1 if len(data) < SMALL else _weight(data))
        if kind == packets.ACK:
            step: Step | None = self.server.manager.take_ack(member, identifier, content)
            return step
        return self._disconnect(member)

    def _attach(self, data: str | bytes, held: Packet | None) -> Packet:
        """Add an attachment to the packet that waits for it; return the packet, whole if none is missing."""
        if held is None:
            raise ProtocolError("attachment without a packet")
        if type(data) is not bytes:
            raise ProtocolError("packet where an attachment is due")
        self._attachments.append(data)
        if sum(map(len, self._attachments)) > self._options.max_message:
            raise ProtocolError("attachments too big")
        if len(self._attachments) < held.attachments:
            return held
        attachments, self._attachments, self._held = self._attachments, [], None
        return packets.with_attachments(held, attachments)

    def _event(self, member: Member, identifier: int | None, content: list[Any], weight: int) -> Step | None:
        name, *args = content
        dispatcher = self.server.dispatcher
        if dispatcher is None or member.namespace != "/":
            return self.server.handle_event(member, identifier, name, args)
        weight += self.server.weights.get(name, 0)
        self._in_flight += weight
        ack = Ack(member, identifier, weight)
        try:
            result = dispatcher(member.sid, name, args, ack)
        except Exception:
            logger.exception("dispatcher failed")
            ack.release()
            return None
        if result is not None:
            self.server.eio.spawn(self._finish(result, ack))
        # Not before: one that is answered at once would have the next packet handed over from within this
        # call, and so each after it, as deep as there are packets.
        if self._in_flight >= self._limit:
            self.session.pause()
        elif self._unseen > self.server.unseen:
            self._unseen = 0
            if self._piles_up():
                self.session.pause()
                self._balance()
        return None

    async def _finish(self, result: Awaitable[object], ack: Ack) -> None:
        try:
            await result
        except Exception:
            logger.exception("dispatched event failed")
        finally:
            ack.release()

    def finished(self, weight: int, answer: int = 0) -> None:
        """Count one event of the dispatcher as done, and the bytes of its answer."""
        self._in_flight -= weight
        self._unseen += answer
        if self.session.state is DRAINING:
            self.drain()
        elif self._in_flight < self._limit and self.session.paused:
            self._balance()

    def _balance(self) -> None:
        if self._in_flight >= self._limit or (self._inbox is not None and len(self._inbox) >= self._limit):
            return
        if not self._piles_up():
            self.session.resume()
        elif self.session.state is not ENDED and not self._looks:
            self._looks = True
            self.session.engine.loop.call_later(LOOK_S, self._look)

    def _piles_up(self) -> bool:
        """Whether answers wait that the client could take: some do not poll until their POST is answered."""
        return self.session.transport.backlog > self._answers and self.session.post is None

    def _look(self) -> None:
        self._looks = False
        if self.session.paused:
            self._balance()

    # Namespaces

    async def _connect(self, namespace: str, auth: Any) -> None:
        """Answer a CONNECT."""
        member = self.members.get(namespace)
        if member is not None and member.state is CONNECTED:
            return  # the libraries say it twice when their user does
        member, error = await self.server.connect_member(self, namespace, auth)
        if member is None:
            self._refuse(namespace, error)
            return
        if self.session.state is ENDED:
            return
        self.session.allow(math.inf)
        answer = packets.encode(packets.CONNECT, namespace, {"sid": member.sid})
        member.answer(answer)

    def _refuse(self, namespace: str, error: dict[str, Any]) -> None:
        """Answer with CONNECT_ERROR; the client may try a few times more, then the session ends.

        A session that ends says nothing of it: the libraries would stay away, and shall come back.
        """
        if self.session.is_ending:
            return
        self.session.write(packets.encode(packets.CONNECT_ERROR, namespace, error))
        if not self.connected:
            self._refused += 1
            if self._refused > self.server.options.max_refused_connects:
                self.session.close("connect refused", code=COME_BACK, flush=True)
            elif self._refused == 1:
                self.session.allow(self.server.options.connect_timeout)

    async def _disconnect(self, member: Member) -> None:
        """Let the client leave a namespace; the session stays for another, for a while."""
        del self.members[member.namespace]
        await self.server.leave_member(member, self.server.reason.CLIENT_DISCONNECT)
        if self.session.state is not ENDED and not self.connected:
            self.session.allow(self.server.options.connect_timeout)

    async def _leave(self, reason: str) -> None:
        for member in list(self.members.values()):
            await self.server.leave_member(member, reason)
        self.members.clear()
        self.server.forget_client(self)
        self.session.application = OVER

    # Steps that take time

    async def _work(self, step: Step | None) -> None:
        """Await one step after the other until nothing waits."""
        while step is not None:
            try:
                await step
            except ProtocolError as error:
                self.session.fail(error)
            except Exception:
                logger.exception("handler failed")
            step = self._next()

    def _next(self) -> Step | None:
        """Handle what waits up to the next packet that takes time; at last, be idle."""
        inbox = self._inbox
        while inbox:
            if self.session.state is ENDED:
                return self._leave(str(inbox.pop()))
            step = None
            try:
                step = self._process(inbox.popleft())
            except ProtocolError as error:
                self.session.fail(error)
            if self.session.paused:
                self._balance()
            if step is not None:
                return step
        self._inbox = None
        if self.session.state is DRAINING:
            self.drain()
        return None
