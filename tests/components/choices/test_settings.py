"""Widgets made from declarations: for every registered method, and for each kind of field."""

from typing import Literal

import pytest
from streamlit.testing.v1 import AppTest

from components.choices import methods
from components.choices.settings import describe_settings, split_names
from explain.methods import Settings, all_methods
from explain.settings import setting
from explain.training.recipe import PromptRecipe


class Sample(Settings):
    share: float = setting(0.25, "Share", "Of the whole.", unit="parts", low=0.0, high=1.0, step=0.05)
    reach: float = setting(0.3, "Reach", "How far.", low=0.0, high=25.0, least=0.05)
    count: int = setting(3, "Count", "How many.", low=1, high=9, step=2)
    fine: float = setting(1e-4, "Fine", "Very.", low=1e-4, high=1e-2, step=1e-4, advanced=True)
    kind: Literal["apple", "pear"] = setting("pear", "Kind", "Which.", advanced=True)
    ripe: bool = setting(True, "Ripe", "Whether.")


def page() -> None:
    import streamlit as st
    from tests_sample import Sample

    from components.choices.settings import get_settings, show_presets, show_setting, split_names

    show_presets({"small": Sample(share=0.0, count=1, kind="apple")}, Sample, "s")
    for names in split_names(Sample):
        for name in names:
            show_setting(Sample, name, "s")
    st.session_state["answer"] = get_settings(Sample, "s").model_dump()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    import sys
    import types

    module = types.ModuleType("tests_sample")
    module.Sample = Sample  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_sample", module)
    return AppTest.from_function(page).run()


def test_advanced_settings_are_told_from_the_others() -> None:
    assert split_names(Sample) == (["share", "reach", "count", "ripe"], ["fine", "kind"])


def test_each_kind_of_field_has_its_widget(app: AppTest) -> None:
    assert not app.exception
    share, count, fine = (app.slider(key=f"s.{name}") for name in ("share", "count", "fine"))
    assert (share.min, share.max, share.step, share.value) == (0.0, 1.0, 0.05, 0.25)
    assert share.label == "Share (parts)"
    assert share.help == "Of the whole."
    assert (count.min, count.max, count.step, count.value) == (1, 9, 2, 3)
    assert fine.proto.format == "%.4f"
    assert app.selectbox(key="s.kind").options == ["Apple", "Pear"]
    assert app.checkbox(key="s.ripe").value is True
    assert app.session_state["answer"] == Sample().model_dump()


def test_a_logarithmic_slider_offers_magnitudes_and_keeps_what_a_link_says(app: AppTest) -> None:
    reach = app.select_slider(key="s.reach")
    assert reach.value == 0.3
    options = list(map(float, reach.options))
    assert (options[0], options[1], options[-1]) == (0, 0.05, 25)
    assert options.index(1) - options.index(0.1) == options.index(10) - options.index(1) > 15
    linked = AppTest.from_function(page)
    linked.session_state["s.reach"] = 0.2718
    linked.run()
    assert linked.session_state["answer"]["reach"] == 0.2718
    assert linked.run().session_state["answer"]["reach"] == 0.2718
    assert "0.2718" in linked.select_slider(key="s.reach").options
    linked.select_slider(key="s.reach").set_value(1.0).run()
    assert linked.run().session_state["answer"]["reach"] == 1.0
    assert linked.select_slider(key="s.reach").options == reach.options


def test_what_is_moved_is_what_comes_back(app: AppTest) -> None:
    app.slider(key="s.share").set_value(0.5)
    app.selectbox(key="s.kind").set_value("apple")
    app.checkbox(key="s.ripe").uncheck().run()
    assert app.session_state["answer"] == Sample(share=0.5, kind="apple", ripe=False).model_dump()


def test_presets_move_everything_and_know_when_they_no_longer_hold(app: AppTest) -> None:
    assert app.selectbox(key="s:preset").value == "default"
    app.selectbox(key="s:preset").set_value("small").run()
    assert app.session_state["answer"] == Sample(share=0.0, count=1, kind="apple").model_dump()
    app.slider(key="s.count").set_value(5).run()
    assert app.selectbox(key="s:preset").value == "own settings"
    app.selectbox(key="s:preset").set_value("default").run()
    assert app.session_state["answer"] == Sample().model_dump()


@pytest.mark.parametrize("name", list(all_methods()))
def test_every_method_can_be_drawn_and_described(name: str) -> None:
    def draw(name: str) -> None:
        import streamlit as st

        from components.choices.settings import get_settings, show_setting, split_names
        from explain.methods import get_method

        declared = get_method(name).settings
        for names in split_names(declared):
            for field in names:
                show_setting(declared, field, name)
        st.session_state["answer"] = get_settings(declared, name)

    declared = all_methods()[name].settings
    app = AppTest.from_function(draw, args=(name,)).run()
    assert not app.exception
    assert app.session_state["answer"] == declared()
    drawn = (app.slider, app.select_slider, app.selectbox, app.checkbox, app.text_input)
    assert sum(map(len, drawn)) == len(declared.model_fields)
    assert len(describe_settings(declared)) == len(declared.model_fields)


def test_eps_and_sigma_are_always_visible() -> None:
    assert split_names(all_methods()["cf-cam"].settings)[0] == ["eps", "sigma"]


def test_numbers_that_no_slider_can_hit_are_typed_where_that_is_asked_for() -> None:
    def draw() -> None:
        from components.choices.settings import get_settings, show_setting
        from explain.training.recipe import PromptRecipe

        for name in PromptRecipe.model_fields:
            show_setting(PromptRecipe, name, "recipe", typed=True)
        assert get_settings(PromptRecipe, "recipe").epochs > 0

    app = AppTest.from_function(draw, default_timeout=60).run()
    assert not app.exception
    assert {"recipe.epochs", "recipe.learning_rate", "recipe.seed"} <= {field.key for field in app.number_input}
    assert [field.key for field in app.text_input] == ["recipe.together"]
    assert app.number_input(key="recipe.learning_rate").value == PromptRecipe().learning_rate
    app.number_input(key="recipe.learning_rate").set_value(0.00123).run()
    assert app.session_state["recipe.learning_rate"] == 0.00123


def test_an_option_of_no_use_here_is_not_offered_unless_it_is_chosen() -> None:
    def page() -> None:
        import streamlit as st

        from components.choices.settings import show_setting
        from explain.methods.score_cam import ScoreCamSettings

        st.session_state.setdefault("linked.precision", "half")
        for key in ("plain", "linked"):
            show_setting(ScoreCamSettings, "precision", key, withheld=("half", "It takes longer."))

    app = AppTest.from_function(page).run()
    plain, linked = (app.selectbox(key=f"{key}.precision") for key in ("plain", "linked"))
    assert (plain.options, plain.value) == (["Full"], "full") and plain.help.endswith("It takes longer.")
    assert (linked.options, linked.value) == (["Full", "Half"], "half")


def test_half_precision_is_withheld_where_the_machine_is_slower_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for speed, withheld in ((2.0, None), (0.125, "half")):
        monkeypatch.setattr(methods, "find_half_speed", lambda speed=speed: speed)
        found = methods._find_withheld("precision")
        assert (found and found[0]) == withheld
        assert found is None or "8.0 times as long" in found[1]
    assert methods._find_withheld("channels") is None
