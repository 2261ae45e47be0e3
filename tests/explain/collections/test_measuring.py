"""Measures of a run's maps: equal to those of the maps as they are drawn, written once whatever stops them."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from explain.bundled.pictures import bundled_pictures
from explain.collections import measuring, worker
from explain.collections.comparing import Asked, ask_comparison, measure
from explain.collections.gathered import Gathered
from explain.collections.measured import count_measured, plan, read_measured
from explain.collections.measuring import Measurer, measure_on, measure_shard
from explain.collections.measuring_question import ENERGY, POINTING, name_measure
from explain.collections.pace import Pace
from explain.collections.question import Order
from explain.collections.run import _Run
from explain.collections.shard import DIED
from explain.datasets.regions import read_regions
from explain.engine.engine import Engine
from explain.errors import Cancelled, ExplainError
from explain.models.request import parse_model
from explain.pictures.decode import decode
from tests.support.collection_runs import draw_blob, list_digests, write_run

MEASURES = ("insertion", "deletion")
METHODS = ("grad-cam", "guided-backpropagation")


def measure_here(
    asked: Asked, cancel: threading.Event | None = None, tell: Callable[[Pace], None] = lambda pace: None
) -> list[str]:
    """What the process does, in this one: it has torch loaded already. What it said, by the events."""
    said: list[str] = []
    run = _Run(asked.order, tell, cancel or threading.Event())

    def say(event: str, **told: Any) -> None:
        said.append(event)
        getattr(run, f"_hear_{event}")(**told)

    measure_on(asked.order, say, cancel or threading.Event())
    return [event for event in said if event != "far"]  # said now and then


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    """Three pictures, explained by a bundled network: maps that are kept as they are, and maps that are too fine."""
    folder = tmp_path_factory.mktemp("measuring")
    (folder / "pictures").mkdir()
    for number, picture in enumerate(bundled_pictures()[:3]):
        (folder / "pictures" / f"{number}.jpg").write_bytes(picture.path.read_bytes())
    order = Order(
        source=folder / "pictures",
        out=folder / "run",
        model=parse_model("photo-cnn"),
        methods=METHODS,
    )
    worker.work_on(order, lambda event, **told: None, threading.Event())
    return Gathered(folder / "run")


def test_kept_maps_measure_as_those_that_are_drawn(run: Gathered) -> None:
    asked = ask_comparison(run, MEASURES, limit=2, shard=1)
    (question,) = asked.questions
    assert measure_here(asked) == ["loading", "ready", "at", "written", "at", "written", "done"]
    table = read_measured(run.folder, question)
    assert table["id"].to_pylist() and set(table["id"].to_pylist()) == set(asked.sample.ids)
    engine = Engine()
    loaded = engine.load(run.manifest.model)
    for told in table.to_pylist():
        uri = run.read_rows([run.texts("id", range(len(run))).index(told["id"])])[0]["uri"]
        picture = decode((Path(run.manifest.path or "") / str(uri)).read_bytes(), "x")
        entry = engine.explain(picture, loaded, METHODS).pictures[0]
        maps = {one.method: one.values for one in entry.maps}
        rows = engine.measure_maps(picture, loaded, maps, entry.targets[0], MEASURES)
        assert max(maps["guided-backpropagation"].shape) > 32 > max(maps["grad-cam"].shape)
        for row in rows:
            name = {"random blobs": "random"}.get(row.name, row.name)
            for figure in MEASURES:
                assert told[name_measure(name, figure)] == pytest.approx(row.figures[figure], abs=5e-3), (
                    name,
                    measure,
                )
    assert measure_here(asked) == ["loading", "ready", "done"]  # nothing is measured twice


def test_what_was_stopped_goes_on_to_the_same_files(run: Gathered) -> None:
    asked = ask_comparison(run, ("average drop",), shard=1)
    cancel, (question,) = threading.Event(), asked.questions
    with pytest.raises(Cancelled):
        measure_here(asked, cancel, lambda pace: cancel.set() if pace.done else None)
    assert count_measured(run.folder, asked.questions, asked.sample.ids) == 1
    assert len(plan(run.folder, question, asked.sample.ids, 1)) == 2
    measure_here(asked)
    stopped = list_digests(run.folder.path, f"{question.kind}-*")
    ids = [id for file in run.folder.path.glob(f"{question.kind}-*") for id in pq.read_table(file)["id"].to_pylist()]
    assert sorted(ids) == sorted(asked.sample.ids) and len(stopped) == 3
    for file in run.folder.path.glob(f"{question.kind}-*"):
        file.unlink()
    measure_here(asked)
    assert list_digests(run.folder.path, f"{question.kind}-*") == stopped
    assert "average drop" in (run.folder.path / f"{question.kind}.json").read_text()


def test_pointing_and_energy_as_written_out(tmp_path: Path) -> None:
    # Maps of 8 × 8 cells over the middle 32 pixels of 48: a cell is 4 pixels, the map begins at the 8th.
    def draw(number: int) -> np.ndarray:
        return draw_blob(2, number % 8) if number else np.zeros((8, 8), np.float32)

    def tell(number: int) -> dict[str, object]:
        peak = {"grad_cam_peak_x": (8 + 4 * (number % 8) + 2) / 48, "grad_cam_peak_y": 10 / 32}
        return {**(peak if number else {}), "target": "cat"}

    write_run(tmp_path / "run", 6, tell, draw)
    run = Gathered(tmp_path / "run")
    marked = read_regions(
        b"file,label,left,top,right,bottom\n000.png,cat,8,8,16,16\n001.png,cat,8,8,16,16\n002.png,cat,0,8,12,16\n"
        b"002.png,dog,0,0,48,32\n003.png,cat,0,0,7,32\n004.png,dog,8,8,16,16\n",
        "boxes.csv",
    )
    asked = ask_comparison(run, (), marked)
    (question,) = asked.questions
    assert question.by_class and question.measures == (POINTING, ENERGY)
    measure_here(asked)
    uris = dict(zip(run.texts("id", range(6)), run.texts("uri", range(6)), strict=True))
    found = {uris[told["id"]]: told for told in read_measured(run.folder, question).to_pylist()}
    assert found["003.png"]["error"] == "Its region lies outside of what the model saw."
    assert found["004.png"]["error"] == "It has no region of the explained class."
    assert (
        found["000.png"]["grad_cam_pointing"] is None and found["000.png"]["random_energy"] is not None
    )  # a blank map
    for name, column, region in (("001.png", 1, (8, 16)), ("002.png", 2, (8, 12))):
        told = found[name]
        x = 8 + 4 * column + 2
        assert told["grad_cam_pointing"] == float(region[0] <= x < region[1])
        share = (region[1] - region[0]) * 8 / (32 * 32)
        assert told["random_pointing"] == told["random_energy"] == pytest.approx(share)
        assert told["centre_pointing"] == 0.0
        smooth = cv2.resize(draw(column) * 2, (32, 32), interpolation=cv2.INTER_LINEAR)  # as maps are drawn out
        energy = smooth[8:16, region[0] - 8 : region[1] - 8].sum() / smooth.sum()
        assert told["grad_cam_energy"] == pytest.approx(energy, abs=2e-3)
        assert 0 < told["centre_energy"] < 1
    near = ask_comparison(run, (), marked, tolerance=7)
    measure_here(near)
    found = {uris[told["id"]]: told for told in read_measured(run.folder, near.questions[0]).to_pylist()}
    assert found["002.png"]["grad_cam_pointing"] == 1.0  # its pixel, the 18th, is 7 from the region's last
    assert found["002.png"]["random_pointing"] > found["002.png"]["random_energy"]
    with pytest.raises(ExplainError, match="None of the pictures has a region in this file"):
        ask_comparison(run, (), read_regions(b"file,x,y,w,h\nz.png,1,1,1,1\n", "x"))
    with pytest.raises(ExplainError, match="cannot point -1 pixels beside"):
        ask_comparison(run, (), marked, tolerance=-1)


@pytest.mark.slow
def test_a_killed_process_is_followed_by_another(tmp_path: Path) -> None:
    write_run(tmp_path / "run", 40, lambda number: {"grad_cam_peak_x": 0.5, "grad_cam_peak_y": 0.5})
    run = Gathered(tmp_path / "run")
    boxes = "file,left,top,right,bottom\n" + "".join(f"{number:03}.png,9,1,30,20\n" for number in range(40))
    asked = ask_comparison(run, (), read_regions(boxes.encode(), "x"), shard=1)
    killed: list[int] = []

    def tell(pace: Pace) -> None:
        if pace.done >= 3 and not killed:
            killed.append(int(run.folder.lock.read_text()))
            os.kill(killed[0], signal.SIGKILL)

    outcome = measure(asked, tell)
    assert outcome is not None and killed and outcome.total == 39
    ids = read_measured(run.folder, asked.questions[0])["id"].to_pylist()
    assert sorted(ids) == sorted(asked.sample.ids)
    assert measure(asked).fresh == 0  # type: ignore[union-attr]


def test_a_picture_that_cannot_be_measured_is_listed(run: Gathered, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask_comparison(run, ("deletion",))
    (question,), ids = asked.questions, asked.sample.ids
    work = Measurer(run, asked.order)
    monkeypatch.setattr(work.source, "read", lambda item: b"another")
    told: list[str] = []
    rows = measure_shard(work, question, [*ids, "gone"], frozenset(ids[:1]), told.append).to_pylist()
    assert rows[0]["error"] == DIED and "has changed since the run" in rows[1]["error"]
    assert rows[3]["error"] == "It is not in the collection any more." and told == [*ids, "gone"]
    monkeypatch.setattr(measuring, "_measure_hidden", lambda *args: 1 / 0)
    assert measure_shard(work, question, ids).to_pylist()[0]["error"] == "It could not be measured (ZeroDivisionError)."


def test_what_all_pictures_need_is_refused_at_once(run: Gathered, tmp_path: Path) -> None:
    write_run(tmp_path / "run", 3, marked="")
    other = Gathered(tmp_path / "run")
    asked = ask_comparison(other, ("deletion",))
    with pytest.raises(ExplainError, match="its weights are others"):
        measure_here(asked)
    with pytest.raises(ExplainError, match="There is nothing at"):
        measure_here(ask_comparison(run, ("gain",), source=tmp_path / "nowhere"))
