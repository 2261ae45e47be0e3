"""Measuring maps with an engine: what it runs, and never twice, and what it says where the answer is known."""

import threading

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.engine.measuring import TITLES
from explain.errors import Cancelled, MethodError
from explain.faithfulness.measured import Measured
from explain.faithfulness.measures import MEASURES
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from tests.explain.engine.test_judging import Corner
from tests.support.engine import build_model, encode, make_picture, spend

FAST = ("grad-cam", "eigen-cam")
QUICK = ("insertion", "deletion", "gain", "average drop")


@pytest.fixture(scope="module")
def cnn() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def known(cnn: LoadedModel) -> tuple[Engine, Measured]:
    """An engine that has measured a picture once."""
    engine = Engine()
    return engine, engine.measure(make_picture(), cnn, FAST)


def test_maps_come_first_and_then_those_of_no_meaning(known: tuple[Engine, Measured]) -> None:
    _, measured = known
    assert [row.kind for row in measured.rows] == ["map"] * 2 + ["baseline"] * (len(measured.rows) - 2)
    assert [row.title for row in measured.rows][2:] == [*TITLES.values()]
    rows = {row.title: row.figures for row in measured.rows}
    # These two are found out for what is said of map and picture only.
    assert [name for name, figure in rows["Grad-CAM"].items() if np.isnan(figure)] == ["unlike", "one place"]
    assert rows["Eigen-CAM"]["other classes"] == 1 and rows["All bright"]["average drop"] == 0
    assert np.isnan(rows["Centre"]["copies"]) and np.isnan(rows["All bright"]["deletion"])
    assert abs(rows["Random blobs"]["gain"]) < 1e-6  # each with its opposite
    ends = [curve.scores[0] for curve in measured.list_curves("deletion")]
    assert ends and ends == pytest.approx([measured.whole] * len(ends), abs=1e-12)
    assert len(measured.list_curves("insertion")) == 9
    assert measured.best.sentence


def test_what_was_asked_before_is_not_run_again(known: tuple[Engine, Measured], cnn: LoadedModel) -> None:
    engine, _ = known
    assert spend(engine, lambda: engine.measure(make_picture(), cnn, FAST)) == Passes()
    # HiRes-CAM at the last layer of a network that ends in a global average is Grad-CAM: the same order of cells.
    same = spend(engine, lambda: engine.measure(make_picture(), cnn, ["cam"], measures=QUICK))
    assert same == Passes() or same.forward < 3 * 7 + 2
    eps = {"cf-cam": {"eps": 0.3}}
    engine.measure(make_picture(), cnn, ["cf-cam"], settings=eps, measures=QUICK)
    moved = {"cf-cam": {"eps": 0.300001}}
    assert spend(engine, lambda: engine.measure(make_picture(), cnn, ["cf-cam"], settings=moved, measures=QUICK)) == (
        Passes()
    )


def test_passes_are_those_of_distinct_changes(cnn: LoadedModel) -> None:
    engine = Engine()
    before = engine.passes.forward
    engine.measure(make_picture(), cnn, ["grad-cam"], measures=["deletion"])
    whole = engine.passes.forward - before
    engine.measure(make_picture(), cnn, ["grad-cam"], measures=["deletion", "aopc"])
    assert engine.passes.forward - before == whole  # the same steps
    engine.measure(make_picture(), cnn, ["grad-cam"], measures=["gain"])
    # The other order: 7 steps a row, but for chance and its opposite, which have them already; 6 rows are left.
    assert engine.passes.forward - before - whole == 6 * 7


def test_it_can_be_stopped_and_goes_on_where_it_was(cnn: LoadedModel) -> None:
    engine, stop = Engine(), threading.Event()
    seen = []

    def follow(share: float, _: str) -> None:
        seen.append(share)
        if share > 0.8:
            stop.set()

    with pytest.raises(Cancelled):
        engine.measure(make_picture(), cnn, FAST, progress=follow, cancel=stop)
    spent = engine.passes.forward
    engine.measure(make_picture(), cnn, FAST)
    again = engine.passes.forward - spent
    assert seen == sorted(seen) and 0 < again < spent


def test_what_cannot_be_is_said_in_a_sentence(cnn: LoadedModel) -> None:
    with pytest.raises(MethodError, match="no measure “beauty”"):
        Engine().measure(make_picture(), cnn, FAST, measures=["beauty"])
    with pytest.raises(MethodError):
        Engine().measure(make_picture(), cnn, ["prompt-cam"])


def test_prompts_are_measured_by_what_prompts_answer() -> None:
    vit = build_model("vit")
    measured = Engine().measure(make_picture(), vit, ["grad-cam", "prompt-cam"], measures=QUICK)
    assert len([row for row in measured.rows if row.kind == "map"]) == 2
    assert {*MEASURES} == {*measured.rows[0].figures}
    alone = Engine().measure(make_picture(), vit, ["prompt-cam"], measures=QUICK)
    assert np.isfinite(alone.rows[0].figures["deletion"])


def test_where_the_answer_is_known_the_true_map_does_better_than_chance() -> None:
    from explain.models.loaded import finish_loading
    from explain.models.request import ModelRequest
    from explain.pictures.geometry import Preprocessing

    preprocessing = Preprocessing(input_size=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3)
    request = ModelRequest(source="module", name="corner")
    corner = finish_loading(request, Corner(), None, "corner", preprocessing, ("bright corner", "rest"), ())
    pixels = np.random.default_rng(0).integers(60, 120, (32, 32, 3)).astype(np.uint8)
    pixels[:16, :16] += 100
    measured = Engine().measure(encode(pixels, "corner.png"), corner, ["hires-cam"], "light", 0, measures=QUICK)
    rows = {row.title: row.figures for row in measured.rows}
    assert rows["HiRes-CAM"]["gain"] > 0.05 > abs(rows["Random cells"]["gain"])
    assert rows["HiRes-CAM"]["deletion"] < rows["Centre"]["deletion"]


def test_kept_maps_measure_as_drawn_ones(known: tuple[Engine, Measured], cnn: LoadedModel) -> None:
    engine, measured = known
    names = [name for name, measure in MEASURES.items() if measure.of_map_alone]
    assert {"insertion", "deletion", "road", "average drop", "sparseness"} <= set(names)
    assert not {"adcc", "hiding", "copies", "other classes", "unlike"} & set(names)
    entry = engine.explain(make_picture(), cnn, FAST).pictures[0]
    maps = {heatmap.method: heatmap.values for heatmap in entry.maps}
    fresh = Engine()
    rows = fresh.measure_maps(entry.picture, cnn, maps, entry.targets[0], names)
    assert [(row.name, row.kind, row.count) for row in rows] == [
        ("grad-cam", "map", 1),
        ("eigen-cam", "map", 1),
        ("random blobs", "baseline", 2),
        ("centre", "baseline", 1),
    ]
    drawn = {row.title: row.figures for row in measured.rows}
    for row in rows:
        if row.title != TITLES["random blobs"]:  # of these the engine's own row has more
            for name in names:
                assert row.figures[name] == pytest.approx(drawn[row.title][name], abs=1e-4), (row.title, name)
    assert fresh.passes.backward == 0
    blank = fresh.measure_maps(entry.picture, cnn, {"grad-cam": np.zeros((4, 4))}, entry.targets[0], QUICK)
    assert np.isnan([*blank[0].figures.values()]).all()
    with pytest.raises(MethodError, match="“copies” cannot be measured of maps that were kept"):
        fresh.measure_maps(entry.picture, cnn, maps, 0, ["copies"])
