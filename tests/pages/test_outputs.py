"""What a head's numbers mean, on the page: asked in the form, said beside the model, kept in the link."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.heads import RESNET, build_head

Open = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("own_home")


def give(dashboard: Any, biases: list[float], names: str, outputs: str | None = None) -> None:
    """Give a head of these biases with its names, and use it."""
    said = {"architecture": RESNET} | ({} if outputs is None else {"outputs": outputs})
    dashboard.give_file(("mine.pt", build_head(biases)), ("names.txt", names.encode()), **said)
    dashboard.use_file()
    assert not dashboard.test.exception


def read_choices(dashboard: Any) -> dict[str, tuple[float, str]]:
    return {choice["label"]: (choice["share"], choice["text"]) for choice in dashboard.pane("picture")["choices"]}


def test_one_number_that_nobody_declared_is_no_share(dashboard: Any) -> None:
    give(dashboard, [-6.0], "pneumonia")
    assert "nothing says what it means" in dashboard.sentences
    (share, text) = read_choices(dashboard)["pneumonia"]
    assert share == 0.0 and float(text.replace("−", "-")) == pytest.approx(-6.0, abs=0.1)
    assert "%" not in dashboard.rows[0]["detail"]
    assert "no probability" in dashboard.pane("picture")["sentence"]
    assert dashboard.test.selectbox(key="outputs-widget").value is None
    before = dashboard.values("grad-cam")
    dashboard.test.checkbox(key="probability").check().run()
    assert "A value has no probability" in dashboard.sentences
    assert np.array_equal(dashboard.values("grad-cam"), before)


def test_it_is_declared_beside_the_model_and_both_answers_are_explained(dashboard: Any, open_dashboard: Open) -> None:
    give(dashboard, [-6.0], "pneumonia")
    dashboard.test.selectbox(key="outputs-widget").set_value("logit").run()
    assert not dashboard.test.exception and not dashboard.test.error
    assert "nothing says what it means" not in dashboard.sentences
    dashboard.test.button(key="own-file-open").click().run()
    assert dashboard.test.selectbox(key="model-outputs").value == "logit", "the form says the same"
    dashboard.use_file()
    shares = {label: share for label, (share, _) in read_choices(dashboard).items()}
    assert shares["pneumonia"] == pytest.approx(0.0025, abs=1e-3)
    assert shares["no pneumonia"] == pytest.approx(0.9975, abs=1e-3)
    assert "no pneumonia" in dashboard.rows[0]["detail"] and "likelier answer" in dashboard.rows[0]["detail"]
    no = dashboard.values("grad-cam")
    dashboard.test.selectbox(key="target-widget").set_value(1).run()
    np.testing.assert_allclose(dashboard.values("grad-cam"), -no, rtol=1e-5)
    dashboard.test.checkbox(key="probability").check().run()
    assert np.abs(dashboard.values("grad-cam")).max() > 0
    assert dashboard.words["model.outputs"] == "logit"
    two = open_dashboard(dashboard.words)
    assert two.rows == []
    two.give_file(("mine.pt", build_head([-6.0])), ("names.txt", b"pneumonia"))
    assert two.test.selectbox(key="model-outputs").value == "logit", "the link says so"


def test_findings_are_each_by_themselves(dashboard: Any) -> None:
    give(dashboard, [4.0, 4.0, -4.0], "mass\nnodule\nhernia", "findings")
    shares = {label: share for label, (share, _) in read_choices(dashboard).items()}
    assert shares == pytest.approx({"mass": 0.982, "nodule": 0.982, "hernia": 0.018}, abs=2e-3)
    assert dashboard.test.selectbox(key="outputs-widget").value == "findings"
    assert "each by itself" in dashboard.pane("picture")["sentence"]
    dashboard.pick("compare-by", "classes")
    assert [pane["sentence"] for pane in dashboard.rows[0]["panes"][1:]] == ["98 %", "98 %", "2 %"]
    dashboard.test.selectbox(key="outputs-widget").set_value("classes").run()
    assert [pane["sentence"] for pane in dashboard.rows[0]["panes"][1:]] == ["50 %", "50 %", "under 0.1 %"]


def test_a_link_to_the_probability_of_a_value_explains_its_score(dashboard: Any) -> None:
    dashboard.test.checkbox(key="probability").check().run()
    give(dashboard, [63.0], "age", "value")
    assert not dashboard.test.error
    assert "%" not in dashboard.rows[0]["detail"] and "age (63" in dashboard.rows[0]["detail"]
    assert np.abs(dashboard.values("grad-cam")).max() > 0
    dashboard.turn_to("layers")
    assert not dashboard.test.exception and not dashboard.test.error
    assert dashboard.component("network")["answer"].startswith("age 63")


def test_what_cannot_be_is_a_sentence(dashboard: Any) -> None:
    give(dashboard, [-6.0], "pneumonia", "classes")
    assert "100 % for every picture" in dashboard.sentences
    assert dashboard.test.session_state["model"].request.source == "bundled", "the model in use stays"


def test_a_bundled_model_is_not_asked(dashboard: Any) -> None:
    assert not [box for box in dashboard.test.selectbox if box.key == "outputs-widget"]


def test_a_link_goes_back_to_what_was_declared_before(dashboard: Any) -> None:
    """The file is here already, so that only its meaning changes."""
    give(dashboard, [-6.0], "pneumonia", "logit")
    words = dashboard.words
    dashboard.test.selectbox(key="outputs-widget").set_value("value").run()
    assert dashboard.words["model.outputs"] == "value"
    for name in ("link-followed", "link-kept"):
        del dashboard.test.session_state[name]
    dashboard.test.query_params.clear()
    dashboard.test.query_params.update(words)
    dashboard.test.run()
    assert not dashboard.test.error
    assert set(read_choices(dashboard)) == {"pneumonia", "no pneumonia"}


def test_an_old_link_to_a_class_of_one_number_finds_it_by_name(open_dashboard: Open) -> None:
    digest = hashlib.sha256(build_head([-6.0])).hexdigest()
    words = {"model": f"file:{digest}", "model.architecture": RESNET, "model.labels": "file", "class": "0:pneumonia"}
    dashboard = open_dashboard(words)
    dashboard.give_file(("mine.pt", build_head([-6.0])), ("names.txt", b"pneumonia"))
    dashboard.test.selectbox(key="model-outputs").set_value("logit").run()
    dashboard.use_file()
    assert dashboard.rows[0]["detail"].startswith("Explained: pneumonia (0.2 %)")
