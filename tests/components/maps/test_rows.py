"""From an answer of the engine to rows of panes."""

from dataclasses import replace

import numpy as np
import pytest

from components.browser.canvas import Row
from components.choices.caution import Caution
from components.maps.headings import describe_explained
from components.maps.rows import (
    Answered,
    Asked,
    Failure,
    Loan,
    Outcome,
    build_column_rows,
    build_rows,
    describe_passes,
    list_class_columns,
    list_layer_columns,
    list_model_columns,
)
from explain.engine.explanation import PictureExplanation, Prediction
from explain.faithfulness.unlike import SENTENCE, Unlikeness
from explain.maps.heatmap import Heatmap
from explain.methods import all_methods
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.report.sentence import write_sentence

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


def rows(
    *outcomes: Outcome,
    methods: tuple[str, ...] = (),
    usable: tuple[str, ...] | None = None,
    loans: dict[str, Loan] | None = None,
    coming: dict[str, str] | None = None,
) -> list[Row]:
    asked = Asked(methods, methods if usable is None else usable, "resnet")
    return build_rows(Answered(outcomes, loans or {}), asked, coming)


def test_a_row_names_its_picture_class_and_what_reading_did() -> None:
    (row,) = rows(explained(heat("grad-cam")), methods=("grad-cam",))
    assert (row.key, row.digest, row.label) == ("d1", "d1", "cat.png")
    assert row.detail == "Explained: cat (20 %) · resnet · layer layer4, 4×4 cells"
    assert row.notes == ("60 × 40 pixels. Turned upright.",)


def test_columns_stand_in_the_order_asked_for_with_what_belongs_to_each_map() -> None:
    entry = explained(heat("eigen-cam", warnings=("Careful.",)), heat("grad-cam"))
    (row,) = rows(entry, methods=("grad-cam", "eigen-cam"))
    assert [pane.title for pane in row.panes] == ["Picture", "Grad-CAM", "Eigen-CAM"]
    assert row.panes[2].warnings == ("Careful.",)
    assert row.panes[1].box == (10.0, 0.0, 50.0, 40.0)
    assert row.panes[1].alt == "Grad-CAM for “cat” on cat.png"


def test_the_explained_class_is_the_pressed_one() -> None:
    (row,) = rows(explained())
    assert [(c.label, c.chosen, c.action) for c in row.panes[0].choices] == [
        ("dog", False, "explain-class:5"),
        ("cat", True, "explain-class:3"),
    ]


@pytest.mark.parametrize(
    ("seconds", "passes", "own", "text"),
    [
        (0.00002, Passes(), Passes(), "under 0.1 ms · no pass"),
        (0.00123, Passes(), Passes(), "1.2 ms · no pass"),
        (0.0457, Passes(1, 0), Passes(1, 0), "46 ms · 1 pass of its own"),
        (2.34, Passes(2, 1), Passes(1, 1), "2.3 s · 2 passes of its own"),
        (0.0457, Passes(1, 1), Passes(), "46 ms"),
    ],
)
def test_time_and_passes(seconds: float, passes: Passes, own: Passes, text: str) -> None:
    made = replace(heat("grad-cam", seconds, passes), own_passes=own)
    assert describe_passes(made) == text
    assert describe_passes(replace(made, remembered=True, own_passes=Passes())) == "from memory"


def test_a_class_that_is_nearly_blank_beside_the_others_says_so_and_is_drawn_pale() -> None:
    strong, weak = heat("grad-cam"), replace(heat("grad-cam"), target=5, label="dog")
    weak = replace(weak, values=weak.values * 0.04)
    entry = replace(explained(strong, weak), targets=(3, 5), labels=("cat", "dog"))
    asked = Asked(("grad-cam",), ("grad-cam",), "resnet")
    (row,) = build_column_rows([(PICTURE, list_class_columns(entry, "resnet"))], asked)
    first, second = row.panes[1:]
    assert (first.strength, first.warnings) == (1, ())
    assert second.strength == pytest.approx(0.4)
    assert second.warnings == ("Almost blank beside the other classes: it has 4 % of their highest value. Drawn pale.",)


def test_maps_of_one_method_have_one_unit_and_are_painted_as_it_says() -> None:
    names = ["grad-cam", "integrated-gradients"]
    (row,) = rows(explained(*map(heat, names)), methods=tuple(names))
    assert [pane.unit for pane in row.panes[1:]] == names
    assert [pane.painting for pane in row.panes[1:]] == ["smooth", "fine"]


def test_what_a_model_cannot_do_has_no_pane() -> None:
    (row,) = rows(
        explained(heat("grad-cam"), prompt_cam="It has none."), methods=("grad-cam", "prompt-cam"), usable=("grad-cam",)
    )
    assert [pane.key for pane in row.panes] == ["picture", "grad-cam"]


def test_what_fails_for_now_keeps_its_pane_and_its_settings() -> None:
    (row,) = rows(explained(cf_cam="Not at this layer."), methods=("cf-cam",))
    assert (row.panes[1].message, row.panes[1].settings) == ("Not at this layer.", "settings-cf-cam")


