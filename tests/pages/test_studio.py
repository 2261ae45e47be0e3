"""The Studio page, driven without a browser. A complete training is in tests/browser/test_studio.py."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from components.choices.pictures import read_example_digests
from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import SPECIES
from explain.datasets.dataset import DataSet
from explain.datasets.reading import read_files
from explain.engine.engine import Engine
from explain.errors import ExplainError
from explain.models.prompt_library import PromptCard, read_card
from explain.models.request import ModelRequest
from explain.training.outcome import Epoch, Report, Wrong
from explain.training.run import RunState
from explain.traits.traits import look_with_eyes_of

Open = Callable[..., Any]
TOKEN = "a" * 43
FINCHES = [species.name for species in SPECIES[:2]]


def encode(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


def draw_files(each: int = 5) -> dict[str, bytes]:
    return {
        f"{name}/{number}.png": encode(draw_bird(name, 100 * place + number, 48).pixels)
        for place, name in enumerate(FINCHES)
        for number in range(each)
    }


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@dataclass
class FakeRun:
    """A training that is where a test puts it."""

    now: ClassVar[RunState]
    pictures: ClassVar[DataSet]
    done: ClassVar[list[str]] = []
    token: str = TOKEN
    refusal: str | None = field(default=None)

    @classmethod
    def find(cls, token: str) -> FakeRun | None:
        return cls() if token == TOKEN else None

    def state(self) -> RunState:
        return self.now

    def dataset(self) -> DataSet:
        return self.pictures

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        raise ExplainError("There is no room to go on.")

    def cancel(self) -> None:
        self.done.append("cancel")

    def find_labels(self) -> tuple[str, ...]:
        return tuple(sorted(FINCHES))

    can_start_again: ClassVar[bool] = True

    def start_again(self) -> FakeRun:
        self.done.append("again")
        return self

    def delete(self) -> None:
        self.done.append("delete")


@dataclass
class FakeRunWithoutPictures(FakeRun):
    """One that was not to keep its pictures."""

    can_start_again: ClassVar[bool] = False

    def dataset(self) -> DataSet:
        raise ExplainError("The saved pictures are damaged or incomplete. Give the pictures again.")


EPOCHS = tuple(Epoch(n, 2.0 / n, 40.0 + 10 * n, 2.2 / n, 30.0 + 10 * n, 0.5, 120.0) for n in range(1, 5))
STATE = RunState("training", "garden-birds", EPOCHS, 60, 4 / 60, 28.0, "", None)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> type[FakeRun]:
    FakeRun.now, FakeRun.done = STATE, []
    FakeRun.pictures = read_files(draw_files().items(), "finches")
    monkeypatch.setattr("pages.studio_views.train.TrainingRun", FakeRun)
    monkeypatch.setattr("pages.studio_views.following.TrainingRun", FakeRun)
    monkeypatch.setattr("pages.studio_views.gallery.TrainingRun", FakeRun)
    return FakeRun


@pytest.fixture
def open_studio(open_dashboard: Open) -> Open:
    def start(**words: str | list[str]) -> Any:
        dashboard = open_dashboard(words, "studio", {"studio-species": 2, "studio-each": 10})
        assert not dashboard.test.exception
        return dashboard

    return start


def upload(dashboard: Any, start: str, *files: tuple[str, bytes]) -> None:
    field = next(entry for entry in dashboard.test.file_uploader if str(entry.key).startswith(start))
    given = [(name, data, "application/octet-stream") for name, data in files]
    field.set_value(given if len(given) > 1 or "class" in start else given[0]).run()


def press(dashboard: Any, label: str) -> None:
    next(button for button in dashboard.test.button if button.label == label).click().run()


def list_buttons(dashboard: Any) -> set[str]:
    return {button.label for button in dashboard.test.button}


def read_text(dashboard: Any) -> str:
    """Everything said in plain text."""
    return "\n".join(str(element.value) for element in [*dashboard.test.markdown, *dashboard.test.success])


# --- train


def test_one_press_away_from_a_training(open_studio: Open) -> None:
    studio = open_studio()
    assert not studio.test.error
    assert "20 pictures of 2 classes: 16 to learn from, 4 kept back." in studio.sentences
    assert "judged in 5 folds" in studio.sentences
    items = studio.component("cards", "studio-classes")["items"]
    assert sorted(item["title"] for item in items) == sorted(FINCHES)
    assert "Start training" in list_buttons(studio)
    assert "photo-vit learns here" in studio.sentences, "the model in use is a CNN, which takes no prompts"


def test_a_zip_is_read_and_what_is_skipped_is_said(open_studio: Open) -> None:
    studio = open_studio()
    studio.pick("studio-source", "zip")
    files = draw_files()
    files[f"{FINCHES[0]}/broken.png"] = b"no picture"
    files[f"{FINCHES[0]}/again.png"] = files[f"{FINCHES[0]}/0.png"]
    upload(studio, "studio-zip", ("My birds!.zip", pack(files)))
    assert not studio.test.error
    assert "10 pictures of 2 classes" in studio.sentences
    assert [entry.label for entry in studio.test.expander if "left out" in entry.label] == [
        "2 files are left out, 1 of them because the same picture is there already"
    ]
    assert studio.test.text_input(key="studio-name-zip 1").value == "my-birds"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"robin/1.png": draw_files(1)[f"{FINCHES[0]}/0.png"]}, "one class only"),
        ({"../robin/1.png": b"x", "wren/1.png": b"x"}, "points outside"),
        ({"readme.txt": b"x"}, "no pictures"),
    ],
)
def test_a_bad_zip_costs_a_sentence_and_another_may_be_given(
    open_studio: Open, files: dict[str, bytes], said: str
) -> None:
    studio = open_studio()
    studio.pick("studio-source", "zip")
    upload(studio, "studio-zip", ("birds.zip", pack(files)))
    assert said in studio.sentences
    assert "Start training" not in list_buttons(studio)
    press(studio, "Another zip")
    upload(studio, "studio-zip", ("birds.zip", pack(draw_files())))
    assert not studio.test.error
    assert "Start training" in list_buttons(studio)


def test_classes_can_be_given_one_by_one_and_taken_back(open_studio: Open) -> None:
    studio = open_studio()
    studio.pick("studio-source", "classes")
    assert "Add two classes" in studio.sentences
    press(studio, "Add this class")
    assert "Give the class a name first" in studio.sentences
    for place, name in enumerate(FINCHES):
        files = [(path, data) for path, data in draw_files().items() if path.startswith(name)]
        upload(studio, "studio-class-files", *files)
        studio.test.text_input(key=f"studio-class-{place}").set_value(name)
        press(studio, "Add this class")
    assert not studio.test.error
    assert "10 pictures of 2 classes" in studio.sentences
    studio.test.button(key="studio-class-remove-0").click().run()
    assert "Add a second class" in studio.sentences


def test_a_name_that_cannot_be_costs_a_sentence_and_nothing_else(open_studio: Open) -> None:
    studio = open_studio()
    key = "studio-name-birds 2 10"
    studio.test.text_input(key=key).set_value("../../etc")
    press(studio, "Start training")
    assert "lower-case letters" in studio.sentences
    assert studio.test.text_input(key=key).value == "../../etc"
    assert "run" not in studio.words


def test_settings_are_those_declared_and_can_be_set_back(open_studio: Open) -> None:
    studio = open_studio()
    chosen = studio.test.number_input(key="recipe.epochs").value
    studio.test.number_input(key="recipe.epochs").set_value(7).run()
    assert "up to 7 epochs" in studio.sentences
    studio.test.button(key="recipe-again").click().run()
    assert studio.test.number_input(key="recipe.epochs").value == chosen


def test_a_training_is_followed_and_steered(open_studio: Open, run: type[FakeRun]) -> None:
    studio = open_studio(run=TOKEN)
    assert not studio.test.error
    assert studio.words["run"] == TOKEN
    assert {"Pause", "Cancel"} <= list_buttons(studio)
    press(studio, "Pause")
    press(studio, "Cancel")
    assert run.done == ["pause", "cancel"]


@pytest.mark.parametrize(
    ("phase", "message", "said", "buttons"),
    [
        ("preparing", "Loading the ViT", "goes on without this page", {"Pause", "Cancel"}),
        ("paused", "", "goes on without this page", {"Resume", "Cancel"}),
        ("interrupted", "", "ended after epoch 4", {"Resume", "Cancel", "Train something else"}),
        ("failed", "The disk is full.", "The disk is full.", {"Train something else"}),
        ("cancelled", "", "No prompts were kept", {"Train something else"}),
    ],
)
def test_each_phase_says_what_it_is_and_what_can_be_done(
    open_studio: Open, run: type[FakeRun], phase: Any, message: str, said: str, buttons: set[str]
) -> None:
    run.now = replace(STATE, phase=phase, message=message)
    studio = open_studio(run=TOKEN)
    assert said in studio.sentences
    steering = {"Pause", "Resume", "Cancel", "Train something else"}
    assert list_buttons(studio) & steering == buttons


def test_what_steering_refuses_is_said(open_studio: Open, run: type[FakeRun]) -> None:
    run.now = replace(STATE, phase="interrupted")
    studio = open_studio(run=TOKEN)
    press(studio, "Resume")
    assert "There is no room to go on." in studio.sentences


def test_a_training_that_is_gone_is_said_and_left(open_studio: Open, run: type[FakeRun]) -> None:
    studio = open_studio(run="b" * 43)
    assert "There is no training at this address any more" in studio.sentences
    press(studio, "Train something else")
    assert "run" not in studio.words
    assert "Start training" in list_buttons(studio)


def make_report(dataset: DataSet, confusion: tuple[tuple[int, ...], ...], **changes: Any) -> Report:
    wrong = next(example for example in dataset.examples if example.split == "val")
    hits, total = confusion[0][0] + confusion[1][1], sum(map(sum, confusion))
    report = Report(
        accuracy=100 * hits / total,
        class_accuracy=tuple(100 * row[label] / sum(row) for label, row in enumerate(confusion)),
        confusion=confusion,
        wrong=(Wrong(wrong.digest, wrong.name, wrong.label, 1 - wrong.label, 0.83),) if hits < total else (),
        best_epoch=3,
        epochs=EPOCHS,
        pictures=8,
        seconds=75.0,
        stopped_early=True,
        features_cached=True,
        manner="folds",
        folds=5,
        choosing=10,
    )
    return replace(report, **changes)


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PromptCard:
    """The prompts of the training that is over."""
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr("components.studio.training.read_card", read_kept := lambda name: KEPT)
    return read_kept("")


KEPT = PromptCard(
    name="garden-birds",
    classes=("a", "b"),
    backbone=ModelRequest(source="bundled", name="photo-vit"),
    backbone_fingerprint="",
    variant="last",
    recipe={},
    accuracy=50,
    class_accuracy=(50, 50),
    pictures=10,
    created=datetime(2026, 3, 1, tzinfo=UTC),
    digest="d1",
)


def test_few_pictures_are_no_figure(open_studio: Open, run: type[FakeRun], prompts: PromptCard) -> None:
    report = make_report(run.pictures, ((2, 0), (0, 2)))
    run.now = replace(STATE, phase="done", share=1.0, report=report)
    studio = open_studio(run=TOKEN)
    assert "4 of 4 right (95 % interval 40–100 %); too few to say." in read_text(studio)
    assert not any("%" in metric.value for metric in studio.test.metric)
    assert "5 folds" in read_text(studio)
    assert "7 of them were right then, 7 at the end of the curve" in studio.sentences, "the curve's last value"


def test_the_report_says_what_is_right_and_what_is_wrong(
    open_studio: Open, run: type[FakeRun], prompts: PromptCard
) -> None:
    report = make_report(run.pictures, ((20, 20), (0, 40)))
    wrong = report.wrong[0]
    run.now = replace(STATE, phase="done", share=1.0, report=report)
    studio = open_studio(run=TOKEN)
    assert not studio.test.error
    assert [metric.value for metric in studio.test.metric] == ["75.0 %", "3 of 4", "75 s", "120"]
    assert "75.0 % right: 60 of 80 pictures (95 % interval 64–84 %)." in read_text(studio)
    assert "stopped early" in studio.sentences
    (card,) = studio.component("cards", "wrong")["items"]
    labels = run.pictures.labels
    assert card["title"] == labels[wrong.label]
    assert card["lines"] == [f"taken for {labels[1 - wrong.label]}, 83 %", wrong.name]
    assert card["frames"][0]["image"].startswith("data:image/jpeg")
    assert {"Look through its eyes", "Use it in Compare", "Train something else"} <= list_buttons(studio)
    assert "10 pictures are kept" in studio.sentences and "14 days" in studio.sentences


def test_a_report_of_an_older_version_says_that_its_epoch_was_picked_on_the_same_pictures(
    open_studio: Open, run: type[FakeRun], prompts: PromptCard
) -> None:
    report = make_report(run.pictures, ((40, 0), (4, 36)), manner="chosen", folds=0, choosing=0)
    run.now = replace(STATE, phase="done", share=1.0, report=report)
    assert "picked on these very pictures" in read_text(open_studio(run=TOKEN))


def test_a_training_whose_prompts_are_gone_is_said_and_offered_again(
    open_studio: Open, run: type[FakeRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    run.now = replace(STATE, phase="done", share=1.0, report=make_report(run.pictures, ((2, 0), (0, 2))))
    studio = open_studio(run=TOKEN)
    assert "There are no prompts “garden-birds” on this computer." in studio.sentences
    assert not {"Look through its eyes", "Use it in Compare"} & list_buttons(studio)
    press(studio, "Train again")
    assert not studio.test.exception
    assert run.done == ["again"]


@pytest.mark.parametrize("label", ["Look through its eyes", "Use it in Compare"])
def test_prompts_that_go_while_the_page_is_open_cost_a_sentence(
    open_studio: Open, run: type[FakeRun], prompts: PromptCard, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    run.now = replace(STATE, phase="done", share=1.0, report=make_report(run.pictures, ((2, 0), (0, 2))))
    studio = open_studio(run=TOKEN)
    monkeypatch.setattr("components.studio.training.read_card", read_card)
    press(studio, label)
    assert not studio.test.exception
    assert studio.sentences.count("There are no prompts “garden-birds” on this computer.") == 1
    assert "Train again" in list_buttons(studio)


def test_other_prompts_of_the_same_name_are_not_taken_for_its_own(
    open_studio: Open, run: type[FakeRun], prompts: PromptCard
) -> None:
    report = make_report(run.pictures, ((2, 0), (0, 2)))
    run.now = replace(STATE, phase="done", share=1.0, report=report, digest="d0")
    studio = open_studio(run=TOKEN)
    assert "now are others" in studio.sentences and "Use it in Compare" not in list_buttons(studio)


def test_a_training_is_deleted_once_that_is_confirmed(
    open_studio: Open, run: type[FakeRun], prompts: PromptCard
) -> None:
    run.now = replace(STATE, phase="done", share=1.0, report=make_report(run.pictures, ((2, 0), (0, 2))))
    studio = open_studio(run=TOKEN)
    assert "The prompts “garden\\-birds” stay" in read_text(studio)
    press(studio, "Delete this training and its pictures")
    assert run.done == ["delete"] and "run" not in studio.words
    assert "The training and its pictures are deleted." in read_text(studio)


def test_a_training_that_kept_no_pictures_says_so(
    open_studio: Open, run: type[FakeRun], prompts: PromptCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.studio_views.following.TrainingRun", FakeRunWithoutPictures)
    monkeypatch.setattr("pages.studio_views.gallery.TrainingRun", FakeRunWithoutPictures)
    report = make_report(run.pictures, ((2, 0), (1, 1)), wrong=())
    run.now = replace(STATE, phase="done", share=1.0, report=report, keeps=False)
    studio = open_studio(run=TOKEN)
    assert not studio.test.error
    assert "Its pictures were not kept." in studio.sentences
    assert "1 of the 4 pictures that judged it. They were not kept to be shown." in studio.sentences
    gallery = open_studio(view="gallery", model="photo-vit", run=TOKEN, **{"class": "0:airplane"})
    assert "The training in view kept none of its pictures" in gallery.sentences


def test_what_is_kept_is_said_before_the_start_and_can_be_refused(open_studio: Open) -> None:
    studio = open_studio()
    assert "These 20 pictures are put into CAMscope's data folder" in studio.sentences
    assert "kept for 14 days" in studio.sentences
    studio.test.checkbox(key="studio-keep").set_value(False).run()
    assert "deleted as soon as it is over" in studio.sentences


def test_a_pattern_is_tried_on_the_persons_own_names(open_studio: Open) -> None:
    studio = open_studio()
    studio.pick("studio-source", "zip")
    files = {
        path.replace("/", "/bird_").replace(".png", f"_{n % 2}.png"): d
        for n, (path, d) in enumerate(draw_files().items())
    }
    upload(studio, "studio-zip", ("birds.zip", pack(files)))
    studio.test.selectbox(key="studio-together").set_value("*_GROUP_*").run()
    assert "10 pictures in 5 groups: bird\\_" in studio.sentences
    assert "Start training" in list_buttons(studio)
    studio.test.selectbox(key="studio-together").set_value("own").run()
    studio.test.text_input(key="studio-pattern").set_value("patient GROUP").run()
    assert "belongs to cannot be told" in studio.sentences
    assert "Start training" not in list_buttons(studio)
    studio.test.selectbox(key="studio-together").set_value("table").run()
    table = "\n".join(f"{path.rsplit('/', 1)[-1]},{n}" for n, path in enumerate(files))
    upload(studio, "studio-groups", ("patients.csv", table.encode()))
    assert "10 pictures in 10 groups" in studio.sentences and "Start training" in list_buttons(studio)


# --- eyes


def test_the_likeliest_class_is_looked_through_and_another_can_be_pressed(open_studio: Open, engine: Engine) -> None:
    studio = open_studio(view="eyes", model="photo-vit")
    assert not studio.test.error
    (row,) = studio.rows
    assert [pane["key"] for pane in row["panes"]] == ["picture", "trait-1", "trait-2", "trait-3", "trait-4"]
    assert row["label"] == "Through the eyes of “cat”"
    studio.test.slider(key="studio-traits").set_value(2).run()
    assert [pane["key"] for pane in studio.rows[0]["panes"]] == ["picture", "trait-1", "trait-2"]
    assert studio.words["traits"] == "2"


def test_the_maps_are_those_of_the_library(open_studio: Open, engine: Engine) -> None:
    studio = open_studio(view="eyes", model="photo-vit", **{"class": "5:dog"})
    (picture,) = [*_read_cat()]
    view = look_with_eyes_of(engine, picture, "photo-vit", ["dog"], 4)
    for trait in view.classes[0].traits:
        np.testing.assert_allclose(studio.values(f"trait-{trait.rank}"), trait.values, rtol=1e-6)


def _read_cat() -> Any:
    from explain.bundled.pictures import bundled_pictures
    from explain.pictures.decode import decode

    path = bundled_pictures()[0].path
    return [decode(path.read_bytes(), path.name)]


def test_two_classes_stand_beside_each_other_with_their_difference(open_studio: Open) -> None:
    studio = open_studio(view="eyes", model="photo-vit", beside="5:dog")
    assert [row["label"] for row in studio.rows] == [
        "Through the eyes of “cat”",
        "Through the eyes of “dog”",
        "“cat” beside “dog”",
    ]
    difference = studio.values("only-0", 2)
    np.testing.assert_allclose(difference, studio.values("all-0", 2) - studio.values("all-1", 2), atol=1e-6)
    np.testing.assert_allclose(studio.values("only-1", 2), -difference)
    assert studio.words["beside"] == "5:dog"
    studio.test.selectbox(key="studio-other-widget").set_value(-1).run()
    assert len(studio.rows) == 1
    assert "beside" not in studio.words


def test_a_model_without_prompts_has_a_stand_in_and_a_word(open_studio: Open) -> None:
    studio = open_studio(view="eyes")
    assert "photo-cnn has no class prompts, so photo-vit stands in for it here." in studio.sentences
    said = "Model: photo-vit, by its class prompts. The chosen one, photo-cnn, has none."
    assert said in studio.sentences.replace("\\", "")
    assert studio.rows[0]["label"] == "Through the eyes of “cat”"


def test_a_drawn_bird_can_be_outlined_and_a_photograph_cannot(open_studio: Open) -> None:
    assert "Outline the parts" not in [toggle.label for toggle in open_studio(view="eyes").test.toggle]
    digest = read_example_digests()["crested-finch"]
    studio = open_studio(view="eyes", picture=digest, parts="1")
    assert {"crest", "bill", "body"} <= {outline["name"] for outline in studio.rows[0]["outlines"]}
    studio.test.toggle(key="studio-outlined").set_value(False).run()
    assert studio.rows[0]["outlines"] == []


# --- gallery


def test_a_field_guide_of_the_pictures_at_hand(open_studio: Open) -> None:
    studio = open_studio(view="gallery", model="photo-vit", **{"class": "3:cat"})
    assert not studio.test.error
    assert "pictures of “cat”" in studio.sentences
    crops = studio.component("cards", "gallery-1")["items"]
    assert crops
    assert all(item["frames"][0]["mark"] is not None for item in crops)


def test_a_class_without_pictures_says_so(open_studio: Open) -> None:
    studio = open_studio(view="gallery", model="photo-vit", **{"class": "0:airplane"})
    assert "There are no pictures of “airplane” at hand." in studio.sentences


def test_the_trainings_own_pictures_are_an_album(
    open_studio: Open, run: type[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path.replace(FINCHES[0], "cat").replace(FINCHES[1], "dog"): data for path, data in draw_files().items()}
    run.pictures = read_files(files.items(), "cats and dogs")
    studio = open_studio(view="gallery", model="photo-vit", run=TOKEN, **{"class": "5:dog"})
    assert studio.test.selectbox(key="gallery-source").options[0] == "The training's own (5)"
    assert "5 pictures of “dog”" in studio.sentences


# --- surgery


def test_a_part_is_painted_over_and_the_scores_answer(open_studio: Open) -> None:
    digest = read_example_digests()["crested-finch"]
    studio = open_studio(view="surgery", model="photo-vit", picture=digest)
    assert "draw around a place" in studio.sentences
    assert len(studio.rows) == 1
    studio.test.selectbox(key="surgery-part").set_value("crest").run()
    assert not studio.test.error
    before, after = studio.rows
    assert before["picture"]["digest"] == digest != after["picture"]["digest"]
    assert [pane["title"] for pane in before["panes"]] == [pane["title"] for pane in after["panes"]]
    assert [outline["name"] for outline in after["outlines"]] == ["crest"]
    assert "painted over with the mean colour" in after["detail"]
    digests = {after["picture"]["digest"]}
    for how in ("blur", "inpaint", "noise", "swap"):
        studio.pick("surgery-how", how)
        assert not studio.test.error
        digests.add(studio.rows[1]["picture"]["digest"])
    assert len(digests) == 5


def test_edits_stack_and_are_undone_on_any_model_by_every_method(open_studio: Open) -> None:
    digest = read_example_digests()["crested-finch"]
    studio = open_studio(view="surgery", model="photo-cnn", picture=digest, method=["grad-cam", "cf-cam", "prompt-cam"])
    assert "photo-vit" not in studio.rows[0]["detail"] and studio.rows[0]["detail"].startswith("photo-cnn: ")
    assert [pane["key"] for pane in studio.rows[0]["panes"]] == ["picture", "grad-cam", "cf-cam"]
    assert "Prompt-CAM needs a ViT with trained class prompts; this model has none." in studio.sentences
    assert studio.test.button(key="surgery-undo").disabled
    notes = []
    for part in ("crest", "bill"):
        studio.test.selectbox(key="surgery-part").set_value(part).run()
        assert not studio.test.error and not studio.test.exception
        before, after = studio.rows
        notes.append(after["detail"].count("Altered"))
        assert before["picture"]["digest"] == digest
        assert before["panes"][1]["map"] != after["panes"][1]["map"]
    assert notes == [1, 2]
    assert {outline["name"] for outline in studio.rows[1]["outlines"]} == {"crest", "bill"}
    studio.test.button(key="surgery-undo").click().run()
    assert studio.rows[1]["detail"].count("Altered") == 1
    studio.test.button(key="surgery-reset").click().run()
    assert len(studio.rows) == 1


def test_without_a_picture_each_view_says_what_to_do(open_studio: Open) -> None:
    for view in ("eyes", "surgery"):
        assert "No picture is chosen" in open_studio(view=view, picture="").sentences


def test_what_nobody_expected_is_one_calm_sentence(open_studio: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("secret internals")

    monkeypatch.setattr("pages.studio_views.eyes.build_eyes_rows", fail)
    studio = open_studio(view="eyes")
    assert "did not expect" in studio.sentences
    assert "secret" not in studio.sentences
