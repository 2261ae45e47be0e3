"""An engine's question asked of it and of its client: the same suite is run on both."""

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from explain.engine.explanation import Explanation
from explain.errors import Cancelled, LayerError, MethodError, ModelError, PictureError, TargetError
from tests.support.engine import make_picture
from tests.support.image_files import saved

MODEL = "photo-cnn"
METHODS = ("grad-cam", "eigen-cam", "cf-cam")


def make_png(seed: int = 0) -> bytes:
    """The file of a picture of noise."""
    return saved(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8), "PNG")


def describe(answer: Explanation) -> list[Any]:
    """All of an answer that must be the same whoever gave it: not how long it took, or whether it was remembered."""
    told: list[Any] = [answer.model.fingerprint, answer.model.labels, answer.score, answer.fusion, answer.augmentation]
    for entry in answer.pictures:
        told += [entry.picture.digest, entry.picture.name, entry.predictions, entry.targets, entry.labels, entry.layers]
        told += [dict(entry.unavailable), entry.outputs, entry.caution, entry.unlike, dict(entry.verdicts)]
        for one in entry.maps:
            told += [one.key, one.settings, one.label, one.values.tobytes(), one.values.shape, one.box, one.warnings]
            told += [one.rules, one.own_rules, one.blank, one.own_passes]
            told += [{name: np.asarray(value).tolist() for name, value in one.details.items()}]
    return told


def list_questions(png: bytes) -> dict[str, dict[str, Any]]:
    """Questions that are answered, by what they are about."""
    array = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32)
    return {
        "file": {"pictures": png, "methods": METHODS},
        "several": {"pictures": [png, make_picture(1), array], "methods": "grad-cam"},
        "settings": {"pictures": png, "methods": ["cf-cam"], "settings": {"cf-cam": {"eps": 2.0}}, "target": "cat"},
        "layers": {"pictures": png, "methods": ["grad-cam"], "layer": ["auto"], "target": [0, "dog"]},
        "probability": {"pictures": png, "methods": ["grad-cam"], "score": "probability", "augmentation": "flip"},
        "unavailable": {"pictures": png, "methods": ["grad-cam", "prompt-cam"]},
    }


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "method": ({"methods": "no-cam"}, MethodError, "no-cam"),
    "layer": ({"layer": "nowhere"}, LayerError, "nowhere"),
    "target": ({"target": "unicorn"}, TargetError, "unicorn"),
    "model": ({"model": "no such model"}, ModelError, "no such model"),
    "picture": ({"pictures": b"no picture"}, PictureError, "picture"),
    "settings": ({"methods": "cf-cam", "settings": {"cf-cam": {"eps": -1}}}, MethodError, "eps"),
}
"""By what is wrong, the question, the error, and a word of its sentence."""


def check_contract(asked: Any, engine: Any, png: bytes) -> None:
    """Fails unless what is asked answers as the engine does.

    Args:
        asked: an engine, or a client of one.
        engine: an engine.
        png: a picture's file.
    """
    for about, question in list_questions(png).items():
        assert describe(asked.explain(**question, model=MODEL)) == describe(engine.explain(**question, model=MODEL)), (
            about
        )
    assert asked.predict(make_picture(2), MODEL, 3) == engine.predict(make_picture(2), MODEL, 3)
    loaded = asked.load(MODEL)
    assert loaded.fingerprint == engine.load(MODEL).fingerprint
    assert asked.explain(png, loaded, "grad-cam").pictures[0].maps[0].method == "grad-cam"
    assert asked.description == engine.description and asked.device == engine.device
    for about, (changes, kind, word) in REFUSED.items():
        with pytest.raises(kind, match=word):
            asked.explain(**{"pictures": png, "model": MODEL, "methods": "grad-cam", **changes})
        assert about
    told: list[tuple[float, str]] = []
    asked.explain([png, make_picture(3)], MODEL, "grad-cam", progress=lambda share, text: told.append((share, text)))
    assert told and told == sorted(told, key=lambda one: one[0]) and 0 <= told[0][0] <= told[-1][0] <= 1
    check_cancel(asked, png)


def check_cancel(asked: Any, png: bytes) -> None:
    """Fails unless work stops when it is not wanted any more, before and while it is done."""
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        asked.explain(png, MODEL, "grad-cam", cancel=cancel)
    cancel = threading.Event()
    with pytest.raises(Cancelled):
        asked.explain(
            make_picture(4, size=(200, 200)),
            MODEL,
            "occlusion",
            progress=lambda share, text: cancel.set(),
            cancel=cancel,
        )


@contextmanager
def hearing(transport: Any, name: str) -> Any:
    """While entered, the calls of a transport by that name are listed."""
    heard: list[Any] = []
    told: Callable[..., Any] = getattr(transport, name)

    def call(*args: Any) -> Any:
        heard.append(args)
        return told(*args)

    setattr(transport, name, call)
    try:
        yield heard
    finally:
        setattr(transport, name, told)
