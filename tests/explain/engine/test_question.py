"""What is asked: classes by index and by label, settings, and what cannot be is refused before anything runs."""

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.engine.question import complete_settings, find_target
from explain.errors import LayerError, MethodError, TargetError
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from tests.support.engine import NONE, build_model, make_picture


@pytest.mark.parametrize(
    ("target", "index"),
    [(0, 0), (5, 5), ("3", 3), (" ship ", 3), ("SHIP", 3), ("großer hund", 5), (np.int64(2), 2), ("+1", 1)],
)
def test_classes_by_index_and_by_label(cnn: LoadedModel, target: int | str, index: int) -> None:
    assert find_target(cnn, target) == index


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("cat", "Did you mean tabby cat, tiger cat?"),
        ("HUND", "Did you mean Großer Hund?"),
        ("zebra", "It knows 6 classes"),
        (6, "classes 0 to 5"),
        (-1, "classes 0 to 5"),
        ("-1", "classes 0 to 5"),
        ("--1", "no class “--1”"),
        ("²", "no class “²”"),
        ("٣", "no class “٣”"),
        ("1.0", "no class “1.0”"),
        ("999999999", "classes 0 to 5"),
        ("9" * 5000, "no class “9999"),
        ("", "Name a class"),
    ],
)
def test_classes_that_do_not_exist(engine: Engine, cnn: LoadedModel, target: int | str, words: str) -> None:
    with pytest.raises(TargetError, match=None) as caught:
        engine.explain(make_picture(), cnn, target=target)
    assert words in str(caught.value)
    assert engine.passes == NONE


def test_a_number_that_is_a_label_but_no_index(cnn: LoadedModel) -> None:
    assert find_target(cnn, "7") == 4


def test_a_label_of_two_classes_asks_which() -> None:
    """ImageNet has two cranes: the bird and the machine."""
    model = build_model("cnn", labels=("crane", "dog", "Crane"))
    with pytest.raises(TargetError) as caught:
        find_target(model, "crane")
    assert "0" in str(caught.value) and "2" in str(caught.value)
    assert find_target(model, "dog") == 1


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ({"layer": "layer9"}, LayerError, "“layer9”"),
        ({"methods": ["grad-cam", "gradcam"]}, MethodError, "“gradcam”"),
        ({"settings": {"nope": {}}}, MethodError, "“nope”"),
        ({"settings": {"cf-cam": {"epsilon": 3}}}, MethodError, "CF-CAM does not take epsilon = 3"),
        ({"settings": {"cf-cam": {"eps": -1}}}, MethodError, "CF-CAM does not take eps = -1"),
        ({"settings": {"cf-cam": {"sigma": float("nan")}}}, MethodError, "CF-CAM does not take sigma = nan"),
        ({"settings": {"cf-cam": {"distance": "manhattan"}}}, MethodError, "distance = 'manhattan'"),
        ({"settings": {"grad-cam": {"eps": 1}}}, MethodError, "Grad-CAM does not take eps"),
        ({"settings": {"prompt-cam": {"traits": 0}}}, MethodError, "Prompt-CAM does not take traits = 0"),
        ({"methods": ["grad-cam"], "settings": {"cf-cam": {"eps": -1}}}, MethodError, "eps = -1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_before_anything_runs(
    engine: Engine, cnn: LoadedModel, request_: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        engine.explain(make_picture(), cnn, **request_)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert engine.passes == NONE


def test_settings_may_be_objects_or_plain_values() -> None:
    settings = get_method("cf-cam").settings(eps=3)
    complete = complete_settings(["grad-cam", "cf-cam"], {"cf-cam": settings})
    assert list(complete) == ["grad-cam", "cf-cam"]
    assert complete["cf-cam"] == settings == complete_settings(["cf-cam"], {"cf-cam": {"eps": 3}})["cf-cam"]
    assert complete["grad-cam"] == get_method("grad-cam").settings()
    with pytest.raises(MethodError):
        complete_settings(["grad-cam"], {"grad-cam": settings})
