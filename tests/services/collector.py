"""A collector of OpenTelemetry: what servers export to it by OTLP over HTTP."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Seen(NamedTuple):
    """One span that was exported."""

    name: str
    trace: str
    id: str
    parent: str
    """The id of the span that it is in; empty: it is the first of its trace."""
    attributes: dict[str, Any]
    failed: bool


class Collector:
    """Listens on 127.0.0.1, on a port of its own."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.raw = b""
        """All that came, as it came."""
        self._news = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector._take(self.path, self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def _take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(body)
        found = [
            Seen(
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                {it.key: it.value.string_value or it.value.int_value for it in span.attributes},
                span.status.code == 2,
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._news:
            self.raw += body
            self.spans += found
            self._news.notify_all()

    def wait_for(self, condition: Callable[[list[Seen]], Any], timeout: float = 60) -> None:
        """Wait until what came is enough."""
        with self._news:
            assert self._news.wait_for(lambda: condition(self.spans), timeout), self.spans

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
