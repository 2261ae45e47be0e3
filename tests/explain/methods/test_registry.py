"""The one list of methods: what each declares, and what follows from it."""

from typing import get_args

import pytest
import torch
from pydantic import ValidationError

from explain.errors import MethodError
from explain.methods import Method, MethodResult, Settings, all_methods, describe_needs, get_method
from explain.methods.base import Group, Needs, Place, method, registered
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture

METHODS = all_methods()


def test_the_methods_are_those_of_the_dashboard_in_its_order() -> None:
    assert list(METHODS)[:4] == ["grad-cam", "eigen-cam", "cf-cam", "prompt-cam"]


def test_callers_cannot_change_the_list() -> None:
    all_methods().clear()
    assert all_methods() == METHODS


@pytest.mark.parametrize("name", METHODS)
def test_a_method_declares_all_that_is_shown_of_it(name: str) -> None:
    method = METHODS[name]
    assert method.name == name == get_method(name).name
    assert method.title.strip() and method.sentence.endswith(".") and method.sentence.count(". ") == 0
    assert any(character.isdigit() for character in method.paper)
    assert method.needs and method.needs <= {*get_args(Needs)} and describe_needs(method)
    assert method.group in get_args(Group) and method.place in get_args(Place)
    assert (method.count_passes is not None) == ("runner" in method.needs)
    assert method.objective is None or method.differentiates
    assert method.class_agnostic or method.needs != {"activations"}, "activations alone know of no class"
    assert not (method.class_agnostic and method.differentiates)
    assert issubclass(method.settings, Settings)
    for preset in method.presets.values():
        assert type(preset) is method.settings


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_formula_and_one_that_looks_at_a_layer_has_its_numbers(name: str) -> None:
    method = METHODS[name]
    assert method.formula is not None
    for settings in (method.settings(), *method.presets.values()):
        latex, where, says = method.formula.write(settings)
        assert latex.startswith("L(p) = ") and (where or says)
        for text in (latex, where):
            assert text.count("{") == text.count("}") and text.count(r"\left") == text.count(r"\right")
        assert not says or says.endswith(".")
    if method.place == "layer" and "runner" not in method.needs:
        assert method.formula.has_numbers


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.needs != {"activations"}])
def test_a_method_without_what_it_needs_says_what(name: str) -> None:
    capture = LayerCapture(Layer("layer", (2, 2), 3, "NCHW"), 0, torch.zeros(4), torch.ones(3, 2, 2))
    with pytest.raises((LookupError, MethodError)) as caught:
        METHODS[name].function(capture, METHODS[name].settings())
    assert any(need in str(caught.value) for need in METHODS[name].needs - {"activations"})


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_is_declared_whole(name: str) -> None:
    """Label, help, default and, for numbers, bounds and a step: the widget, the flag and the docs are made of these."""
    schema = METHODS[name].settings.model_json_schema()["properties"] if METHODS[name].settings.model_fields else {}
    for setting_name, field in schema.items():
        assert field["title"] and field["description"].endswith("."), setting_name
        assert "default" in field
        assert set(field) >= {"unit", "step", "advanced"}
        if field.get("type") in ("number", "integer"):
            assert field["minimum"] <= field["default"] <= field["maximum"]
            # A slider in magnitudes has no step, but a least value above zero.
            assert field["step"] > 0 if field["least"] is None else 0 < field["least"] < field["maximum"]


@pytest.mark.parametrize("name", METHODS)
def test_bounds_hold(name: str) -> None:
    settings = METHODS[name].settings
    assert settings() == settings.model_validate(settings().model_dump())
    assert hash(settings()) == hash(settings())
    with pytest.raises(ValidationError):
        settings(no_such_setting=1)
    for setting_name, field in settings.model_json_schema().get("properties", {}).items():
        if field.get("type") not in ("number", "integer"):
            continue
        for bound in ("minimum", "maximum"):
            settings(**{setting_name: field[bound]})  # inclusive
        for beyond in (field["minimum"] - 1, field["maximum"] + 1, float("nan"), float("inf")):
            with pytest.raises(ValidationError):
                settings(**{setting_name: beyond})
        with pytest.raises(ValidationError):
            setattr(settings(), setting_name, field["minimum"])


def test_an_unknown_method_is_a_sentence_that_lists_the_known() -> None:
    with pytest.raises(MethodError) as caught:
        get_method("gradcam")
    assert "“gradcam”" in str(caught.value)
    assert all(name in str(caught.value) for name in METHODS)


def draw_nothing(_capture: object, _settings: object) -> MethodResult:
    raise NotImplementedError


def test_a_method_may_be_known_for_a_while() -> None:
    guest = Method(
        draw_nothing,
        name="guest",
        title="Guest",
        sentence="A test.",
        paper="None, 2025",
        group="gradient",
        needs={"gradients"},
    )
    with pytest.raises(ZeroDivisionError), registered(guest) as known:
        assert known is guest is get_method("guest") and list(all_methods()) == [*METHODS, "guest"]
        with pytest.raises(ValueError, match="“guest” already"), registered(guest):
            pass
        assert 1 // 0
    assert all_methods() == METHODS


def test_the_decorator_takes_the_fields_of_a_method_and_no_others() -> None:
    with pytest.raises(TypeError, match="clas_agnostic"):
        method(name="guest", clas_agnostic=True)(draw_nothing)
    assert all_methods() == METHODS
