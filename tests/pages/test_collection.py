"""The page “Collection”, driven without a browser: a run is opened, filtered, sorted and kept in the link."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.choices import chosen_model, pictures
from components.collections import comparison, wall
from components.collections.choosing import Opened
from components.collections.scatter import lay_out, read_row
from explain.collections.comparing import Asked
from explain.collections.embedding import gather_maps
from explain.collections.gathered import Gathered
from explain.collections.proving import Proof
from explain.collections.reading import PictureReader
from explain.collections.runs import FOLDER, list_runs
from explain.errors import PictureError
from explain.storage import VARIABLE
from tests.explain.collections.test_comparison import write_figures
from tests.support.collection_runs import draw_blob, write_run

COUNT = 31


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))


def list_cards(dashboard: Any) -> list[dict[str, Any]]:
    """The cards of the wall."""
    return next(
        json.loads(element.proto.json)["items"]
        for element in dashboard.test.get("bidi_component")
        if element.proto.component_name == "camscope_cards"
    )


def say(dashboard: Any) -> str:
    return " ".join(str(element.value) for element in [*dashboard.test.markdown, *dashboard.test.caption])


def test_two_runs_over_pictures_of_the_same_names_and_lengths_keep_theirs_apart(tmp_path: Path) -> None:
    """Two patients' slices as plain files of the same size are called alike, and so are the shards of their runs."""

    def encode_with(first: int) -> Callable[[int], bytes]:
        def encode(number: int) -> bytes:
            file = io.BytesIO()
            Image.fromarray(np.full((32, 48, 3), first + number, np.uint8)).save(file, "BMP")
            return file.getvalue()

        return encode

    runs = []
    for name, first, column in (("one", 10, 1), ("other", 200, 6)):

        def draw(number: int, column: int = column) -> np.ndarray:
            return draw_blob(number, column)

        table = Gathered(write_run(tmp_path / name / "run", 3, draw=draw, encode=encode_with(first)).path)
        runs.append(Opened(name, table, PictureReader(table)))
    assert runs[0].table.texts("id", range(3)) == runs[1].table.texts("id", range(3))
    rows = np.arange(2)
    for run, first, column in zip(runs, (10, 200), (1, 6), strict=True):
        grounds = wall.prepare_grounds(run, [0, 1], run.table.read_rows([0, 1]))
        for row, ground in grounds.items():
            number = int(str(run.table.read_rows([row])[0]["uri"])[:3])
            assert ground is not None and (ground.pixels == first + number).all()
        laid, _ = lay_out(run.table.digest, "grad-cam", rows.tobytes(), run, rows)
        kept = gather_maps(run.table, rows, "grad-cam")
        assert np.array_equal(laid.vectors, kept.vectors), column


@pytest.mark.usefixtures("_home")
def test_a_run_is_filtered_and_sorted_and_the_link_holds_it(tmp_path: Path, open_dashboard: Callable[..., Any]) -> None:
    write_run(tmp_path / FOLDER / "blobs", COUNT)
    dashboard = open_dashboard({}, "collection")
    assert not dashboard.test.exception and not dashboard.test.error
    assert f"**{COUNT - 1}** of {COUNT} pictures" in say(dashboard) and "Page 1 of 2" in say(dashboard)
    assert len(list_cards(dashboard)) == 24
    dashboard.test.button(key="page-on").click().run()
    assert len(list_cards(dashboard)) == COUNT - 1 - 24 and dashboard.words["page"] == "2"
    dashboard.pick("collection-right", "wrong")
    assert "**6** of 31 pictures" in say(dashboard) and "page" not in dashboard.words
    dashboard.test.selectbox(key="collection-predicted").set_value("cat").run()
    dashboard.test.selectbox(key="collection-sort").set_value("probability").run()
    titles = [card["title"] for card in list_cards(dashboard)]
    assert titles == ["000.png", "010.png", "020.png"]
    first = list_cards(dashboard)[0]
    assert first["lines"] == ["cat 100 %", "✕ labelled dog"] and first["frames"][0]["image"].startswith("data:image/")
    words = {name: dashboard.words[name] for name in ("answer", "predicted", "sorted", "collection")}
    assert words == {
        "answer": "wrong",
        "predicted": "cat",
        "sorted": "probability",
        "collection": list_runs()[0].key,
    }
    again = open_dashboard(words, "collection")
    assert [card["title"] for card in list_cards(again)] == titles
    dashboard.pick("collection-right", "failed")
    assert "No picture of the run is like that" in " ".join(element.value for element in dashboard.test.info)
    dashboard.test.selectbox(key="collection-predicted").set_value("").run()
    assert list_cards(dashboard)[0]["lines"] == ["Failed. It is broken."]


