"""An engine's question asked of it and of its client: the same suite is run on both."""

import json
import threading
from collections.abc import Callable, Collection
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.errors import Cancelled, LayerError, MethodError, ModelError, PictureError, TargetError
from explain.methods import get_method
from explain.methods.cf_cam.settings import CfCamSettings
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.pictures.picture import Picture
from explain.remote.calls import CALLS
from explain.remote.values import Writer
from explain.volumes.from_array import build_volume
from explain.volumes.volume import Volume
from explain.volumes.windows import Window
from tests.support.engine import build_model, make_picture
from tests.support.image_files import saved
from tests.support.volume_network import load_network

MODEL = "photo-cnn"
_OF_THIS_TIME = ("seconds", "passes", "remembered")
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


def make_volume() -> Volume:
    """A few slices of noise."""
    numbers = np.random.default_rng(0).integers(0, 4000, (9, 20, 24)).astype(np.int16)
    return build_volume(numbers, np.diag([0.5, 0.5, 5.0, 1.0]))


def list_calls(picture: Picture, other: Picture, volume: Volume) -> dict[str, tuple[str, dict[str, Any]]]:
    """A question for each method that may be asked from elsewhere: its model, see `give_models`, and what else."""
    mask = np.zeros(picture.size, bool)
    mask[5:20, 10:30] = True
    quick: dict[str, Any] = {"picture": picture, "methods": ["grad-cam"], "target": 1}
    whole: dict[str, Any] = {"volume": volume, "methods": ["grad-cam"], "target": 0}
    return {
        "predict": ("cnn", {"picture": picture, "top": 3}),
        "explain": (
            "cnn",
            {"pictures": [picture, other], "methods": "grad-cam", "settings": {"cf-cam": CfCamSettings()}},
        ),
        "explain_stack": ("cnn", {"volume": volume, "methods": ("grad-cam",), "window": Window("Here", 100.0, 200.0)}),
        "explain_volume": ("volume", whole),
        "judge": ("cnn", quick),
        "judge_volume": ("volume", whole),
        "measure": ("cnn", quick | {"measures": ["adcc"]}),
        "measure_volume": ("volume", whole | {"measures": ["adcc"]}),
        "measure_effects": ("cnn", {"picture": picture, "regions": {"a": mask, "b": (1, 1, 9.5, 20)}}),
        "measure_channels": ("cnn", {"picture": picture, "twin": other, "beside": [other]}),
        "measure_paths": ("cnn", {"picture": picture, "layers": ("layer1", "layer4")}),
        "measure_patches": ("vit", {"picture": picture, "twin": other}),
        "find_exemplars": ("cnn", {"pictures": [picture, other], "target": "dog"}),
        "draw": ("cnn", {"channel": 3, "start": np.full((8, 8, 3), 0.5, np.float32), "settings": {"steps": 8}}),
        "capture": ("cnn", {"picture": picture, "method": "cf-cam", "settings": CfCamSettings(eps=2.0)}),
        "ask_prompts": ("vit", {"picture": picture, "targets": ("auto", "dog")}),
        "estimate_seconds": ("cnn", {"method": get_method("score-cam")}),
        "estimate_verdicts": ("cnn", {}),
        "estimate_stack": ("cnn", {"maps": (), "count": 3}),
    }


def give_models(engine: Engine) -> None:
    """Let an engine have small models by the names of `list_calls`."""
    known = {kind: build_model(kind) for kind in ("cnn", "vit")}
    known["volume"] = replace(load_network(engine), request=ModelRequest(source="hub", name="volume"))
    load = engine.load

    def give(model: Any, *args: Any, **told: Any) -> LoadedModel:
        name = model.name if isinstance(model, ModelRequest) else model
        found = known.get(name) if isinstance(name, str) else None
        return load(model, *args, **told) if found is None else found

    engine.load = give  # type: ignore[method-assign]


def check_calls(asked: Any, engine: Any, names: Collection[str] = tuple(CALLS)) -> None:
    """Fails unless each method that may be asked from elsewhere answers as the engine's own.

    Args:
        asked: an engine, or a client of one.
        engine: an engine.
        names: of the methods.
    """
    questions = list_calls(make_picture(5), make_picture(6), make_volume())
    assert questions.keys() == CALLS.keys()
    for name in names:
        model, arguments = questions[name]
        answers = [getattr(one, name)(model=one.load(model), **arguments) for one in (engine, asked)]
        if CALLS[name].streams:
            answers = [list(one) for one in answers]
            assert answers[0], name
        if name.startswith("estimate"):  # by the pace, which goes on being measured
            assert [type(one) for one in answers] == [float, float], name
        else:
            assert lay_out(answers[1]) == lay_out(answers[0]), name


def lay_out(value: Any) -> Any:
    """All of an answer that must be the same whoever gave it, arrays bit for bit."""
    writer = Writer(_refer)
    told = json.dumps(_prune(writer.write(value)))
    return told, {name: (array.dtype, array.shape, array.tobytes()) for name, array in writer.tensors.items()}


def _refer(value: Any) -> Any:
    if isinstance(value, LoadedModel):
        return {"model": value.fingerprint}
    return {"named": value.digest} if isinstance(value, (Picture, Volume)) else None


def _prune(told: Any) -> Any:
    """Without how long it took, and what was remembered."""
    if isinstance(told, list):
        return [_prune(one) for one in told]
    if isinstance(told, dict):
        return {name: _prune(one) for name, one in told.items() if name not in _OF_THIS_TIME}
    return told
