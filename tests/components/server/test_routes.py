"""Whether a server lives and wants more people, and what it has counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from components.server import routes, watch
from components.server.metrics import count_failure, find_metrics, timing_question
from components.server.watch import watch_engine
from explain.engine.admission import ASKING, Class, Ticket
from explain.engine.counted import Spread
from explain.engine.figures import Figures
from explain.errors import PictureError
from explain.storage import PROGRAM
from tests.support.server import make_login

LISTED = re.compile(r"^\| `(camscope_\w+)` \| ([a-z, ]*?) ?\| .* \|$", re.MULTILINE)
BUSY = Figures(
    forward=7,
    backward=3,
    hits={("maps", True): 8, ("captures", False): 9},
    bytes_kept={"captures": 99, "models": 55},
    device_bytes=77,
    waiting={"look": 2, "long": 3},
    waits={"look": Spread([1, 0, 2, 0, 0, 0, 0, 0, 1], 402.5)},
    most_waiting=5,
    turned_away=4,
)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "_look", lambda: Figures())
    monkeypatch.setattr(routes, "measure_free_memory", lambda: 0.5)
    yield


def ask(path: str) -> Any:
    return TestClient(Starlette(routes=list(routes.list_routes()))).get(path, follow_redirects=False)


def test_a_server_that_waits_for_nothing_is_ready() -> None:
    assert (ask("/live").status_code, ask("/live").text) == (200, "live\n")
    ready = ask("/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "hindered_by": []})
    assert ready.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("figures", "free", "why"),
    [
        (None, 0.5, ["engine"]),
        (BUSY, 0.5, ["queue"]),
        (Figures(), 0.09, ["memory"]),
        (BUSY, 0.0, ["queue", "memory"]),
    ],
)
def test_what_hinders_it_drains_it(
    monkeypatch: pytest.MonkeyPatch, figures: Figures | None, free: float, why: list[str]
) -> None:
    watch_engine(lambda: figures)
    monkeypatch.setattr(routes, "measure_free_memory", lambda: free)
    ready = ask("/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "hindered_by": why})
    assert ask("/live").status_code == 200


def test_a_queue_below_its_limit_hinders_nothing() -> None:
    watch_engine(lambda: Figures(waiting={"look": 4}, most_waiting=5))
    assert ask("/ready").status_code == 200


def test_the_metrics_are_those_of_the_engine_and_their_labels_closed_sets() -> None:
    watch_engine(lambda: BUSY)
    text = ask("/metrics").text
    for line in (
        'camscope_passes_total{direction="forward"} 7.0',
        'camscope_passes_total{direction="backward"} 3.0',
        'camscope_cache_bytes{kind="captures"} 99.0',
        'camscope_cache_bytes{kind="models"} 55.0',
        'camscope_cache_total{kind="maps",result="hit"} 8.0',
        'camscope_cache_total{kind="maps",result="miss"} 0.0',
        'camscope_cache_total{kind="captures",result="miss"} 9.0',
        "camscope_device_bytes 77.0",
        'camscope_wait_seconds_bucket{class="look",le="0.1"} 1.0',
        'camscope_wait_seconds_bucket{class="look",le="1.0"} 3.0',
        'camscope_wait_seconds_bucket{class="look",le="300.0"} 3.0',
        'camscope_wait_seconds_bucket{class="look",le="+Inf"} 4.0',
        'camscope_wait_seconds_count{class="look"} 4.0',
        'camscope_wait_seconds_sum{class="look"} 402.5',
        'camscope_explain_seconds_count{class="batch"}',
        'camscope_queue_length{class="long"} 3.0',
        "camscope_turned_away_total 4.0",
        "camscope_engine_started 1.0",
    ):
        assert line in text, line
    labels = {
        label for family in find_metrics().registry.collect() for sample in family.samples for label in sample.labels
    }
    assert labels <= {"reason", "direction", "kind", "class", "type", "le", "result"}
    watch_engine(lambda: None)
    assert "camscope_engine_started 0.0" in ask("/metrics").text


def test_the_page_for_those_who_run_a_server_lists_every_metric_with_its_labels() -> None:
    watch_engine(lambda: BUSY)
    count_failure(PictureError("x"))
    page = (PROGRAM / ".deploy" / "README.md").read_text(encoding="utf-8")
    listed = {name: {*filter(None, labels.split(", "))} for name, labels in LISTED.findall(page)}
    found: dict[str, set[str]] = {}
    for family in find_metrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    assert listed == found


def test_the_way_to_a_provider_is_for_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "generate_login_redirect_url", lambda provider: f"/auth/login?provider={provider}")
    assert ask("/log-in?with=default").status_code == 404, "nobody logs in here"
    monkeypatch.setattr(routes, "read_login", lambda _: make_login())
    answer = ask("/log-in?with=default&to=/layers?model=a")
    assert answer.headers["location"] == "/auth/login?provider=default"
    assert "camscope_way_back=%2Flayers%3Fmodel%3Da; HttpOnly; Max-Age=600" in answer.headers["set-cookie"]
    assert "set-cookie" not in ask("/log-in?with=default&to=//evil.example").headers
    assert ask("/log-in?with=https://evil.example").status_code == 404
    assert ask("/log-in").status_code == 404


def test_failures_are_counted_by_kinds_that_are_known() -> None:
    def count(kind: str) -> float:
        return find_metrics().failures.labels(kind)._value.get()

    class Mustermann(Exception):
        pass

    before = {kind: count(kind) for kind in ("PictureError", "unexpected")}
    for error in (PictureError("mustermann.png"), ValueError("mustermann.png"), Mustermann()):
        count_failure(error)
    assert {kind: count(kind) - past for kind, past in before.items()} == {"PictureError": 1, "unexpected": 2}
    assert "ustermann" not in ask("/metrics").text


def count_answered(kind: str) -> float:
    start = f'camscope_explain_seconds_count{{class="{kind}"}} '
    return next(float(line.removeprefix(start)) for line in ask("/metrics").text.splitlines() if line.startswith(start))


@pytest.mark.parametrize(
    ("ticket", "kind"),
    [
        (None, "look"),
        (Ticket(), "touch"),
        (Ticket(turns=1, used=0.9), "look"),
        (Ticket(turns=3, used=1.1), "long"),
        (Ticket(kind="batch", turns=1, used=9.0), "batch"),
    ],
)
def test_a_question_is_counted_once_it_is_answered_by_what_it_turned_out_to_be(
    ticket: Ticket | None, kind: str
) -> None:
    before = {one: count_answered(one) for one in get_args(Class)}
    token = ASKING.set(ticket)
    try:
        with pytest.raises(ValueError), timing_question(1, 3):
            raise ValueError
        with timing_question(1, 3):
            pass
    finally:
        ASKING.reset(token)
    assert {one: count_answered(one) - before[one] for one in before} == {one: float(one == kind) for one in before}
