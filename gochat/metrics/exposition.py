"""Measures as they leave the process: a snapshot that JSON can hold, and the text that Prometheus reads.

The text is made by `prometheus-client`, of the snapshots of all workers of a server: each row carries the
label `worker`, so that one address tells of all, and nothing is added up that should not be. Format:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from gochat.core.measures import Instrument, Spread

Snapshot: TypeAlias = list[dict[str, Any]]
"""Of each instrument: `kind`, `name`, `text`, `labels`, `bounds` and `rows` (`[labels, value or list]`)."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def snapshot(measures: Iterable[Instrument]) -> Snapshot:
    """All that a process measures, as of now."""
    return [
        {
            "kind": it.kind,
            "name": it.name,
            "text": it.text,
            "labels": list(it.labels),
            "bounds": list(it.bounds) if isinstance(it, Spread) else None,
            "rows": [[list(labels), value] for labels, value in tuple(it.rows.items())],
        }
        for it in measures
    ]


def render(snapshots: Mapping[str, Snapshot]) -> bytes:
    """The text of the snapshots of some workers, by the worker's name."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(snapshots))
    text: bytes = generate_latest(registry)
    return text


class _Collected:
    """What prometheus-client calls a collector."""

    def __init__(self, snapshots: Mapping[str, Snapshot]) -> None:
        self._snapshots = snapshots

    def describe(self) -> Iterable[Any]:
        return ()

    def collect(self) -> Iterator[Any]:
        families: dict[str, Any] = {}
        for worker, instruments in sorted(self._snapshots.items()):
            for it in instruments:
                family = families.get(it["name"])
                if family is None:
                    family = families[it["name"]] = _family(it)
                for labels, value in it["rows"]:
                    _add(family, it, [*labels, worker], value)
        yield from families.values()


def _family(it: Mapping[str, Any]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    families = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    return families[it["kind"]](it["name"], it["text"], labels=[*it["labels"], "worker"])


def _add(family: Any, it: Mapping[str, Any], labels: list[str], value: Any) -> None:
    if it["kind"] != "histogram":
        family.add_metric(labels, value)
        return
    *counts, total = value
    buckets, below = [], 0
    for bound, count in zip([*map(str, it["bounds"]), "+Inf"], counts, strict=True):
        below += count
        buckets.append((bound, below))
    family.add_metric(labels, buckets, sum_value=total)
