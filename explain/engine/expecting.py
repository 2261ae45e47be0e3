"""How far each layer of a model looks where an expert would, in one picture."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from explain.engine.sight import Sight
from explain.errors import ModelError
from explain.faithfulness.expectation import LayerLook, look_at_mask
from explain.faithfulness.holes import find_controls, find_seen, open_hole

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.pictures.picture import Picture
    from explain.pictures.region import Region
    from explain.progress import Progress

_METHOD = "eigen-cam"  # needs what a layer sees, and no class


def look_by_layer(
    engine: Engine,
    picture: Picture,
    model: Any,
    region: Region,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> tuple[LayerLook, ...]:
    """How far each layer is active where an expert would look, beside the same mask at 19 other places. One pass
    forward where the layers were not seen before.

    Args:
        engine: who is asked.
        picture: the picture.
        model: see `Engine.load`.
        region: where the expert would look, a rectangle, an outline or a mask, in the picture's pixels.
        progress: told how far it is.
        cancel: when set, work stops with `Cancelled`.

    Raises:
        ExplainError: with a sentence on what was wrong.
    """
    loaded = engine.load(model)
    if loaded.reads_volumes:
        raise ModelError(f"“{loaded.request.name}” reads volumes; where one looks is drawn on pictures.")
    sight, size = Sight(picture, loaded), loaded.preprocessing.input_size
    mask = open_hole("what is expected", region, picture.size, sight.box, size)
    controls = find_controls(mask, find_seen(picture.size, sight.box, size), sight.seed)
    names = [layer.name for layer in loaded.layers]
    engine.explain(picture, loaded, [_METHOD], names, progress=progress, cancel=cancel)
    looks = []
    for name in names:
        capture = engine.capture(picture, loaded, name, method=_METHOD)
        looks.append(look_at_mask(name, capture.activations.cpu().numpy(), mask, controls))
    return tuple(looks)
