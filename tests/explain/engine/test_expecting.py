"""How far layers look where an expert would, with an engine."""

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.engine.expecting import look_by_layer
from explain.errors import ExplainError
from explain.passes.count import Passes
from explain.pictures.geometry import prepare
from explain.pictures.picture import Picture
from tests.support.engine import build_model, make_picture, spend


def test_each_layer_is_compared_with_the_mask_in_one_pass() -> None:
    cnn, engine = build_model("cnn"), Engine("cpu")
    noise = make_picture()
    pixels = np.ascontiguousarray(noise.pixels[:32, :32])
    picture = Picture("square", pixels, pixels, noise.digest)
    looks: list[tuple[object, ...]] = []
    spent = spend(engine, lambda: looks.append(look_by_layer(engine, picture, cnn, (4, 8, 16, 20))))
    assert spent == Passes(1, 0)
    (found,) = looks
    assert [look.layer for look in found] == [layer.name for layer in cnn.layers]  # type: ignore[attr-defined]
    kept = []
    handle = cnn.module.get_submodule("layer4").register_forward_hook(lambda _m, _i, output: kept.append(output))
    cnn.module(prepare(picture, cnn.preprocessing).tensor)
    handle.remove()
    active = kept[0][0].abs().mean(0)
    mask = torch.zeros(32, 32)
    mask[8:20, 4:16] = 1
    cells = torch.nn.functional.adaptive_avg_pool2d(mask[None, None], active.shape)[0, 0]
    expected = float((active * cells).sum() / (active.norm() * cells.norm()))
    last = found[-1]
    assert last.cosine == pytest.approx(expected, abs=1e-5) and len(last.places) == 19  # type: ignore[attr-defined]


def test_what_cannot_be_looked_at_is_said() -> None:
    with pytest.raises(ExplainError, match="all that the model saw"):
        look_by_layer(Engine("cpu"), make_picture(), build_model("cnn"), (-1, -1, 99, 99))
