"""From pictures to rows: the values are the engine's own, and what cannot be explained is listed."""

import hashlib
import io
import json
import threading
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from explain.collections.question import CollectionQuestion
from explain.collections.region_finder import RegionFinder
from explain.collections.run_folder import MAPS, RESULTS, THUMBNAILS
from explain.collections.shard import DIED, GONE, Work, explain_shard, hides_name
from explain.collections.source import Item
from explain.datasets.regions import read_regions
from explain.engine.engine import Engine
from explain.errors import Cancelled
from explain.maps.agreement import rank_correlations
from explain.maps.region_share import mask_share
from explain.models.loaded import LoadedModel
from tests.support.collection_worker import make_question
from tests.support.dicom_files import make_slice, ramp, write
from tests.support.engine import build_model

METHODS = ("grad-cam", "eigen-cam")


def make_png(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


FILES = {
    "cat/1.png": make_png(1),
    "Tabby cat/2.png": make_png(2),
    "dog/broken.png": b"\x89PNG\r\n\x1a\n broken",
    "3/4.png": make_png(4),
}
ITEMS = [Item(uri, 0, len(data), uri.split("/")[0], "north") for uri, data in FILES.items()]
IDS = [item.id for item in ITEMS]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


def ask(model: LoadedModel, **changes: Any) -> CollectionQuestion:
    told: dict[str, Any] = {
        "fingerprint": model.fingerprint,
        "methods": METHODS,
        "settings": {},
        "layer": model.layers[-1].name,
    }
    return make_question(**{**told, **changes})


def make_work(engine: Engine, model: LoadedModel, **changes: Any) -> Work:
    items = {item.id: item for item in ITEMS}
    return Work(engine, model, ask(model, **changes), items, lambda item: FILES[item.uri])


@pytest.fixture(scope="module")
def tables(engine: Engine, model: LoadedModel) -> dict[str, pa.Table]:
    return explain_shard(make_work(engine, model, thumbnails="all", shard=4), [*IDS, "gone"])


def test_rows_say_what_the_engine_says(engine: Engine, model: LoadedModel, tables: dict[str, pa.Table]) -> None:
    rows = tables[RESULTS].to_pylist()
    assert [row["id"] for row in rows] == [*IDS, "gone"]
    maps = {row["id"]: row for row in tables[MAPS].to_pylist()}
    assert list(maps) == [IDS[0], IDS[1], IDS[3]]
    for number in (0, 1, 3):
        entry = engine.explain(FILES[ITEMS[number].uri], model, METHODS, ask(model).layer).pictures[0]
        row, first, second = rows[number], *entry.predictions[:2]
        assert (row["state"], row["uri"], row["group"]) == ("done", ITEMS[number].uri, "north")
        assert (row["width"], row["height"], row["digest"]) == (50, 40, entry.picture.digest)
        assert row["predicted"] == row["target"] == first.label
        assert row["margin"] == pytest.approx(first.probability - second.probability, abs=1e-6)
        assert row["top_labels"] == [one.label for one in entry.predictions]
        grad, eigen = entry.maps
        agreement = rank_correlations([grad.values, eigen.values], [grad.box, eigen.box])[0, 1]
        assert row["agreement"] == pytest.approx(agreement, abs=1e-6, nan_ok=True) or np.isnan(agreement)
        for name, heatmap in (("grad_cam", grad), ("eigen_cam", eigen)):
            assert row[f"{name}_blank"] == heatmap.blank
            kept = np.array(maps[IDS[number]][name]).reshape(maps[IDS[number]][f"{name}_rows"], -1)
            kept = kept * maps[IDS[number]][f"{name}_scale"]
            assert np.abs(kept - heatmap.values).max() <= 1e-3 * np.abs(heatmap.values).max()
            assert maps[IDS[number]][f"{name}_box"] == list(heatmap.box)


def test_right_or_wrong_is_told_by_name_or_number_where_the_model_knows_the_class(
    model: LoadedModel, tables: dict[str, pa.Table]
) -> None:
    rows = tables[RESULTS].to_pylist()
    assert rows[0]["correct"] is None  # “cat” is no class of it
    assert rows[1]["correct"] == (rows[1]["predicted"] == "tabby cat")
    assert rows[3]["correct"] == (rows[3]["predicted"] == model.labels[3])


def test_what_fails_is_listed_with_its_sentence(tables: dict[str, pa.Table]) -> None:
    rows = tables[RESULTS].to_pylist()
    assert rows[2]["state"] == "failed" and rows[2]["uri"] == "dog/broken.png"
    assert rows[2]["error"] and "broken.png" not in rows[2]["error"] and "“" not in rows[2]["error"][:1]
    assert (rows[4]["state"], rows[4]["error"], rows[4]["uri"]) == ("failed", GONE, None)


def test_batches_and_fatal_pictures(engine: Engine, model: LoadedModel, tables: dict[str, pa.Table]) -> None:
    work = make_work(engine, model, batch=3)
    work.fatal = frozenset([IDS[0]])
    told: list[str] = []
    work.tell = told.append
    rows = explain_shard(work, IDS)[RESULTS].to_pylist()
    assert rows[0]["error"] == DIED and sorted(told) == sorted(IDS)
    alone = tables[RESULTS].to_pylist()
    assert rows[1]["probability"] == pytest.approx(alone[1]["probability"], abs=1e-5)
    assert engine.bytes_kept == 0


def test_one_that_stands_in_the_way_takes_no_other_with_it(
    engine: Engine, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain = engine.explain

    def fail(pictures: list[Any], *args: Any, **kwargs: Any) -> Any:
        if any(picture.size == (40, 50) and picture.digest.startswith(bad) for picture in pictures):
            raise ZeroDivisionError
        return explain(pictures, *args, **kwargs)

    from explain.pictures.decode import decode

    bad = decode(FILES["Tabby cat/2.png"], "x").digest[:8]
    monkeypatch.setattr(engine, "explain", fail)
    rows = explain_shard(make_work(engine, model, batch=3), IDS)[RESULTS].to_pylist()
    assert [row["state"] for row in rows] == ["done", "failed", "failed", "done"]
    assert rows[1]["error"] == "It could not be explained (ZeroDivisionError)."


def test_rows_are_the_same_however_many_wait_and_are_opened_at_once(
    engine: Engine, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in (1, 2):
        work = make_work(engine, model, batch=batch, shard=4)
        calm = explain_shard(work, IDS)
        with monkeypatch.context() as patch:
            patch.setattr("explain.collections.shard.ROOM", 1)  # each batch by itself
            work.readers = 3
            assert explain_shard(work, IDS) == calm


def test_a_stopped_shard_is_not_written(engine: Engine, model: LoadedModel) -> None:
    work = make_work(engine, model)
    work.cancel = threading.Event()
    work.tell = lambda id: work.cancel.set()
    with pytest.raises(Cancelled):
        explain_shard(work, IDS)


def test_thumbnails_are_kept_where_they_are_asked(
    engine: Engine, model: LoadedModel, tables: dict[str, pa.Table]
) -> None:
    kept = tables[THUMBNAILS].to_pylist()
    assert [row["id"] for row in kept] == [IDS[0], IDS[1], IDS[3]]
    assert Image.open(io.BytesIO(kept[0]["jpeg"])).size == (50, 40)
    assert THUMBNAILS not in explain_shard(make_work(engine, model), IDS[:1])
    scan = Item("a/1.dcm", 0, 1)
    work = make_work(engine, model, thumbnails="photographs")
    work.items, work.read = {scan.id: scan}, lambda item: write(make_slice(ramp()[0]))
    made = explain_shard(work, [scan.id])
    assert made[RESULTS]["state"].to_pylist() == ["done"] and made[THUMBNAILS].num_rows == 0


def test_names_of_scans_stay_out(engine: Engine, model: LoadedModel) -> None:
    unnamed = Item("Doe^Jane/IM0001", 0, 5, "Doe^Jane", "Doe^Jane")
    named = Item("Doe^Jane/scan.png", 0, 5, "Doe^Jane", "Doe^Jane")  # a DICOM file, whatever it is called
    for item in (unnamed, named):
        work = make_work(engine, model)
        work.items, work.read = {item.id: item}, lambda item: write(make_slice(ramp()[0]))
        assert "Doe" not in str(explain_shard(work, [item.id])[RESULTS].to_pylist())
        work.question = ask(model, names="shown")
        assert explain_shard(work, [item.id])[RESULTS]["uri"].to_pylist() == [item.uri]
    assert hides_name(Item("a/brain.nii.gz", 0, 5), "auto") and not hides_name(ITEMS[0], "auto", b"\x89PNG")
    assert hides_name(ITEMS[0], "hidden")


def test_shares_of_regions_are_columns(engine: Engine, model: LoadedModel) -> None:
    marked = read_regions(b"file,label,left,top,right,bottom\n1.png,left half,0,0,25,40\n1.png,Dot,0,0,1,1\n", "x.csv")
    regions = RegionFinder(marked.names, marked.digest, marked, Counter({"1.png": 1}))
    work = make_work(engine, model, regions=marked.names, marked=marked.digest)
    work.regions = regions
    tables = explain_shard(work, IDS)
    rows = tables[RESULTS].to_pylist()
    (entry,) = engine.explain(FILES[ITEMS[0].uri], model, METHODS, ask(model).layer).pictures
    mask = np.zeros((40, 50), bool)
    mask[:, :25] = True
    for heatmap in entry.maps:
        column = f"{heatmap.method.replace('-', '_')}_in_left_half"
        assert rows[0][column] == pytest.approx(mask_share(heatmap.values, heatmap.box, mask), abs=1e-6)
        assert rows[0][column] is None or rows[0][column] > rows[0][column.replace("left_half", "dot")]
        assert rows[1][column] is None  # the file says nothing of it
    # A run without regions goes by the digest that it had before there were any.
    plain = ask(model).model_dump(mode="json")
    assert plain.pop("regions") == [] and plain.pop("marked") == ""
    assert ask(model).digest == hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    assert work.question.digest != ask(model).digest
