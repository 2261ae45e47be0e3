"""The front door: every page opens, and the first one is drawn before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[1]

FIRST_PAINT = """
import sys

import components.engine
from streamlit.testing.v1 import AppTest

seen = []


def start(work):
    seen.append(sorted({"torch", "timm", "torchvision"} & set(sys.modules)))
    raise RuntimeError("torch is broken here")


components.engine._start = start
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


@pytest.mark.parametrize(("page", "title"), [("methods", "Methods"), ("models", "Models")])
def test_the_other_pages(page: str, title: str) -> None:
    app = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60).run()
    assert not app.exception
    assert not app.error
    assert app.title[0].value == title


def test_methods_and_models_are_all_there() -> None:
    from explain.methods import all_methods
    from explain.models import bundled_models

    methods = AppTest.from_file(str(ROOT / "pages" / "methods.py"), default_timeout=60).run()
    assert [heading.value for heading in methods.subheader] == [method.title for method in all_methods().values()]
    models = AppTest.from_file(str(ROOT / "pages" / "models.py"), default_timeout=60).run()
    assert [model.name in models.expander[i].label for i, model in enumerate(bundled_models())] == [True, True]
