"""The front door: every page opens, and the first one is drawn before torch is imported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from streamlit.testing.v1 import AppTest

from components.session.work import Work
from explain.engine.engine import Engine

ROOT = Path(__file__).resolve().parents[1]

FIRST_PAINT = """
import sys

import components.session.engine
from streamlit.testing.v1 import AppTest

seen = []


def start(work):
    seen.append(sorted({"torch", "timm", "torchvision"} & set(sys.modules)))
    raise RuntimeError("torch is broken here")


components.session.engine._start = start
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception, app.exception
print(seen, [title.value for title in app.title], [error.value for error in app.error])
"""


def test_the_page_is_drawn_before_torch_and_says_when_the_engine_cannot_start() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PAINT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    drawn = done.stdout.strip()
    assert drawn.startswith("[[]]"), drawn
    assert "Where the model looks" in drawn
    assert "could not be started" in drawn
    assert "broken here" not in drawn


def test_a_device_of_no_known_kind_is_said_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_DEVICE", "gpu")

    def show() -> None:
        from components.session.engine import await_engine
        from components.session.work import Place

        await_engine(Place("body"))

    def start() -> Work[Any]:
        return Work(lambda work: Engine())

    monkeypatch.setattr("components.session.engine.start_engine", start)
    monkeypatch.setattr(start, "clear", start, raising=False)
    page = AppTest.from_function(show, default_timeout=60).run()
    assert not page.exception
    (said,) = (error.value for error in page.error)
    assert said == (
        "The engine could not be started. CAMSCOPE_DEVICE cannot be “gpu”. It takes auto, cpu, cuda, cuda:0 or mps."
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder in which nobody has trained prompts."""
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))


def open_page(name: str) -> AppTest:
    def show(name: str) -> None:
        from importlib import import_module

        import_module(f"pages.{name}").show_page()

    return AppTest.from_function(show, args=(name,), default_timeout=60).run()


@pytest.mark.parametrize(("name", "title"), [("methods", "Methods"), ("models", "Models")])
def test_the_other_pages(name: str, title: str) -> None:
    page = open_page(name)
    assert not page.exception
    assert not page.error
    assert page.title[0].value == title
    # A person may go to a paper. Nothing else leads to another host.
    led_to = {
        address for element in page for address in re.findall(r"https?://[^/\s)]+", str(getattr(element, "proto", "")))
    }
    assert led_to == ({"https://arxiv.org"} if name == "methods" else set())


@pytest.mark.usefixtures("home")
def test_methods_and_models_are_all_there() -> None:
    from explain.bundled.models import bundled_models
    from explain.methods import all_methods
    from explain.methods.base import Group

    headings = [heading.value for heading in open_page("methods").subheader]
    methods = sorted(all_methods().values(), key=lambda method: get_args(Group).index(method.group))
    assert headings == [method.title for method in methods]
    labels = [card.label for card in open_page("models").expander]
    assert [model.name in label for model, label in zip(bundled_models(), labels, strict=True)] == [True] * 5
