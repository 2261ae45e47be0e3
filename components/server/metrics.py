"""What is counted, in Prometheus' words. Labels are closed sets: never a person, a file, a digest or a class.

`prometheus_client` is imported when the first thing is counted, or the first reader comes: no start waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, get_args

from components.server.events import Reason, log_event
from components.server.watch import Figures, measure_free_memory, read_figures
from explain import errors

if TYPE_CHECKING:
    from prometheus_client import Metric

_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300)
_UNEXPECTED = "unexpected"  # the type of a failure that is none of `explain.errors`
_MEGABYTES = (0.1, 1, 3, 10, 30, 100, 300, 1000)

_lock = threading.Lock()


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

        disable_created_metrics()  # when a count began: the server's own start, for all
        self.registry = CollectorRegistry()
        self.refused = Counter("camscope_refused", "What was not let in.", ["reason"], registry=self.registry)
        for reason in get_args(Reason):
            self.refused.labels(reason)
        self.upload_bytes = Histogram(
            "camscope_upload_bytes",
            "Bytes of each upload that was taken.",
            registry=self.registry,
            buckets=[megabytes * 1e6 for megabytes in _MEGABYTES],
        )
        self.explain_seconds = Histogram(
            "camscope_explain_seconds",
            "From a question until it is answered, waiting and all.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.failures = Counter("camscope_failures", "What was refused or failed.", ["type"], registry=self.registry)
        self.sessions = Gauge("camscope_sessions", "Pages that are open.", registry=self.registry)
        self.registry.register(_Looked())

    def write(self) -> bytes:
        """All of them, as Prometheus reads them."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)


class _Looked:
    """What is looked at when somebody asks."""

    def collect(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        figures = read_figures()
        yield GaugeMetricFamily(
            "camscope_engine_started", "1 once it has, and answers.", value=float(figures is not None)
        )
        yield GaugeMetricFamily("camscope_free_memory", "Share of the memory, 0…1.", value=measure_free_memory())
        figures = figures or Figures()
        passes = CounterMetricFamily("camscope_passes", "Passes of networks.", labels=["direction"])
        passes.add_metric(["forward"], figures.forward)
        passes.add_metric(["backward"], figures.backward)
        yield passes
        kept = GaugeMetricFamily("camscope_cache_bytes", "Bytes that the engine remembers.", labels=["kind"])
        kept.add_metric(["captures"], figures.bytes_kept)
        yield kept
        waiting = GaugeMetricFamily("camscope_queue_length", "Questions that wait.", labels=["class"])
        for kind, count in figures.waiting.items():
            waiting.add_metric([kind], count)
        yield waiting
        yield CounterMetricFamily(
            "camscope_turned_away", "Questions refused or given up because of others.", value=figures.turned_away
        )


def find_metrics() -> Metrics:
    """Those of this process."""
    with _lock:  # or two who come first would count apart
        return _make_metrics()


@cache
def _make_metrics() -> Metrics:
    return Metrics()


def count_failure(error: Exception) -> None:
    """Count what was refused or failed, by its kind among `explain.errors`."""
    kind = type(error).__name__ if type(error).__module__ == errors.__name__ else _UNEXPECTED
    find_metrics().failures.labels(kind).inc()


@contextmanager
def timing_question(pictures: int, methods: int) -> Iterator[None]:
    """Count a question and the time it takes, if it is answered.

    Args:
        pictures: that are asked about.
        methods: that answer.
    """
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    find_metrics().explain_seconds.observe(seconds)
    log_event("answered", ms=round(seconds * 1000), pictures=pictures, methods=methods)
