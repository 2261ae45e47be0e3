"""A setting is declared once, with all that is shown of it; and what is said of a value that a declaration refuses."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from explain.commands.flags import read_view
from explain.engine.question import complete_settings
from explain.errors import DeviceError, ExplainError
from explain.models.request import build_file_request
from explain.report.manifest import read_manifest
from explain.settings import Settings, read_environment, read_refusal, setting
from explain.training.recipe import PromptRecipe, change_recipe


class Blur(Settings):
    """Settings to refuse values of."""

    sigma: float = setting(1.0, "Sigma", "How wide.", low=0.0)
    shares: tuple[float, ...] = setting((0.5,), "Shares", "Of each.")


class Parts(BaseModel):
    """A model that holds others."""

    parts: list[Blur]


@pytest.mark.parametrize(
    ("model", "values", "field", "path", "given", "reason"),
    [
        (Blur, {"sigma": -1}, "sigma", "sigma", -1, "input should be greater than or equal to 0"),
        (Blur, {"width": 3}, "width", "width", 3, "extra inputs are not permitted"),
        (Blur, {"shares": [1, "x"]}, "shares", "shares.1", "x", "input should be a valid number"),
        (Blur, {"width": 3, "sigma": -1}, "sigma", "sigma", -1, "input should be greater than or equal to 0"),
        (Parts, {"parts": [{}, {"sigma": -1}]}, "parts", "parts.1.sigma", -1, "input should be greater"),
        (Blur, 5, "", "", 5, "input should be a valid dictionary"),
    ],
)
def test_the_first_refusal_says_where_what_and_why(
    model: type[BaseModel], values: Any, field: str, path: str, given: Any, reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(model).validate_python(values)
    refusal = read_refusal(caught.value)
    assert (refusal.field, refusal.path, refusal.given) == (field, path, given)
    assert refusal.reason.startswith(reason)


def test_the_sentences_made_of_it() -> None:
    with pytest.raises(ExplainError) as caught:
        change_recipe(PromptRecipe(), {"epochs": 0})
    assert str(caught.value) == "Epochs cannot be 0: input should be greater than or equal to 1."
    with pytest.raises(ExplainError, match=r"There is no setting “speed” of the training\. There are: variant"):
        change_recipe(PromptRecipe(), {"speed": 9})
    with pytest.raises(ExplainError, match=r"^CF-CAM does not take eps = '-1': input should be greater than .*: eps, "):
        complete_settings(["cf-cam"], {"cf-cam": {"eps": "-1"}})
    with pytest.raises(ExplainError) as caught:
        read_view(["opacity=7"])
    assert str(caught.value) == (
        "--view does not take opacity=7: input should be less than or equal to 1. It takes: opacity, style, "
        "colour_table, scale, signed, threshold."
    )
    with pytest.raises(ExplainError) as caught:
        build_file_request(b"x", "a.pt", architecture="timm/resnet18", mean=("a",))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "The mean cannot be a: input should be a valid number, unable to parse string as a number."
    )
    with pytest.raises(ExplainError, match=r"^This is no manifest that CAMscope can replay: the file: invalid json: "):
        read_manifest(b"no json")
    with pytest.raises(ExplainError) as caught:
        read_manifest(json.dumps({"pictures": [{}]}).encode())
    assert str(caught.value) == "This is no manifest that CAMscope can replay: pictures.0.name: field required."


class Example(Settings):
    size: int = setting(3, "Size", "How large it is.", unit="px", low=1, high=9, step=2, advanced=True)


def test_all_that_is_declared_is_in_the_schema() -> None:
    declared = Example.model_json_schema()["properties"]["size"]
    assert (declared["title"], declared["description"], declared["default"]) == ("Size", "How large it is.", 3)
    assert (declared["minimum"], declared["maximum"]) == (1, 9)
    assert (declared["unit"], declared["step"], declared["advanced"]) == ("px", 2, True)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": 10}, {"size": "large"}, {"length": 3}])
def test_what_is_out_of_bounds_or_unknown_is_refused(wrong: dict[str, object]) -> None:
    assert Example.model_validate({"size": 9}).size == 9
    with pytest.raises(ValidationError):
        Example.model_validate(wrong)


def test_settings_are_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example().size = 4  # type: ignore[misc]
    assert hash(Example()) == hash(Example(size=3))


def test_the_environment_sets_what_it_names() -> None:
    assert read_environment(Example, {}) == Example()
    assert read_environment(Example, {"CAMSCOPE_SIZE": " 7 ", "SIZE": "8"}).size == 7
    assert read_environment(Example, {"CAMSCOPE_SIZE": " "}).size == 3


def test_what_the_environment_cannot_set_is_a_sentence_of_the_wanted_kind() -> None:
    with pytest.raises(ExplainError, match="CAMSCOPE_SIZE cannot be “10”: input should be less than or equal to 9"):
        read_environment(Example, {"CAMSCOPE_SIZE": "10"})
    with pytest.raises(DeviceError, match=r"“large”\. It takes a number\.$"):
        read_environment(Example, {"CAMSCOPE_SIZE": "large"}, DeviceError, {"size": "a number"})
