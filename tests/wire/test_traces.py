"""Traces in real processes: from an event at one over its commit to the delivery at the other."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from gochat.storage.migrate import upgrade
from tests.services.collector import Collector, Seen
from tests.services.gochat import GoChatServer
from tests.services.redis import Redis
from tests.wire.account import Account, register
from tests.wire.phone import Phone, message

SETTINGS = {
    "REPLICAS": "2",
    "JWT_SECRET": "k" * 16 + "3f9d2c81a7b64e05",
    "OTEL_TRACES_SAMPLER_ARG": "1",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
}
BODY = "only for your eyes"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def servers(
    mariadb_url: str, redis: Redis, tmp_path: Path, collector: Collector
) -> Iterator[list[GoChatServer]]:
    """Two processes that export to one collector."""
    upgrade(mariadb_url)
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis.url}
    settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    with ExitStack() as stack:
        yield [stack.enter_context(GoChatServer(tmp_path, settings)) for _ in range(2)]


def path(span: Seen, spans: list[Seen]) -> list[str]:
    """The names from the first of the trace down to a span."""
    by_id = {it.id: it for it in spans if it.trace == span.trace}
    names = [span.name]
    while span.parent:
        span = by_id[span.parent]
        names.insert(0, span.name)
    return names


async def chat(servers: list[GoChatServer], accounts: list[Account], cid: str) -> None:
    """Ann writes at the one, Ben hears it at the other; Ann edits it; then Ann writes what nobody may."""
    ann, ben = Phone("ann"), Phone("ben")
    for phone, account, server in zip((ann, ben), accounts, servers, strict=True):
        await phone.connect(server.url, account.token)
        await phone.expect_ok("sync", {})
    sent = await ann.expect_ok("message:send", message(cid, BODY))
    await ben.expect_event("message:created")
    seq = sent["message"]["seq"]
    await ann.expect_ok("message:edit", {"conversation_id": cid, "seq": seq, "body": f"{BODY} alone"})
    await ben.expect_event("message:edited")
    await ann.expect_error("message:send", message("999", BODY), "not_found")
    for phone in (ann, ben):
        await phone.close()


def test_a_message_is_followed_over_two_processes(servers: list[GoChatServer], collector: Collector) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx2.Client(base_url=it.url, timeout=30)) for it in servers]
        ann, ben = register(clients[0], "ann"), register(clients[1], "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
    cid = created["conversation"]["id"]
    asyncio.run(chat(servers, [ann, ben], cid))
    for server in servers:
        assert server.stop() == 0  # what is left is exported
    spans = collector.spans
    for event in ("message:send", "message:edit"):
        (root,) = [it for it in spans if it.name == event and not it.failed]
        paths = [path(it, spans) for it in spans if it.trace == root.trace]
        published = [event, "commit", "publish"]
        for expected in ([event], published, [*published, "deliver"], [*published, "hear", "deliver"]):
            assert expected in paths, paths
        places = {
            it.attributes["gochat.conversation"]
            for it in spans
            if it.trace == root.trace and it.name != event and it.name != "hear"
        }
        assert places == {cid}
    (refused,) = [it for it in spans if it.failed and it.name == "message:send"]
    assert refused.attributes["gochat.code"] == "not_found"
    assert "create_conversation" in {it.name for it in spans if not it.parent}
    for secret in (BODY, ann.token, "ann"):
        assert secret.encode() not in collector.raw


def test_what_is_not_chosen_is_not_traced_and_a_collector_that_is_away_costs_nothing(
    tmp_path: Path, collector: Collector
) -> None:
    settings = SETTINGS | {"REPLICAS": "1", "OTEL_TRACES_SAMPLER_ARG": "0"}
    with GoChatServer(tmp_path, settings | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as server:
        with httpx2.Client(base_url=server.url, timeout=30) as http:
            register(http, "ann")
        assert server.stop() == 0
    assert collector.spans == []
    away = SETTINGS | {"REPLICAS": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with GoChatServer(tmp_path, away) as server:
        with httpx2.Client(base_url=server.url, timeout=30) as http:
            register(http, "ben")
        assert server.stop() == 0
