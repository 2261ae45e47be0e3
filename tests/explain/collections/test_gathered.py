"""A run as one table, and its rows told apart, sorted, read and laid out: beside slow loops over all rows."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from explain.collections.embedding import SIDE as POOLED
from explain.collections.embedding import gather_maps, lay_flat
from explain.collections.filtering import Filter, count_words, find_rows, order_rows
from explain.collections.gathered import Gathered
from explain.collections.reading import PictureReader
from explain.collections.run_folder import RESULTS
from explain.collections.runs import FOLDER, VARIABLE, list_runs
from explain.errors import ExplainError, PictureError
from explain.storage import VARIABLE as HOME
from tests.support.collection_runs import draw_blob, make_png, write_run

COUNT = 23


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    folder = tmp_path_factory.mktemp("collection") / "run"
    write_run(folder, COUNT)
    return Gathered(folder)


def number_of(run: Gathered, row: int) -> int:
    return int(str(run.read_rows([row])[0]["uri"])[:3])


def test_all_rows_are_there_once_and_say_what_was_written(run: Gathered) -> None:
    assert len(run) == COUNT
    assert sorted(number_of(run, row) for row in range(COUNT)) == list(range(COUNT))
    for row in range(COUNT - 1):
        number = number_of(run, row)
        if number == COUNT - 1:
            assert np.isnan(run.numbers("probability")[row])
            continue
        assert run.numbers("probability")[row] == pytest.approx(1 - number / 1000)
        codes, texts = run.codes("label")
        assert texts[codes[row]] == ("cat" if number % 2 else "dog")
        assert run.numbers("correct")[row] == (number % 5 != 0)


def test_maps_are_those_of_their_rows(run: Gathered) -> None:
    kept = run.read_maps(range(COUNT), "grad-cam")
    assert len(kept) == COUNT - 1
    for row, one in kept.items():
        assert np.abs(one.values - 2 * draw_blob(number_of(run, row) % 8, 3)).max() < 2e-3
        assert list(one.box) == [8, 0, 40, 32]
    assert list(run.read_maps([5], "grad-cam")) == [5]


def test_no_copy_of_an_earlier_run_stands_for_another_in_its_folder(tmp_path: Path) -> None:
    """Pictures that are called alike and are as long have shards of the same names."""
    first = write_run(tmp_path / "run", 3, tell=lambda _: {"predicted": "before"})
    assert Gathered(first.path).texts("predicted", [0, 1]) == ["before"] * 2
    for path in [first.manifest, *first.path.glob("*.parquet")]:
        path.unlink()
    second = write_run(tmp_path / "run", 3, tell=lambda _: {"predicted": "now"})
    assert Gathered(second.path).texts("predicted", [0, 1]) == ["now"] * 2


def test_the_copy_grows_with_the_run_and_is_made_anew_where_it_does_not_fit(tmp_path: Path) -> None:
    written = write_run(tmp_path / "run", COUNT)
    paths = written.list_files(RESULTS)
    held = [path.read_bytes() for path in paths]
    for path in paths[:2]:
        path.unlink()
    part = Gathered(written.path)
    before = {str(row["id"]): row for row in part.read_rows(range(len(part)))}
    for path, data in zip(paths[:2], held, strict=False):
        path.write_bytes(data)
    whole = Gathered(written.path)
    assert len(part) < len(whole) == COUNT and part.digest != whole.digest
    after = {str(row["id"]): row for row in whole.read_rows(range(COUNT))}
    assert {id: after[id]["uri"] for id in before} == {id: row["uri"] for id, row in before.items()}
    assert len(whole.read_maps(range(COUNT), "grad-cam")) == COUNT - 1
    left = COUNT - pq.read_metadata(paths[2]).num_rows
    paths[2].unlink()
    assert len(Gathered(written.path)) == left  # a shard that is gone takes its rows with it
    written.gathered.write_bytes(b"damaged")
    assert len(Gathered(written.path)) == left
    paths[3].write_bytes(b"damaged")
    written.gathered.unlink()
    with pytest.raises(ExplainError, match="is damaged"):
        Gathered(written.path)


@pytest.mark.parametrize("right", ["all", "right", "wrong", "failed"])
@pytest.mark.parametrize("words", [(), (("predicted", "cat"),), (("label", "dog"), ("predicted", "cat"))])
@pytest.mark.parametrize("drawn", [None, (0, 3, 4, 9, 22)])
def test_filters_are_those_of_a_loop(run: Gathered, right: str, words: tuple, drawn: tuple[int, ...] | None) -> None:
    found = find_rows(run, Filter(words, right, drawn))  # type: ignore[arg-type]
    slow = []
    for row, told in enumerate(run.read_rows(range(COUNT))):
        state = {"all": told["state"] == "done", "failed": told["state"] == "failed"}
        state |= {"right": told["correct"] is True, "wrong": told["correct"] is False}
        if state[right] and all(told[column] == text for column, text in words) and (drawn is None or row in drawn):
            slow.append(row)
    assert found.tolist() == slow


def test_a_text_that_nobody_has_means_none(run: Gathered) -> None:
    assert not len(find_rows(run, Filter((("predicted", "horse"),))))
    assert count_words(run, "predicted")["cat"] + count_words(run, "predicted")["dog"] == COUNT - 1
    assert count_words(run, "group") == {}


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("column", ["probability", "margin", "correct", ""])
def test_the_order_is_that_of_a_stable_sort_with_what_is_missing_last(
    run: Gathered, column: str, descending: bool
) -> None:
    rows = find_rows(run, Filter())
    told = run.read_rows(rows.tolist())
    known = [
        (row, one[column]) for row, one in zip(rows.tolist(), told, strict=True) if column and one[column] is not None
    ]
    slow = [row for row, _ in sorted(known, key=lambda pair: -pair[1] if descending else pair[1])]
    slow += [row for row in rows.tolist() if row not in slow]
    assert order_rows(run, rows, column, descending).tolist() == slow
    for first in (0, 6, 18):
        assert order_rows(run, rows, column, descending, first, 6).tolist() == slow[first : first + 6]


def test_pictures_are_read_where_they_lie_and_checked(tmp_path: Path) -> None:
    run = Gathered(write_run(tmp_path / "run", 6).path)
    reader, rows = PictureReader(run), {number_of(run, row): row for row in range(6)}
    assert reader.read(rows[2]) == make_png(2) and reader.open(rows[2]).size == (32, 48)
    (tmp_path / "pictures" / "002.png").write_bytes(make_png(7))
    with pytest.raises(PictureError, match="has changed since the run"):
        reader.read(rows[2])
    (tmp_path / "pictures" / "002.png").unlink()
    with pytest.raises(PictureError, match="cannot be read"):
        reader.read(rows[2])
    with pytest.raises(PictureError, match="was not kept"):
        reader.read(rows[5])  # it failed
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    with pytest.raises(PictureError, match="not where it was"):
        PictureReader(run).read(rows[1])


def test_only_runs_of_the_data_folder_and_named_ones_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert list_runs() == []
    write_run(tmp_path / "home" / FOLDER / "b", 3)
    write_run(tmp_path / "elsewhere" / "A", 3)
    (tmp_path / "home" / FOLDER / "broken").mkdir()
    (tmp_path / "home" / FOLDER / "broken" / "manifest.json").write_text("{}")
    assert [run.title for run in list_runs()] == ["b"]
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere" / "A"))
    runs = list_runs()
    assert [run.title for run in runs] == ["A", "b"] and len({run.key for run in runs}) == 2
    assert all(str(tmp_path) not in run.key for run in runs)


def test_maps_are_laid_flat_by_their_principal_components(run: Gathered) -> None:
    laid = gather_maps(run, find_rows(run, Filter()), "grad-cam")
    assert len(laid.rows) == COUNT - 1 and laid.shape == (8, 8)
    assert np.abs(laid.vectors).sum(1) == pytest.approx(1, abs=1e-5)
    flat = lay_flat(laid)
    centred = laid.vectors.astype(np.float64) - laid.vectors.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    assert np.abs(flat) == pytest.approx(np.abs(centred @ axes[:2].T), abs=1e-4)
    assert len(gather_maps(run, find_rows(run, Filter()), "grad-cam", most=7).rows) == 7
    empty = gather_maps(run, np.empty(0, np.int64), "grad-cam")
    assert len(empty.rows) == 0 and lay_flat(empty).shape == (0, 2)


def test_fine_and_blank_maps_and_other_shapes(tmp_path: Path) -> None:
    def draw(number: int) -> np.ndarray:
        shapes = {0: np.zeros((32, 32)), 1: np.ones((3, 3))}
        return shapes.get(number, np.random.default_rng(number).normal(size=(32, 32))).astype(np.float32)

    run = Gathered(write_run(tmp_path / "run", 6, draw=draw).path)
    laid = gather_maps(run, find_rows(run, Filter()), "grad-cam")
    assert laid.shape == (POOLED, POOLED)
    assert {number_of(run, row) for row in laid.rows.tolist()} == {2, 3, 4}