def test_a_lent_map_names_its_model_its_class_and_what_that_model_finds_likelier() -> None:
    prompts = (Prediction(5, "dog", 0.6), Prediction(3, "cat", 0.3))
    loan = Loan("photo-vit", explained(heat("prompt-cam"), prompts=prompts))
    (row,) = rows(explained(prompt_cam="It has none."), methods=("prompt-cam",), usable=(), loans={"d1": loan})
    pane = row.panes[1]
    assert pane.origin == "from photo-vit: cat 30 %"
    assert pane.sentence.startswith("From photo-vit's prompts, for cat 30 %. ")
    assert pane.warnings == ("photo-vit's prompts find “dog” likeliest (60 %).",)
    assert pane.alt == "Prompt-CAM of photo-vit for “cat” on cat.png"


def test_prompts_that_see_another_class_say_so() -> None:
    entry = explained(heat("prompt-cam"), prompts=(Prediction(2, "bird", 0.9),))
    (row,) = rows(entry, methods=("prompt-cam",))
    assert row.panes[1].warnings == ("The prompts find “bird” likeliest, the model's own head “dog”.",)


def test_a_failure_keeps_the_picture_and_says_why() -> None:
    failed, made = rows(Failure(PICTURE, "It broke."), explained(heat("grad-cam")), methods=("grad-cam",))
    assert [pane.message for pane in failed.panes] == ["It broke."]
    assert failed.label == "cat.png"
    assert made.panes[1].values is not None


def test_what_is_still_being_made_says_how_long_it_takes() -> None:
    (row,) = rows(explained(), methods=("grad-cam",), coming={"grad-cam": "Coming … about 4 s a picture"})
    assert row.panes[1].message == "Coming … about 4 s a picture"


def test_the_heading_says_that_the_probability_is_explained_and_which_layers_are_fused() -> None:
    entry = replace(explained(heat("grad-cam")), layers=("layer3", "layer4"))
    told = describe_explained(entry, "resnet", "probability")
    assert told == "Explained: cat (20 %) · by its probability · resnet · layers layer3 + layer4, 4×4 cells"


def test_columns_that_a_model_cannot_fill_are_left_out_and_so_is_a_row_of_them() -> None:
    able = explained(heat("grad-cam"), heat("prompt-cam"), prompts=(Prediction(5, "dog", 0.6),))
    unable = explained(heat("grad-cam"), prompt_cam="It has none.")
    asked = Asked(("grad-cam", "prompt-cam"), ("grad-cam",), "resnet")
    both = build_column_rows([(PICTURE, list_model_columns({"resnet": unable, "vit": able}))], asked)
    assert [[pane.key for pane in row.panes] for row in both] == [["picture", "resnet", "vit"], ["picture", "vit"]]
    (row,) = build_column_rows([(PICTURE, list_model_columns({"resnet": unable}))], asked)
    assert row.label == "cat.png · Grad-CAM"
    assert row.panes[1].sentence == "dog 70 % · explained: cat · layer layer4, 4×4 cells"


def test_layers_and_classes_side_by_side_name_the_model_and_what_they_share() -> None:
    entry, asked = explained(heat("grad-cam")), Asked(("grad-cam",), ("grad-cam",), "resnet")
    (by_layer,) = build_column_rows([(PICTURE, list_layer_columns(entry, "resnet"))], asked)
    (by_class,) = build_column_rows([(PICTURE, list_class_columns(entry, "resnet"))], asked)
    sentence = all_methods()["grad-cam"].sentence
    assert by_layer.detail == f"Explained: cat (20 %) · resnet · {sentence}"
    assert by_class.detail == f"resnet · layer layer4, 4×4 cells · {sentence}"


def test_a_picture_measured_to_be_unlike_is_met_with_the_sentence_unless_its_kind_says_more() -> None:
    unlike = Unlikeness(3.0, tuple(float(score) for score in range(3)), 2.0)
    entry = replace(explained(heat("grad-cam")), unlike=unlike, caution=unlike.sentence)
    (row,) = rows(entry)
    assert row.caution == SENTENCE and row.remedy == ("Load your model", "caution:")
    assert row.measured is not None
    known = {PICTURE.digest: Caution("A drawing.", "birds-vit")}
    (row,) = build_rows(Answered((entry,)), Asked(("grad-cam",), ("grad-cam",), cautions=known))
    assert row.caution == "A drawing."
    (row,) = rows(replace(entry, unlike=replace(unlike, references=True)))
    assert row.remedy is None, "who named references has loaded a model already"
    (row,) = rows(explained(heat("grad-cam")))
    assert (row.caution, row.measured) == ("", None)


def test_a_sentence_of_what_was_measured_stands_below_the_picture() -> None:
    (row,) = rows(explained(heat("grad-cam"), heat("eigen-cam")), methods=("grad-cam", "eigen-cam"))
    assert row.sentence == write_sentence(explained(heat("grad-cam"), heat("eigen-cam"))).text
    assert row.sentence.startswith("The model says “dog” (70 %), next “cat” (20 %). Grad-CAM is high (above ")
    (failed,) = rows(Failure(PICTURE, "It could not be read."))
    assert failed.sentence == ""
