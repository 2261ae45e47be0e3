"""What is counted, in Prometheus' words. Labels are closed sets: never a person, a file, a digest or a class.

`prometheus_client` is imported when the first thing is counted, or the first reader comes: no start waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, get_args

from components.server.events import Reason, log_event
from components.server.watch import read_figures
from explain import errors
from explain.engine.admission import ASKING, Class
from explain.engine.counted import SECONDS, Cache
from explain.engine.figures import Figures
from explain.free_memory import measure_free_memory

if TYPE_CHECKING:
    from prometheus_client import Metric

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
            ["class"],
            registry=self.registry,
            buckets=SECONDS,
        )
        for kind in get_args(Class):
            self.explain_seconds.labels(kind)
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
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
        from prometheus_client.utils import floatToGoString

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
        kept = GaugeMetricFamily("camscope_cache_bytes", "Bytes that the engine keeps.", labels=["kind"])
        for name, size in figures.bytes_kept.items():
            kept.add_metric([name], size)
        yield kept
        hits = CounterMetricFamily("camscope_cache", "Whether what was asked for was kept.", labels=["kind", "result"])
        for name in get_args(Cache):
            for there in (True, False):
                hits.add_metric([name, "hit" if there else "miss"], figures.hits.get((name, there), 0))
        yield hits
        yield GaugeMetricFamily(
            "camscope_device_bytes", "Bytes of the device that hold tensors.", value=figures.device_bytes
        )
        waiting = GaugeMetricFamily("camscope_queue_length", "Questions that wait.", labels=["class"])
        for kind, count in figures.waiting.items():
            waiting.add_metric([kind], count)
        yield waiting
        waits = HistogramMetricFamily("camscope_wait_seconds", "Until a question began.", labels=["class"])
        for kind, spread in figures.waits.items():
            bounds = [*map(floatToGoString, SECONDS), "+Inf"]
            waits.add_metric([kind], list(zip(bounds, accumulate(spread.counts), strict=True)), spread.total)
        yield waits
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
    with timing():
        yield
    log_event("answered", ms=round((time.perf_counter() - started) * 1000), pictures=pictures, methods=methods)


@contextmanager
def timing() -> Iterator[None]:
    """Count the time that the question at hand takes, if it is answered, by what it turned out to be."""
    started = time.perf_counter()
    yield
    ticket = ASKING.get()
    kind: Class = "look" if ticket is None else ticket.turned_out
    find_metrics().explain_seconds.labels(kind).observe(time.perf_counter() - started)
