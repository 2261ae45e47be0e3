"""From an answer of the engine to rows of panes."""

import numpy as np
import pytest

from components.maps.rows import Failure, build_rows, describe_passes
from explain.engine.explanation import PictureExplanation, Prediction
from explain.maps.heatmap import Heatmap
from explain.methods import all_methods
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture

PIXELS = np.zeros((40, 60, 3), dtype=np.uint8)
PICTURE = Picture("cat.png", PIXELS, PIXELS, "d1", ("Turned upright.",))


NO_PASS = Passes()


def heat(method: str, seconds: float = 0.0123, passes: Passes = NO_PASS, warnings: tuple[str, ...] = ()) -> Heatmap:
    return Heatmap(
        method=method,
        settings=all_methods()[method].settings(),
        layer="layer4",
        target=3,
        label="cat",
        values=np.eye(4, dtype=np.float32),
        box=Box(10.0, 0.0, 50.0, 40.0),
        seconds=seconds,
        passes=passes,
        warnings=warnings,
    )


def explained(*maps: Heatmap, prompts: tuple[Prediction, ...] = (), **unavailable: str) -> PictureExplanation:
    predictions = (Prediction(5, "dog", 0.7), Prediction(3, "cat", 0.2))
    missing = {name.replace("_", "-"): reason for name, reason in unavailable.items()}
    return PictureExplanation(PICTURE, predictions, prompts, (3,), ("cat",), ("layer4",), maps, missing)


def test_a_row_names_its_picture_class_and_what_reading_did() -> None:
    (row,) = build_rows([explained(heat("grad-cam"))], ["grad-cam"], None)
    assert (row.key, row.digest, row.label) == ("d1", "d1", "cat.png")
    assert row.detail == "Explained: cat (20%) · 60 × 40 pixels. Turned upright."


def test_columns_stand_in_the_order_asked_for_with_what_belongs_to_each_map() -> None:
    entry = explained(heat("eigen-cam", warnings=("Careful.",)), heat("grad-cam"))
    (row,) = build_rows([entry], ["grad-cam", "eigen-cam"], None)
    assert [pane.title for pane in row.panes] == ["Picture", "Grad-CAM", "Eigen-CAM"]
    assert row.panes[2].warnings == ("Careful.",)
    assert row.panes[1].box == (10.0, 0.0, 50.0, 40.0)
    assert row.panes[1].alt == "Grad-CAM for “cat” on cat.png"


def test_the_explained_class_is_the_pressed_one() -> None:
    (row,) = build_rows([explained()], [], None)
    assert [(c.label, c.chosen, c.action) for c in row.panes[0].choices] == [
        ("dog", False, "explain-class:5"),
        ("cat", True, "explain-class:3"),
    ]


@pytest.mark.parametrize(
    ("seconds", "passes", "text"),
    [
        (0.00002, Passes(), "under 0.1 ms · no pass"),
        (0.00123, Passes(), "1.2 ms · no pass"),
        (0.0457, Passes(1, 0), "46 ms · 1 pass"),
        (2.34, Passes(1, 1), "2.3 s · 2 passes"),
    ],
)
def test_time_and_passes(seconds: float, passes: Passes, text: str) -> None:
    assert describe_passes(heat("grad-cam", seconds, passes)) == text


@pytest.mark.parametrize("twin", ["photo-vit", None])
def test_a_missing_prompt_cam_offers_a_twin_where_there_is_one(twin: str | None) -> None:
    (row,) = build_rows([explained(prompt_cam="It has none.")], ["prompt-cam"], twin)
    assert row.panes[1].message == "It has none."
    assert row.panes[1].action == (("Switch to photo-vit", "switch-model:photo-vit") if twin else None)


def test_prompts_that_see_another_class_say_so() -> None:
    entry = explained(heat("prompt-cam"), prompts=(Prediction(2, "bird", 0.9),))
    (row,) = build_rows([entry], ["prompt-cam"], None)
    assert row.panes[1].warnings == ("The prompts find “bird” likeliest, the model's own head “dog”.",)


def test_a_failure_keeps_the_picture_and_says_why() -> None:
    rows = build_rows([Failure(PICTURE, "It broke."), explained(heat("grad-cam"))], ["grad-cam"], None)
    assert [pane.message for pane in rows[0].panes] == ["It broke."]
    assert rows[0].label == "cat.png"
    assert rows[1].panes[1].values is not None


def test_what_is_still_being_made_says_how_long_it_takes() -> None:
    (row,) = build_rows([explained()], ["grad-cam"], None, {"grad-cam": "Coming … about 4 s a picture"})
    assert row.panes[1].message == "Coming … about 4 s a picture"
