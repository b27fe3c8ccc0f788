"""`Traces` by OpenTelemetry: from an event over its commit to each delivery, at whichever process.

The spans of one message: its event (`message:send`, from arrival to ack), in it `commit` (from the writer's
queue to the answer), in that `publish`; then, here and by `hear` at other processes, `deliver` for each room
that is told. A trace has names, ids as phones have them, codes and numbers; nothing that anybody wrote. The
doorbell carries the ids of the span in its header, which other releases let be.

What phones send as `traceparent` is not believed: strangers would decide what is traced.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gochat import __version__
from gochat.contract.events import CLIENT_EVENTS, Told
from gochat.contract.ids import id_out
from gochat.core.command import A, AnyCommand, Command
from gochat.core.delta import Change, Committed
from gochat.core.errors import ChatError
from gochat.core.messages import SendMessage
from gochat.core.model import ConversationId, SessionId, UserId
from gochat.core.ports.writing import Publisher, Writer
from gochat.core.rates import OTHER
from gochat.events.cluster.seam import Doorbell, Topic
from gochat.events.sockets import Ack, Handling, Sockets, conversation_of

T = TypeVar("T")

PATH = "/v1/traces"
EXPORT_S = 5
"""How long the collector may take; what it does not take is dropped."""
NOWHERE = Context()
"""Of a span that begins a trace."""

_propagator = TraceContextTextMapPropagator()


class OpenTelemetry:
    """`Traces` that go to a collector, by OTLP over HTTP. OTEL_SERVICE_NAME and others are read by the SDK.

    Args:
        endpoint: base URL of the collector.
        ratio: of traces that are kept, of 1.
    """

    def __init__(self, endpoint: str, ratio: float) -> None:
        resource = Resource.create({"service.name": "gochat", "service.version": __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource, shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH, timeout=EXPORT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gochat", __version__)
        self._open = _Open()

    def dispatcher(self, inner: Handling) -> Handling:
        """See `Traces`."""
        return _Dispatcher(inner, self._tracer)

    def requests(self, inner: ASGIApp) -> ASGIApp:
        """See `Traces`."""
        return _Requests(inner, self._tracer)

    def writer(self, inner: Writer) -> Writer:
        """See `Traces`."""
        return _Writer(inner, self._tracer, self._open)

    def publisher(self, inner: Publisher) -> Publisher:
        """See `Traces`."""
        return _Publisher(inner, self._tracer, self._open)

    def doorbell(self, inner: Doorbell) -> Doorbell:
        """See `Traces`."""
        return _Doorbell(inner, self._tracer)

    def sockets(self, inner: Sockets) -> Sockets:
        """See `Traces`."""
        return _Sockets(inner, self._tracer)

    async def close(self) -> None:
        """Send what is left, for as long as the collector may take."""
        await asyncio.to_thread(self._provider.shutdown)


def _spans(tracer: Tracer) -> Callable[..., AbstractContextManager[Span]]:
    """What begins a span as the current one. Of an exception it keeps the fact: a text may hold anything."""
    return partial(tracer.start_as_current_span, record_exception=False)


class _Dispatcher:
    def __init__(self, inner: Handling, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    def __call__(self, sid: str, event: str, args: list[Any], ack: Ack | None) -> None:
        name = event if event in CLIENT_EVENTS else OTHER
        span = self._tracer.start_span(
            name, NOWHERE, kind=SpanKind.SERVER, attributes={"gochat.connection": sid}
        )

        def answered(answer: Mapping[str, Any]) -> None:
            if not answer["ok"]:
                error = answer["error"]
                span.set_attributes({"gochat.code": error["code"], "gochat.request_id": error["request_id"]})
                span.set_status(Status(StatusCode.ERROR, error["code"]))
            span.end()
            if ack is not None:
                ack(answer)

        with trace.use_span(span, record_exception=False):
            self._inner(sid, event, args, answered)


class _Requests:
    def __init__(self, inner: ASGIApp, tracer: Tracer) -> None:
        self._inner = inner
        self._span = _spans(tracer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:
                    span.set_status(Status(StatusCode.ERROR))
            await send(message)

        scope = {**scope, "state": {**scope.get("state", {})}}
        with self._span("request", NOWHERE, kind=SpanKind.SERVER) as span:
            try:
                await self._inner(scope, receive, told)
            finally:
                span.update_name(scope["state"].get("route", OTHER))
                span.set_attribute("gochat.request_id", scope["state"].get("request_id", ""))


class _Open:
    """The spans of commands that wait for their commit, by what a change tells of them."""

    def __init__(self) -> None:
        self._sends: dict[tuple[UserId, bytes], Span] = {}
        self._others: dict[ConversationId, list[Span]] = {}

    def add(self, command: AnyCommand, span: Span) -> None:
        """A command is about to be taken."""
        if isinstance(command, SendMessage):
            self._sends.setdefault((command.sender_id, command.client_message_id), span)
        else:
            self._others.setdefault(_conversation(command), []).append(span)

    def remove(self, command: AnyCommand, span: Span) -> None:
        """It was answered, or was not taken."""
        if isinstance(command, SendMessage):
            key = command.sender_id, command.client_message_id
            if self._sends.get(key) is span:  # else it is the same message once more
                del self._sends[key]
            return
        spans = self._others[conversation_id := _conversation(command)]
        spans.remove(span)
        if not spans:
            del self._others[conversation_id]

    def of(self, change: Change) -> list[Span]:
        """Those that may have made a change; it is the one, where there is one."""
        messages = change.delta.messages
        sends = [self._sends.get((it.sender_id, it.client_message_id)) for it in messages]
        return [it for it in sends if it is not None] or self._others.get(change.delta.conversation_id, [])


class _Writer:
    def __init__(self, inner: Writer, tracer: Tracer, waiting: _Open) -> None:
        self._inner = inner
        self._tracer = tracer
        self._open = waiting

    def submit(self, command: Command[A]) -> Awaitable[A]:
        attributes = {"gochat.command": type(command).__name__}
        if conversation_id := _conversation(command):
            attributes["gochat.conversation"] = id_out(conversation_id)
        span = self._tracer.start_span("commit", attributes=attributes)
        self._open.add(command, span)
        try:
            future = asyncio.ensure_future(self._inner.submit(command))
        except ChatError as error:
            self._end(command, span, error)
            raise
        future.add_done_callback(lambda done: self._end(command, span, _error_of(done)))
        return future

    def _end(self, command: AnyCommand, span: Span, error: BaseException | None) -> None:
        self._open.remove(command, span)
        if error is not None:
            # By the code, never by a text.
            code = error.code if isinstance(error, ChatError) else type(error).__name__
            span.set_attribute("gochat.code", code)
            span.set_status(Status(StatusCode.ERROR, code))
        span.end()


def _conversation(command: AnyCommand) -> ConversationId:
    """The one that a command is about; 0: none, or one that is not there yet."""
    conversation_id: ConversationId = getattr(command, "conversation_id", 0)
    return conversation_id


def _error_of(done: asyncio.Future[Any]) -> BaseException | None:
    return asyncio.CancelledError() if done.cancelled() else done.exception()


class _Publisher:
    def __init__(self, inner: Publisher, tracer: Tracer, waiting: _Open) -> None:
        self._inner = inner
        self._span = _spans(tracer)
        self._open = waiting

    def publish(self, committed: Committed) -> None:
        """Change by change, each within its own trace: the order is the same."""
        for change in committed.changes:
            made = self._open.of(change)
            parent = trace.set_span_in_context(made[0], NOWHERE) if made else NOWHERE
            links = [Link(it.get_span_context()) for it in made[1:]]
            place = {"gochat.conversation": id_out(change.delta.conversation_id)}
            with self._span("publish", parent, links=links, attributes=place):
                self._inner.publish(Committed(changes=(change,)))
        if committed.me:
            self._inner.publish(Committed(me=committed.me))

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        self._inner.revoked(user_id, session_id, code)


class _Doorbell:
    def __init__(self, inner: Doorbell, tracer: Tracer) -> None:
        self._inner = inner
        self._span = _spans(tracer)

    def ring(self, room: str, topic: Topic[T], news: T) -> None:
        carried: dict[str, str] = {}
        if trace.get_current_span().is_recording():
            _propagator.inject(carried)

        def pack(news: T) -> tuple[Mapping[str, Any], bytes]:
            header, payload = topic.pack(news)
            return {**header, **carried}, payload

        self._inner.ring(room, replace(topic, pack=pack) if carried else topic, news)

    def hear(self, topic: Topic[T], told: Callable[[T], None]) -> None:
        def unpack(header: Mapping[str, Any], payload: bytes) -> tuple[Context, T]:
            return _propagator.extract(header, NOWHERE), topic.unpack(header, payload)

        def heard(news: tuple[Context, T]) -> None:
            context, said = news
            if not trace.get_current_span(context).get_span_context().is_valid:
                told(said)
                return
            with self._span("hear", context, kind=SpanKind.CONSUMER, attributes={"gochat.topic": topic.name}):
                told(said)

        self._inner.hear(Topic(topic.name, _never, unpack), heard)

    def renewed(self, told: Callable[[], None]) -> None:
        self._inner.renewed(told)

    def listen(self, room: str) -> None:
        self._inner.listen(room)

    def unlisten(self, room: str) -> None:
        self._inner.unlisten(room)

    async def confirmed(self) -> None:
        await self._inner.confirmed()


def _never(news: object) -> tuple[Mapping[str, Any], bytes]:
    raise AssertionError("what is heard is not rung")


class _Sockets:
    def __init__(self, inner: Sockets, tracer: Tracer) -> None:
        self._inner = inner
        self._span = _spans(tracer)

    def enter(self, sid: str, room: str) -> None:
        self._inner.enter(sid, room)

    def leave(self, sid: str, room: str) -> None:
        self._inner.leave(sid, room)

    def members(self, room: str) -> Collection[str]:
        return self._inner.members(room)

    def broadcast(self, told: Told, room: str, skip: Collection[str] = ()) -> None:
        """A span where something is traced: who acks tells nobody else."""
        if not trace.get_current_span().is_recording():
            self._inner.broadcast(told, room, skip)
            return
        conversation_id = conversation_of(room)
        attributes: dict[str, Any] = {"gochat.event": told.event, "gochat.sockets": len(self.members(room))}
        if conversation_id is not None:
            attributes["gochat.conversation"] = id_out(conversation_id)
        with self._span("deliver", attributes=attributes):
            self._inner.broadcast(told, room, skip)

    def behind(self, room: str, size: int) -> Collection[str]:
        return self._inner.behind(room, size)

    def is_behind(self, sid: str) -> bool:
        return self._inner.is_behind(sid)

    def drain(self, sid: str) -> None:
        self._inner.drain(sid)

    def evict(self, sid: str, why: str) -> None:
        self._inner.evict(sid, why)

    def dismiss(self, sid: str) -> None:
        self._inner.dismiss(sid)