@pytest.mark.usefixtures("_home")
def test_a_path_in_the_address_is_not_opened(tmp_path: Path, open_dashboard: Callable[..., Any]) -> None:
    write_run(tmp_path / FOLDER / "blobs", 3)
    write_run(tmp_path / "elsewhere" / "secret", 3)
    dashboard = open_dashboard({"collection": str(tmp_path / "elsewhere" / "secret")}, "collection")
    assert dashboard.words["collection"] == list_runs()[0].key
    assert "secret" not in str(dashboard.test.selectbox(key="collection-run").options)


@pytest.mark.usefixtures("_home")
def test_a_picture_that_is_pressed_goes_to_compare_with_the_model_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Gathered(write_run(tmp_path / FOLDER / "blobs", 5).path)
    state: dict[str, Any] = {}
    for module in (wall, pictures, chosen_model):
        monkeypatch.setattr(module.st, "session_state", state)
    opened = Opened("key", run, PictureReader(run))
    row = next(row for row in range(5) if run.read_rows([row])[0]["uri"] == "002.png")
    wall.press(opened, row)
    (digest,) = pictures.get_tray().shown
    assert pictures.get_tray().own[digest].name == "002.png" and state[wall.OPENING]
    assert chosen_model.get_choice().request.name == "photo-cnn"
    (tmp_path / "collections" / "pictures" / "002.png").write_bytes(b"another")
    with pytest.raises(PictureError, match="has changed since the run"):
        wall.press(opened, row)


@pytest.mark.usefixtures("_home")
def test_points_and_a_lasso(tmp_path: Path, open_dashboard: Callable[..., Any]) -> None:
    write_run(tmp_path / FOLDER / "blobs", 12)
    dashboard = open_dashboard({"shown": "map-of-maps", "coloured": "correct"}, "collection")
    assert not dashboard.test.error and len(dashboard.test.get("plotly_chart")) == 1
    assert "near points have maps that are alike" in say(dashboard)
    digest = Gathered(tmp_path / FOLDER / "blobs").digest
    drawn = open_dashboard({}, "collection", {"collection-lasso": (digest, (1, 2))})
    assert "**2** of 12 pictures" in say(drawn)
    drawn.test.button(key="collection-all").click().run()
    assert "**11** of 12 pictures" in say(drawn)
    assert read_row({"customdata": 3}) == 3 and read_row({"customdata": [4]}) == 4
    assert read_row({"customdata": True}) == read_row({}) == read_row("x") == -1


