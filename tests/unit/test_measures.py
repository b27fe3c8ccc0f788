"""What is counted, and how Prometheus reads it."""

from functools import partial

from prometheus_client.parser import text_string_to_metric_families

from gochat.core.measures import MOST_LABELS, Count, Measures, Spread
from gochat.metrics.exposition import render, snapshot


def read(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def labels(**given: str) -> frozenset[tuple[str, str]]:
    return frozenset(given.items())


def test_workers_stand_beside_each_other() -> None:
    snapshots = {}
    for worker, times in (("0", 2), ("1", 3)):
        measures = Measures()
        for _ in range(times):
            measures.events.note(0.002, "message:send", "ok")
        measures.limits.add("sync", n=times)
        measures.watch("gochat_level", "A level.", partial(float, times * 10))
        measures.watch("gochat_rises", "A count.", lambda: {("a",): 7.0}, "what", counted=True)
        snapshots[worker] = snapshot(measures)
    found = read(render(snapshots))
    for worker, times in (("0", 2), ("1", 3)):
        sent = {"event": "message:send", "result": "ok", "worker": worker}
        assert found["gochat_event_seconds_count", labels(**sent)] == times
        assert found["gochat_event_seconds_bucket", labels(**sent, le="0.001")] == 0
        assert found["gochat_event_seconds_bucket", labels(**sent, le="0.0025")] == times
        assert found["gochat_event_seconds_bucket", labels(**sent, le="+Inf")] == times
        assert abs(found["gochat_event_seconds_sum", labels(**sent)] - 0.002 * times) < 1e-9
        assert found["gochat_limits_hit_total", labels(rate="sync", worker=worker)] == times
        assert found["gochat_level", labels(worker=worker)] == times * 10
        assert found["gochat_rises_total", labels(what="a", worker=worker)] == 7


def test_a_value_at_a_bound_belongs_to_it() -> None:
    spread = Spread("s", "", bounds=(1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 2.5):
        spread.note(value)
    assert spread.rows == {(): [1, 2, 1, 7.0]}


def test_what_has_no_labels_is_there_from_the_start() -> None:
    assert [Count("c", "").rows, Count("c", "", "who").rows] == [{(): 0}, {}]
    assert [Spread("s", "", bounds=(1.0,)).rows, Spread("s", "", "who").rows] == [{(): [0, 0, 0.0]}, {}]
    assert MOST_LABELS == 1_000


def test_nobody_can_make_rows_without_end() -> None:
    count, spread = Count("c", "", "who"), Spread("s", "", "who")
    for n in range(MOST_LABELS + 50):
        count.add(str(n))
        spread.note(1.0, str(n))
    assert len(count.rows) == len(spread.rows) == MOST_LABELS + 1
    assert count.rows["other",] == 50
    assert sum(row[-1] for row in spread.rows.values()) == MOST_LABELS + 50
