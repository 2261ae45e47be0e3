"""A language model's words about a picture, in a box of their own: it sees the picture, and nothing of the classifier.

Off until a person names a folder with an image-text model. It is read by the package `transformers` where that is
installed: local files alone, weights as safetensors alone, no code that comes with a model.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import threading
from pathlib import Path
from typing import Any

from explain.errors import ExplainError, make_printable
from explain.pictures.picture import Picture
from explain.storage import expand_home

HEADING = "A language model's words about the picture; it has not seen the classifier"

FOLDER = "CAMSCOPE_WORDS"
"""Names the folder for the dashboard, in the environment of whoever starts it: no address and no visitor can."""

MOST_TOKENS = 80
"""New ones of an answer."""

_ASKED = "Describe this picture in one sentence."
_LONGEST = 600
_MOST_CONFIG = 4 * 2**20
_CONFIGS = ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


class LanguageModel:
    """An image-text model of a folder; see `open_language_model`.

    Args:
        name: of its folder.
        processor: turns pictures and words into its input, and its output into words.
        model: generates.
    """

    def __init__(self, name: str, processor: Any, model: Any) -> None:
        self.name = name
        self._processor = processor
        self._model = model
        self._turn = threading.Lock()

    def describe(self, picture: Picture) -> str:
        """What it says of a picture, by always taking the likeliest word; at most `MOST_TOKENS` of them. Its words may
        be wrong.

        Raises:
            ExplainError: it cannot be asked like that.
        """
        import torch
        from PIL import Image

        image = Image.fromarray(picture.pixels)
        try:
            inputs, length = self._prepare(image)
            with self._turn, torch.inference_mode():
                written = self._model.generate(**inputs, max_new_tokens=MOST_TOKENS, do_sample=False)
            (words,) = self._processor.batch_decode(written[:, length:], skip_special_tokens=True)
        except Exception as error:  # whatever a foreign model does with a picture
            raise ExplainError(
                f"The language model “{self.name}” could not be asked: {type(error).__name__}: {error}"
            ) from error
        said = make_printable(" ".join(words.split()), _LONGEST, _LONGEST // 2)
        return said or "It says nothing."

    def _prepare(self, image: Any) -> tuple[dict[str, Any], int]:
        """Its input for a picture, and how many of the words that come out are the question."""
        if getattr(self._processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": _ASKED}]
            text = self._processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
            inputs = self._processor(text=text, images=[image], return_tensors="pt")
            return inputs, inputs["input_ids"].shape[1]
        return self._processor(images=image, return_tensors="pt"), 0


def find_language_model() -> str | None:
    """The folder that the environment names; None where it names none."""
    return os.environ.get(FOLDER) or None


def open_language_model(folder: str | Path) -> LanguageModel:
    """Read an image-text model.

    Args:
        folder: as transformers writes one, with `config.json` and safetensors.

    Raises:
        ExplainError: transformers is not installed; there is no such folder, no model in it that it can read, weights
            of another form than safetensors alone, or a model that wants code of its own to be run.
    """
    path = expand_home(Path(folder))
    _check(path)
    if importlib.util.find_spec("transformers") is None:
        raise ExplainError(
            "A language model needs the package transformers, which is not installed here: pip install transformers."
        )
    from explain.networks.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    transformers = importlib.import_module("transformers")  # by its name: it is nothing that CAMscope depends on
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        processor = transformers.AutoProcessor.from_pretrained(path, **local)
        model = transformers.AutoModelForImageTextToText.from_pretrained(path, use_safetensors=True, **local)
        model.eval().requires_grad_(False)
    except Exception as error:  # whatever is in a folder
        raise ExplainError(
            f"The folder {path} holds no image-text model that transformers can read: {type(error).__name__}: {error}"
        ) from error
    return LanguageModel(path.name, processor, model)


def _check(path: Path) -> None:
    """Refuse what must not be opened, before transformers sees it."""
    if not path.is_dir():
        raise ExplainError(
            f"There is no folder {path}. Name one with an image-text model: config.json and safetensors."
        )
    if not (path / "config.json").is_file():
        raise ExplainError(f"The folder {path} holds no config.json, so it is no model that transformers can read.")
    if not any(path.glob("*.safetensors")):
        raise ExplainError(
            f"The folder {path} holds no weights as safetensors. Others can hide code, and are not opened here."
        )
    for name in _CONFIGS:
        file = path / name
        if not file.is_file():
            continue
        try:
            said = json.loads(file.read_bytes()[:_MOST_CONFIG])
        except ValueError:
            raise ExplainError(f"{name} in the folder {path} is no JSON.") from None
        if isinstance(said, dict) and "auto_map" in said:
            raise ExplainError(f"The model in {path} wants code of its own to be run, which is not done here.")
