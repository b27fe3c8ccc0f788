"""python-socketio's server with our engine under it: the API is `AsyncServer`'s, and a little more."""

import inspect
import logging
from collections.abc import Callable, Collection
from typing import Any, Literal

import orjson
import socketio
from socketio.exceptions import ConnectionRefusedError as Rejected

from . import packets
from .client import Client, Step
from .engine import Engine
from .frames import COME_BACK
from .handshake import Request
from .manager import EngineManager
from .member import CONNECTED, LEAVING, Dispatcher, Member
from .options import EngineOptions
from .origins import OriginPolicy, Origins
from .session import Session

logger = logging.getLogger(__name__)

Failure = Literal["unknown_event", "bad_arguments", "handler_failed"]
"""`bad_arguments`: no handler could take them, or not this one."""


class EngineServer(socketio.AsyncServer):  # type: ignore[misc]
    """An asyncio Socket.IO server.

    Differences from `AsyncServer`: a client's events are handled in order; every event that asks for an ack
    gets one; `disconnect` closes the connection when no namespace is left; what is emitted to a client before
    its CONNECT is answered follows the answer.
    """

    manager: EngineManager
    eio: Engine

    def __init__(
        self,
        client_manager: EngineManager | None = None,
        *,
        cors_allowed_origins: Origins | OriginPolicy = None,
        options: EngineOptions | None = None,
        namespaces: list[str] | Literal["*"] | None = None,
    ) -> None:
        self.options = options or EngineOptions()
        self.unseen = self.options.max_backlog // 32
        """Bytes of a client's answers after which it is looked at how much waits for it."""
        room = self.options.max_backlog - self.options.max_backlog // 4 - self.unseen
        self.weights = {
            name: size * self.options.max_in_flight // room for name, size in self.options.answers.items()
        }
        """As how many more events in flight one counts by its name, since its answer may be large."""
        self.dispatcher: Dispatcher | None = None
        self._started = False
        self._origins = cors_allowed_origins
        super().__init__(
            client_manager=client_manager or EngineManager(), logger=logger, namespaces=namespaces
        )

    def _engineio_server_class(self) -> Callable[..., Engine]:
        return lambda **_: Engine(self._accept, self.options, self._origins)

    def _accept(self, session: Session, request: Request) -> Client:
        if not self._started:
            self._started = True
            self.manager.initialize()
        session.allow(self.options.connect_timeout)
        return Client(self, session, request)

    # What the application calls

    def set_dispatcher(self, dispatcher: Dispatcher | None) -> None:
        """Have every event of namespace "/" given to `dispatcher(sid, event, args, ack)`, in order.

        `args` is one `Unfit` where the client sent something that nobody can be handed.

        It returns None and sees to it that `ack` is called once, or an awaitable, which is run as a task; an
        event is in flight until its ack is called or its awaitable ends. With None, handlers run instead.
        """
        self.dispatcher = dispatcher

    async def emit(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: str | list[str] | None = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> None:
        """Emit an event: see `AsyncServer.emit`. In one process it never waits."""
        await self.manager.emit(
            event,
            data,
            namespace or "/",
            room=to or room,
            skip_sid=skip_sid,
            callback=callback,
            ignore_queue=ignore_queue,
        )

    def broadcast(
        self,
        event: str,
        payload: bytes | Any,
        room: Any,
        namespace: str = "/",
        *,
        skip: Collection[str] = (),
    ) -> int:
        """Send an event with one argument to this process's members of a room, but those to skip, at once.

        `payload` as bytes is JSON already. Returns the number of members.
        """
        encoded = payload if type(payload) is bytes else orjson.dumps(payload)
        return self.manager.broadcast(event, encoded, room, namespace, skip)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Send DISCONNECT, so that the client stays away; close the connection if no namespace is left."""
        namespace = namespace or "/"
        if not ignore_queue and not await self.manager.can_disconnect(sid, namespace):
            return  # not in this process: the manager has told the others
        member = self.manager.member(sid, namespace)
        if member is not None and member.state is CONNECTED:
            await self._dismiss(member)

    def dismiss(self, sid: str, namespace: str = "/") -> None:
        """Disconnect a client of this process, as `disconnect` does, without waiting for its handler."""
        member = self.manager.member(sid, namespace)
        if member is not None and member.state is CONNECTED:
            self.eio.spawn(self._dismiss(member))

    def _dismiss(self, member: Member) -> Step:
        """Send DISCONNECT, end a connection without other namespaces; return what is left to await."""
        member.write(packets.encode(packets.DISCONNECT, member.namespace))
        member.state = LEAVING
        leaving = self.leave_member(member, self.reason.SERVER_DISCONNECT)
        if not member.client.connected:
            member.client.session.close(self.reason.SERVER_DISCONNECT, flush=True)
        return leaving

    def evict(self, sid: str, reason: str, namespace: str = "/") -> None:
        """Close the connection of a local client without DISCONNECT: its library connects again.

        What was sent to it before still goes out.

        `reason` goes to the disconnect handler.
        """
        member = self.manager.member(sid, namespace)
        if member is not None:
            member.client.session.close(reason, code=COME_BACK, flush=True)

    def failure_ack(self, event: str, failure: Failure) -> tuple[Any, ...]:
        """Return the ack's arguments for an event that no handler answered; for subclasses to shape."""
        return ({"error": failure},)

    # What a client's session calls

    async def connect_member(
        self, client: Client, namespace: str, auth: Any
    ) -> tuple[Member | None, dict[str, Any]]:
        """Ask the connect handler; return the member, or None and the error to answer with."""
        if not (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or self.namespaces == "*"
            or namespace in self.namespaces
        ):
            return None, {"message": "Invalid namespace"}
        if client.request is not None:
            self.environ[client.session.sid] = client.request.environ()
            client.request = None
        member = Member(client, namespace, self.eio.generate_id())
        client.members[namespace] = member
        self.manager.add(member)
        error = await self._refusal(member, auth)
        if error is None:
            return member, {}
        del client.members[namespace]
        member.leave()
        await self.manager.disconnect(member.sid, namespace, ignore_queue=True)
        return None, error

    async def _refusal(self, member: Member, auth: Any) -> dict[str, Any] | None:
        """Run the connect handler; return CONNECT_ERROR's payload if it refuses."""
        environ = self.environ[member.client.session.sid]
        try:
            accepted = await self._trigger_event(
                "connect", member.namespace, member.sid, environ, auth or None
            )
        except Rejected as refusal:
            if len(refusal.args) == 1 and isinstance(refusal.args[0], dict):
                data = refusal.args[0]
                return {"message": str(data.get("message", "Connection refused")), "data": data}
            error: dict[str, Any] = refusal.error_args
            return error
        except ConnectionRefusedError:
            return {"message": "Connection refused by server"}
        except Exception:
            logger.exception("connect handler failed")
            return {"message": "Internal server error"}
        return {"message": "Connection rejected by server"} if accepted is False else None

    async def leave_member(self, member: Member, reason: str) -> None:
        """Run the disconnect handler and take the member out of its rooms, once."""
        if not member.leave():
            return
        try:
            await self._trigger_event("disconnect", member.namespace, member.sid, reason)
        except Exception:
            logger.exception("disconnect handler failed")
        finally:
            await self.manager.disconnect(member.sid, member.namespace, ignore_queue=True)

    def forget_client(self, client: Client) -> None:
        """Drop what is kept for a session that is over."""
        self.environ.pop(client.session.sid, None)

    async def handle_event(self, member: Member, identifier: int | None, event: str, args: list[Any]) -> None:
        """Run python-socketio's handler and send its answer."""
        try:
            if args and type(args[0]) is packets.Unfit:
                result: Any = self.failure_ack(event, "bad_arguments")
            else:
                result = await self._trigger_event(event, member.namespace, member.sid, *args)
        except Exception as error:
            result = self.failure_ack(event, self._failure(member, event, args, error))
        if identifier is None or member.state is not CONNECTED:
            return
        if result is self.not_handled:
            result = self.failure_ack(event, "unknown_event")
        answer = () if result is None else result if isinstance(result, tuple) else (result,)
        member.write(packets.encode(packets.ACK, member.namespace, answer, identifier))

    def _failure(self, member: Member, event: str, args: list[Any], error: Exception) -> Failure:
        """Tell a handler's own fault, logged with its traceback, from arguments it cannot take."""
        handler, given = self._get_event_handler(event, member.namespace, (member.sid, *args))
        if handler is not None and isinstance(error, TypeError):
            try:
                inspect.signature(handler).bind(*given)
            except TypeError:
                logger.info("session %s: wrong number of arguments", member.client.session.sid)
                return "bad_arguments"
        logger.error("event handler failed", exc_info=error)
        return "handler_failed"
