"""`/metrics` of real servers: one process, and several workers as one."""

import asyncio
import re
import time
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gochat.core.measures import Measures
from gochat.storage.migrate import upgrade
from tests.services.gochat import GoChatServer
from tests.services.redis import Redis
from tests.wire.account import register
from tests.wire.conftest import SETTINGS
from tests.wire.phone import Phone, message

TOKEN = "a-token-for-prometheus-alone"
ROOT = Path(__file__).resolve().parents[2]
MONITORING, OPERATIONS = ROOT / "deploy" / "monitoring", ROOT / "docs" / "operations.md"
NOT_SHOWN = {"gochat_garbage_objects", "gochat_worker_deaths_total"}
"""What no panel shows."""
Samples = dict[str, list[tuple[dict[str, str], float]]]


def read(url: str, path: str = "/metrics", token: str | None = TOKEN) -> Samples:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = httpx2.get(url + path, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(value for given, value in samples.get(name, []) if labels.items() <= given.items())


def names(file: Path) -> set[str]:
    """The metrics that a file names."""
    found = set(re.findall(r"\bgochat_[a-z_]+\b", file.read_text()))
    return {re.sub(r"(_seconds|_commands)_(bucket|count|sum)$", r"\1", name) for name in found}


def own_port(server: GoChatServer) -> str:
    """The address of METRICS_PORT=0, from the log."""
    (line,) = (line for line in server.process.log.splitlines() if "/metrics" in line)
    return "http://" + line.partition("http://")[2].partition("/metrics")[0]


async def chat(url: str, token: str, cid: str, times: int) -> None:
    phone = Phone("ann")
    await phone.connect(url, token)
    # Answered when the socket hears the conversation.
    await phone.expect_ok("conversation:join", {"conversation_id": cid})
    for _ in range(times):
        await phone.expect_ok("message:send", message(cid, "x"))
    await phone.expect_error("message:send", message("0" * 16, "x"), "not_found")
    await phone.client.emit("nonsense", {})
    await phone.expect_ok("sync", {})
    await phone.close()


def test_what_happened_is_counted(tmp_path: Path) -> None:
    settings = SETTINGS | {"METRICS_TOKEN": TOKEN, "METRICS_PORT": "0"}
    with GoChatServer(tmp_path, settings) as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        ann = register(http, "ann")
        cid = ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"]
        asyncio.run(chat(server.url, ann.token, cid, 5))
        http.post("/api/v1/auth/login", json={"username": "ann", "password": "wrong password"})
        for found in (read(server.url), read(own_port(server), token=None)):
            assert total(found, "gochat_event_seconds_count", event="message:send", result="ok") == 5
            assert total(found, "gochat_event_seconds_count", event="message:send", result="not_found") == 1
            assert total(found, "gochat_event_seconds_count", result="unknown_event", event="other") == 1
            assert total(found, "gochat_batch_commands_sum") >= 6
            assert total(found, "gochat_commit_seconds_count") >= 6
            assert total(found, "gochat_deliveries_total", event="message:created") == 5
            assert total(found, "gochat_connects_total", result="ok", client="python") == 1
            assert total(found, "gochat_sessions_closed_total") == 1
            assert total(found, "gochat_connections") == 0
            assert total(found, "gochat_auth_total", act="register", result="ok") == 1
            assert total(found, "gochat_auth_total", act="login", result="invalid_credentials") == 1
            assert total(found, "gochat_request_seconds_count", route="register", status="200") == 1
            assert total(found, "gochat_read_pool", what="size") == 8
            assert total(found, "gochat_build_info") == 1
            assert total(found, "gochat_memory_bytes") > 1 << 20
        assert http.get("/metrics").status_code == 401
        assert http.get("/metrics", headers={"authorization": "Bearer another"}).status_code == 401
        other = httpx2.get(own_port(server) + "/", timeout=10)
        assert other.status_code == 404


def recordings(samples: Samples) -> float:
    """How often anything was recorded, at most: what counts several at once counts as so many."""
    read_when_asked = {"gochat_cpu_seconds_total"}
    counted = (
        name for name in samples if name.endswith(("_count", "_total")) and name not in read_when_asked
    )
    return sum(value for name in counted for _, value in samples[name])


def recording_s() -> float:
    """Seconds of processor time for one recording, at best."""
    measures, times = Measures(), 10_000

    def once() -> float:
        began = time.thread_time()
        for _ in range(times):
            measures.events.note(0.01, "message:send", "ok")
            measures.deliveries.add("message:created")
        return (time.thread_time() - began) / times / 2

    return min(once() for _ in range(5))


@pytest.mark.parametrize("at_once", [1, 100])
def test_recording_costs_no_hundredth_of_a_send(tmp_path: Path, at_once: int) -> None:
    with (
        GoChatServer(tmp_path, SETTINGS | {"METRICS_TOKEN": TOKEN}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        ann = register(http, "ann")
        cid = ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"]

        async def scene() -> tuple[Samples, Samples]:
            phone = Phone("ann")
            await phone.connect(server.url, ann.token)
            await phone.expect_ok("conversation:join", {"conversation_id": cid})
            before = await asyncio.to_thread(read, server.url)
            for _ in range(400 // at_once):
                sends = (phone.expect_ok("message:send", message(cid, "x")) for _ in range(at_once))
                await asyncio.gather(*sends)
            after = await asyncio.to_thread(read, server.url)
            await phone.close()
            return before, after

        before, after = asyncio.run(scene())
        recorded = recordings(after) - recordings(before)
        took_s = total(after, "gochat_cpu_seconds_total") - total(before, "gochat_cpu_seconds_total")
        assert recorded > 400
        assert recorded * recording_s() < took_s / 100


def test_without_a_token_there_is_no_such_path(tmp_path: Path) -> None:
    with GoChatServer(tmp_path, SETTINGS) as server:
        assert httpx2.get(f"{server.url}/metrics", timeout=10).status_code == 404


@pytest.mark.parametrize("where", ["own port", "token"])
def test_workers_are_read_as_one(tmp_path: Path, mariadb_url: str, redis: Redis, where: str) -> None:
    upgrade(mariadb_url)
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis.url, "WORKERS": "2"}
    settings |= {"METRICS_PORT": "0"} if where == "own port" else {"METRICS_TOKEN": TOKEN}
    with GoChatServer(tmp_path, settings) as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        ann = register(http, "ann")
        cid = ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"]
        for _ in range(4):
            asyncio.run(chat(server.url, ann.token, cid, 2))
        # Each worker is there once both have started to listen.
        server.process.wait_until(lambda: server.process.log.count("listening") == 2, timeout=30)
        for _ in range(300):
            found = read(own_port(server), token=None) if where == "own port" else read(server.url)
            if total(found, "gochat_doorbell_up") == 2:  # each connects to Redis beside what else it begins
                break
            time.sleep(0.1)
        assert {labels["worker"] for labels, _ in found["gochat_build_info"]} == {"0", "1"}
        assert total(found, "gochat_event_seconds_count", event="message:send", result="ok") == 8
        assert total(found, "gochat_doorbell_up") == 2
        if where == "own port":
            text = httpx2.get(own_port(server) + "/metrics", timeout=30).text
            families = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
            for file in (MONITORING / "alerts.yml", MONITORING / "dashboard.json"):
                assert names(file) <= families, file.name
            assert names(MONITORING / "dashboard.json") >= families - NOT_SHOWN
            assert names(OPERATIONS) == families
