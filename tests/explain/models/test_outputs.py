"""A file's head is declared, told from its count, or said to be unknown: names and notes follow."""

import pytest

from explain.errors import ModelError
from explain.models.described import describe_hugging_face
from explain.models.load import load_model
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest, build_file_request
from explain.networks.meaning import Outputs
from tests.support.heads import RESNET, SIDE, build_head

ONE, THREE = build_head([-6.0]), build_head([4.0, -4.0, 0.0])


def open_head(data: bytes, outputs: Outputs | None = None, names: str | None = None) -> LoadedModel:
    labels = None if names is None else names.encode()
    return load_model(
        build_file_request(data, "mine.pt", architecture=RESNET, outputs=outputs, label_file=labels, input_size=SIDE),
        data,
    )


@pytest.mark.parametrize(
    ("data", "outputs", "names", "meaning", "labels"),
    [
        (ONE, None, None, "value", ("class 0",)),
        (ONE, None, "pneumonia", "value", ("pneumonia",)),
        (ONE, None, "normal\npneumonia", "logit", ("normal", "pneumonia")),
        (ONE, "logit", None, "logit", ("negative", "positive")),
        (ONE, "logit", "pneumonia", "logit", ("no pneumonia", "pneumonia")),
        (ONE, "logit", "normal\npneumonia", "logit", ("normal", "pneumonia")),
        (ONE, "value", "age", "value", ("age",)),
        (ONE, "findings", "pneumonia", "findings", ("pneumonia",)),
        (THREE, None, "a\nb\nc", "classes", ("a", "b", "c")),
        (THREE, "findings", "a\nb\nc", "findings", ("a", "b", "c")),
        (THREE, "value", None, "value", ("class 0", "class 1", "class 2")),
    ],
)
def test_meaning_and_names(
    data: bytes, outputs: Outputs | None, names: str | None, meaning: Outputs, labels: tuple[str, ...]
) -> None:
    model = open_head(data, outputs, names)
    assert (model.outputs, model.labels) == (meaning, labels)
    assert model.request.outputs == outputs


def test_one_number_that_nobody_declared_is_a_note_and_a_declared_one_is_not() -> None:
    assert any("nothing says what it means" in note and "--outputs" in note for note in open_head(ONE).notes)
    assert any("taken as a logit" in note for note in open_head(ONE, None, "normal\npneumonia").notes)
    for outputs in ("logit", "value", "findings"):
        assert not any("--outputs" in note for note in open_head(ONE, outputs, "pneumonia").notes)
    assert not any("numbered" in note for note in open_head(ONE, "logit").notes)


@pytest.mark.parametrize(
    ("data", "outputs", "names", "words"),
    [
        (ONE, "classes", "pneumonia", "100 % for every picture"),
        (THREE, "logit", None, "answers with 3 numbers"),
        (ONE, "logit", "a\nb\nc", "one for each side of 0"),
        (ONE, None, "a\nb\nc", "one for each side of 0"),
        (ONE, "value", "a\nb", "2 names"),
        (ONE, "findings", "a\nb", "2 names"),
        (THREE, "findings", "a\nb", "2 names"),
    ],
)
def test_what_does_not_fit_is_a_sentence(data: bytes, outputs: Outputs, names: str | None, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        open_head(data, outputs, names)


def test_an_unknown_meaning_is_refused_and_the_weights_are_the_same_under_any() -> None:
    with pytest.raises(ModelError, match="The outputs cannot be"):
        open_head(ONE, "sigmoid")  # type: ignore[arg-type]
    assert len({open_head(ONE, outputs).fingerprint for outputs in (None, "logit", "value")}) == 1


def test_class_prompts_are_for_classes() -> None:
    assert load_model(ModelRequest(source="bundled", name="photo-vit")).outputs == "classes"
    with pytest.raises(ModelError, match="Class prompts"):
        load_model(ModelRequest(source="bundled", name="photo-vit", outputs="findings"))
    assert load_model(ModelRequest(source="bundled", name="photo-cnn", outputs="findings")).outputs == "findings"


@pytest.mark.parametrize(
    ("problem", "names", "outputs"),
    [
        ("multi_label_classification", 3, "findings"),
        ("single_label_classification", 3, "classes"),
        ("regression", 1, "value"),
        ("single_label_classification", 1, None),  # there is no such thing: nothing is believed
        ("ranking", 3, None),
        (None, 3, None),
        (["regression"], 1, None),
    ],
)
def test_a_description_of_hugging_face_says_what_its_numbers_mean(
    problem: object, names: int, outputs: Outputs | None
) -> None:
    config = {"model_type": "vit", "id2label": {str(i): f"c{i}" for i in range(names)}, "problem_type": problem}
    assert describe_hugging_face(config).fill_request().get("outputs") == outputs
