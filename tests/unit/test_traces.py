"""Traces that are off stand nowhere in the way, and those that can't be had stop the start."""

import sys
from typing import Any

import pytest

from gochat.config import ConfigError, Settings
from gochat.traces import NoTraces, Traces, open_traces

PARTS = ("dispatcher", "requests", "writer", "publisher", "doorbell", "sockets")


def test_without_a_collector_nothing_is_traced() -> None:
    traces = open_traces(Settings())
    assert isinstance(traces, NoTraces)
    assert {name for name in vars(Traces) if not name.startswith("_")} == {*PARTS, "close"}
    for name in PARTS:
        part: Any = object()
        assert getattr(traces, name)(part) is part


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gochat.traced", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"\AOTEL_EXPORTER_OTLP_ENDPOINT: opentelemetry is not installed"):
        open_traces(Settings(otel_exporter_otlp_endpoint="http://127.0.0.1:4318"))
