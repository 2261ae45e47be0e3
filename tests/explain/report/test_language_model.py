"""What is asked of a language model, and what is refused before it is opened; `transformers` itself is a stand-in."""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from explain.errors import ExplainError
from explain.report.language_model import MOST_TOKENS, find_language_model, open_language_model
from tests.support.engine import make_picture


class Processor:
    """Writes numbers as words; with a template it repeats the question, as chat models do."""

    chat_template: str | None = None

    def __call__(self, images: Any, return_tensors: str, text: str | None = None) -> dict[str, torch.Tensor]:
        self.image, self.text = images, text
        return {"pixel_values": torch.zeros(1, 3, 2, 2)} | ({"input_ids": torch.tensor([[7, 8]])} if text else {})

    def apply_chat_template(self, messages: list[Any], add_generation_prompt: bool) -> str:
        return f"<image>{messages[0]['content'][1]['text']}"

    def batch_decode(self, rows: torch.Tensor, skip_special_tokens: bool) -> list[str]:
        return [" ".join(f"w{number}\n" for number in row.tolist()) for row in rows]


class Model:
    """Goes on from what it is given with 1, 2, 3."""

    def eval(self) -> "Model":
        return self

    def requires_grad_(self, on: bool) -> "Model":
        return self

    def generate(self, input_ids: torch.Tensor | None = None, **asked: Any) -> torch.Tensor:
        self.asked = asked
        start = torch.zeros((1, 0), dtype=torch.long) if input_ids is None else input_ids
        return torch.cat([start, torch.tensor([[1, 2, 3]])], 1)


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for the package, with what it was asked."""
    seen: dict[str, Any] = {"processor": Processor(), "model": Model(), "calls": []}

    def give(what: str) -> SimpleNamespace:
        def read(path: Path, **how: Any) -> Any:
            seen["calls"].append((what, path, how))
            return seen[what]

        return SimpleNamespace(from_pretrained=read)

    module = SimpleNamespace(
        AutoProcessor=give("processor"), AutoModelForImageTextToText=give("model"), __spec__=SimpleNamespace()
    )
    monkeypatch.setitem(sys.modules, "transformers", module)  # type: ignore[arg-type]
    return seen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def test_it_is_shown_the_picture_alone(transformers: dict[str, Any], folder: Path) -> None:
    model = open_language_model(folder)
    assert model.describe(make_picture(size=(20, 30))) == "w1 w2 w3"
    assert transformers["processor"].image.size == (30, 20) and transformers["processor"].text is None
    assert transformers["model"].asked["max_new_tokens"] == MOST_TOKENS and not transformers["model"].asked["do_sample"]
    for what, path, how in transformers["calls"]:
        assert path == folder and how["local_files_only"] and not how["trust_remote_code"]
        assert what == "processor" or how["use_safetensors"]


def test_a_chat_model_is_asked_and_its_question_left_out(transformers: dict[str, Any], folder: Path) -> None:
    transformers["processor"].chat_template = "{{ messages }}"
    assert open_language_model(folder).describe(make_picture()) == "w1 w2 w3"
    assert transformers["processor"].text == "<image>Describe this picture in one sentence."


def test_what_goes_wrong_is_a_sentence(transformers: dict[str, Any], folder: Path) -> None:
    model = open_language_model(folder)
    transformers["model"].generate = None
    with pytest.raises(ExplainError, match="could not be asked: TypeError"):
        model.describe(make_picture())
    transformers["model"] = SimpleNamespace()
    with pytest.raises(ExplainError, match="no image-text model"):
        open_language_model(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "model.bin"), "can hide code"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json in .* is no JSON"),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": {}})),
            "wants code of its own to be run",
        ),
    ],
)
def test_what_is_no_such_folder_is_never_opened(
    transformers: dict[str, Any], folder: Path, change: Any, sentence: str
) -> None:
    change(folder)
    with pytest.raises(ExplainError, match=sentence):
        open_language_model(folder)
    assert transformers["calls"] == []
    with pytest.raises(ExplainError, match="There is no folder"):
        open_language_model(folder / "none")


def test_without_transformers_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExplainError, match="pip install transformers"):
        open_language_model(folder)


def test_the_dashboard_has_a_folder_only_where_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMSCOPE_WORDS", raising=False)
    assert find_language_model() is None
    monkeypatch.setenv("CAMSCOPE_WORDS", "/some/folder")
    assert find_language_model() == "/some/folder"
