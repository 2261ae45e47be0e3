"""Reading what a person types about a model."""

import pytest

from components.choices.model import describe_bundled, find_model_for, read_numbers
from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.errors import ModelError
from explain.pictures.decode import decode


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", None), ("  ", None), ("0.5", (0.5,)), ("0.1, 0.2,0.3", (0.1, 0.2, 0.3)), ("1;2", (1.0, 2.0))],
)
def test_numbers(text: str, numbers: tuple[float, ...] | None) -> None:
    assert read_numbers("mean", text) == numbers


@pytest.mark.parametrize("text", ["half", "0.5,", "0,5 mm"])
def test_what_is_no_number_is_a_sentence(text: str) -> None:
    with pytest.raises(ModelError, match="mean is written"):
        read_numbers("mean", text)


def test_bundled_models_say_how_often_they_are_right() -> None:
    model = bundled_models()[0]
    assert "92.5 %" in describe_bundled(model.model_copy(update={"accuracy": 92.5}))
    assert "%" not in describe_bundled(model.model_copy(update={"accuracy": None}))


def test_drawn_birds_name_the_model_that_knows_them() -> None:
    photo, birds = bundled_models()[0].classes, bundled_models()[-1].classes
    pictures = {entry.name: decode(entry.path.read_bytes(), entry.path.name) for entry in bundled_pictures()}
    cat, finch = pictures["cat"], pictures["crested-finch"]
    assert find_model_for([finch, cat], photo) == "birds-vit"
    assert find_model_for([finch, cat], birds) is None
    assert find_model_for([cat], birds) == "photo-vit"
    assert find_model_for([cat], photo) is None
    assert find_model_for([cat], ("tabby", "tiger cat")) is None
    assert find_model_for([], photo) is None