@pytest.mark.usefixtures("_home")
def test_strategies_are_cards_and_one_is_tested(
    tmp_path: Path, open_dashboard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    corners = {number: (7, 7) if number % 12 == 0 else (3, 2 + number % 3) for number in range(121)}

    def draw(number: int) -> np.ndarray:
        return draw_blob(*corners[number]) + 0.05 * np.random.default_rng(number).random((8, 8)).astype(np.float32)

    write_run(tmp_path / FOLDER / "blobs", 121, draw=draw, shard=64)
    dashboard = open_dashboard({"shown": "strategies"}, "collection")
    assert not dashboard.test.error
    first = list_cards(dashboard)[0]
    assert first["title"] == "⚑ Strategy 1" and len(first["frames"]) == 4
    assert first["lines"][0].startswith("10 pictures · 8.3 % of the maps")
    proof = Proof("cat", 8, 7, 0.6, 0.01, 0.02, 3)
    monkeypatch.setattr("components.collections.strategies.prove", lambda *args: proof)
    dashboard.test.button(key="strategy-test").click().run()
    assert proof.sentence in " ".join(element.value for element in dashboard.test.warning).replace("\\", "")
    dashboard.test.button(key="strategy-pictures").click().run()
    assert "**10** of 121 pictures" in say(dashboard)


@pytest.mark.usefixtures("_home")
def test_without_a_run_the_page_says_how_to_make_one(open_dashboard: Callable[..., Any]) -> None:
    dashboard = open_dashboard({}, "collection")
    assert "There is no run yet" in " ".join(element.value for element in dashboard.test.info)
    assert "python -m explain collect" in dashboard.test.code[0].value


@pytest.mark.usefixtures("_home")
def test_methods_are_compared_over_what_is_filtered(
    tmp_path: Path, open_dashboard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / FOLDER / "blobs", COUNT)
    run = Gathered(tmp_path / FOLDER / "blobs")
    started: list[Asked] = []

    def measure(asked: Asked, tell: Callable[..., Any], cancel: Any, nice: bool) -> None:
        started.append(asked)
        for question in asked.questions:
            told = {
                id: dict.fromkeys(question.fields.names[3:], place / 9) for place, id in enumerate(asked.sample.ids)
            }
            write_figures(run, question, told)

    monkeypatch.setattr("components.collections.comparison.measure", measure)
    dashboard = open_dashboard({"shown": "comparison", "answer": "wrong", "of-pictures": "50"}, "collection")
    assert not dashboard.test.error and "**6** of 31 pictures" in say(dashboard)
    assert "0 of 6 pictures are measured" in say(dashboard)
    assert "Too little is measured" in say(dashboard)
    dashboard.test.button(key="comparison-start").click().run()
    assert all(job.wait(10) for job in comparison._list_jobs().values())
    dashboard.test.run()
    assert not dashboard.test.exception and not dashboard.test.error
    assert len(started[0].sample.ids) == 6 and started[0].sample.total == 6
    words = say(dashboard)
    assert "cannot be told apart from Centre and Random" in words and "All 6 explained pictures" in words
    assert len(dashboard.test.get("plotly_chart")) == 3
    told = dashboard.test.dataframe[0].value
    assert list(told["Map"][:3]) == ["Grad-CAM", "Centre", "Random"] and len(told) == 9
    assert dashboard.words["shown"] == "comparison" and "against" not in dashboard.words
    dashboard.test.selectbox(key="comparison-against").set_value("grad-cam").run()
    assert dashboard.words["against"] == "grad-cam"


@pytest.mark.usefixtures("_home")
def test_shares_of_regions_filter_and_sort_and_so_do_strategies(
    tmp_path: Path, open_dashboard: Callable[..., Any]
) -> None:
    def tell(number: int) -> dict[str, Any]:
        return {"grad_cam_in_left_lung": number / COUNT if number % 2 else None}

    write_run(tmp_path / FOLDER / "blobs", COUNT, tell, regions=("left lung",), marked="a")
    asked = {"within": "left lung", "within-share": ["50", "80"], "sorted": "grad_cam_in_left_lung", "rising": "1"}
    dashboard = open_dashboard(asked, "collection")
    assert not dashboard.test.exception and not dashboard.test.error
    assert "**4** of 31 pictures" in say(dashboard)  # 17 to 23, the odd ones: 31 and 80 per cent end there
    assert [card["title"] for card in list_cards(dashboard)][:2] == ["017.png", "019.png"]
    assert list_cards(dashboard)[0]["lines"][-1] == "inside left lung 0.55"
    assert dashboard.words["within"] == "left lung"
    strategies = open_dashboard({"shown": "strategies", "within": "left lung"}, "collection")
    assert strategies.test.selectbox(key="collection-region").value == "left lung"
    sizes = [int(card["lines"][0].split()[0]) for card in list_cards(strategies)]
    assert sum(sizes) == 15  # pictures that have the region, of 30
