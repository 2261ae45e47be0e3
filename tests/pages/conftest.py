"""The dashboard as a test drives it without a browser."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from components.choices import opening
from components.maps import verdicts
from components.session.engine import start_engine
from explain.engine.engine import Engine
from explain.models.recipes import encode_recipe

ROOT = Path(__file__).resolve().parents[2]


TEN_CLASSES = {"model": "photo-cnn"}
"""The words of an address that starts with the smallest network, whose ten classes most tests speak of."""


class Dashboard:
    """One session of the app, opened with the words of a link, left out those of `TEN_CLASSES`, at the start or at
    another page's address, and with choices made already.
    """

    def __init__(
        self,
        words: Mapping[str, str | list[str]] = TEN_CLASSES,
        address: str = "start",
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        self.test.query_params.update(words)
        for key, value in (state or {}).items():
            self.test.session_state[key] = value
        self.turn_to(address)

    @property
    def words(self) -> dict[str, str | list[str]]:
        """What stands in the address after its question mark."""
        return dict(self.test.query_params)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows the canvas was given; none where there is no canvas."""
        return next(
            (
                json.loads(element.proto.json)["rows"]
                for element in self.test.get("bidi_component")
                if element.proto.component_name == "camscope_canvas"
            ),
            [],
        )

    def row(self, label: str) -> dict[str, Any]:
        """The row of a picture."""
        return next(row for row in self.rows if row["label"] == label)

    def pane(self, name: str, row: int = 0) -> dict[str, Any]:
        """One pane as the browser gets it."""
        return next(pane for pane in self.rows[row]["panes"] if pane["key"] == name)

    def values(self, name: str, row: int = 0) -> np.ndarray:
        """A pane's raw map."""
        described = self.pane(name, row)["map"]
        assert described is not None, self.pane(name, row)["message"]
        flat = np.frombuffer(base64.b64decode(described["values"]), dtype="<f4")
        return flat.reshape(described["height"], described["width"])

    def turn_to(self, address: str) -> None:
        """Go to another page, as its link does."""
        self.test._page_hash = calc_hash("" if address == "start" else address)
        self.test.run()

    def component(self, name: str, key: str = "") -> dict[str, Any]:
        """What a component of ours was given: the one whose key is `key`, or the first."""
        return next(
            json.loads(element.proto.json)
            for element in self.test.get("bidi_component")
            if element.proto.component_name == f"camscope_{name}" and f"-{key}" in element.proto.id
        )

    def upload(self, *files: tuple[str, bytes]) -> None:
        """Upload pictures."""
        field = next(entry for entry in self.test.file_uploader if str(entry.key).startswith("upload-"))
        field.set_value([(name, data, "application/octet-stream") for name, data in files]).run()

    def give_file(self, *files: tuple[str, bytes], **said: str) -> None:
        """Drop a checkpoint and what lies beside it on the form for a file of one's own, which looks into it at once.

        Args:
            files: name and bytes.
            said: fields of a recipe given with it; an architecture that is named is not looked for, which takes time.
        """
        self.pick("model-source", "file")
        recipe = [("recipe.toml", encode_recipe(said), "")] if said else []
        field = self.test.file_uploader(key="model-bytes")
        field.set_value([*((name, data, "") for name, data in files), *recipe]).run()

    def use_file(self) -> None:
        """Press “Use this model” below what was found."""
        self.test.button(key="own-file-use").click().run()

    def open(self, key: str) -> None:
        """Open what is folded away, until the next run: unlike a browser, AppTest does not keep it open."""
        self.test.session_state[key] = True
        self.test.run()

    def pick(self, key: str, value: Any) -> None:
        """Press pills or segments."""
        group = next(entry for entry in self.test.get("button_group") if entry.key == key)
        group.set_value(value).run()

    @property
    def sentences(self) -> str:
        """Everything said in an alert or a caption."""
        spoken = [*self.test.error, *self.test.info, *self.test.warning, *self.test.caption]
        return "\n".join(str(element.value) for element in spoken)


@pytest.fixture(autouse=True)
def nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps are not checked, which takes passes that other tests count: each question waits for ever to be still."""
    monkeypatch.setattr(verdicts, "STILL", math.inf)


@pytest.fixture(autouse=True)
def scans_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: without a browser nobody asks whether they are open by now."""
    monkeypatch.setattr(opening, "PATIENCE", 60)


@pytest.fixture
def open_dashboard() -> Callable[[], Dashboard]:
    """Open the app in a session of its own."""
    return Dashboard


@pytest.fixture
def dashboard() -> Dashboard:
    """A fresh session."""
    return Dashboard()


@pytest.fixture
def engine() -> Engine:
    """The engine that all sessions share."""
    return start_engine().result()


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder in which nothing is remembered."""
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
