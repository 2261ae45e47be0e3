"""What `effects --by-channel` prints: the channels of a layer, paths between two, and heads and MLPs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.commands.progress_lines import say_progress
from explain.engine.engine import Engine
from explain.faithfulness.channels import WAYS, Channels, Paths
from explain.faithfulness.patching import Patches
from explain.models.loaded import LoadedModel, get_layer
from explain.passes.patching import list_parts
from explain.percent import write_decimals, write_percent
from explain.pictures.picture import Picture

_MOST_PRINTED = 16


@dataclass(frozen=True)
class Within:
    """What is asked of a layer.

    Attributes:
        layer: its name.
        paths_from: name of an earlier layer from which paths lead to it; None for no paths.
        target: index or label of the class, or `auto`.
        twin: the picture whose values channels are set to; heads and MLPs too, where the model has some.
        beside: pictures whose mean is taken.
    """

    layer: str
    paths_from: str | None
    target: str
    twin: Picture | None
    beside: Sequence[Picture]


def print_channels(engine: Engine, picture: Picture, loaded: LoadedModel, asked: Within, as_json: bool) -> None:
    """Measure and print, as JSON or as tables."""
    at = get_layer(loaded, asked.layer).name
    measured = engine.measure_channels(
        picture, loaded, at, asked.target, asked.beside, asked.twin, progress=say_progress
    )
    paths = None
    if asked.paths_from is not None:
        paths = engine.measure_paths(
            picture, loaded, (asked.paths_from, at), asked.target, asked.beside, progress=say_progress
        )
    patches = None
    if asked.twin is not None and list_parts(loaded.module):
        patches = engine.measure_patches(picture, loaded, asked.twin, asked.target, progress=say_progress)
    if as_json:
        parts = {"channels": measured, "paths": paths, "patches": patches}
        data = {name: None if one is None else one.as_data() for name, one in parts.items()}
        print(json.dumps(data, indent=1, ensure_ascii=False))
        return
    _print_table(measured)
    if paths is not None:
        _print_paths(paths)
    if patches is not None:
        _print_patches(patches)
    print("Not for diagnostic use.")


def _print_table(measured: Channels) -> None:
    """The channels that do most, by how far the score falls."""
    whole = measured.whole
    probability = "" if whole.probability is None else f" · {write_percent(whole.probability, 1)}"
    print(f"{whole.label}: {whole.score:.3f}{probability}")
    print(f"How far the score falls with a channel of {measured.layer} set to … (in brackets: by Grad-CAM's weights)")
    print(f"{'channel':>8} " + " ".join(f"{WAYS[way]:>20}" for way in measured.replaced) + f" {'alone':>8}")
    for channel in measured.rank()[:_MOST_PRINTED]:
        falls = [
            f"{write_decimals(one.score.removal[channel], 3)} ({write_decimals(one.claims[channel], 3)})"
            for one in measured.replaced.values()
        ]
        alone = write_decimals(measured.replaced[measured.usual].score.alone[channel], 3)
        print(f"{channel:>8} " + " ".join(f"{fall:>20}" for fall in falls) + f" {alone:>8}")
    together = [write_decimals(one.score.together, 3) for one in measured.replaced.values()]
    print(f"{'all':>8} " + " ".join(f"{fall:>20}" for fall in together))
    for sentence in (measured.sentence, *measured.notes):
        print(sentence)


def _print_paths(paths: Paths) -> None:
    """The paths that beat the random pairs, the strongest first."""
    print(f"{paths.layers[0]:>24} → {paths.layers[1]:<24} {'score falls by':>16}")
    order = np.dstack(np.unravel_index(np.argsort(-np.abs(paths.effects), axis=None), paths.effects.shape))[0]
    for row, column in [(row, column) for row, column in order if paths.drawn[row, column]][:_MOST_PRINTED]:
        effect = write_decimals(paths.effects[row, column], 3)
        print(f"{paths.sources[row]:>24} → {paths.sinks[column]:<24} {effect:>16}")
    print(paths.sentence)


def _print_patches(patches: Patches) -> None:
    """The heads and MLPs that carry most of what differs."""
    print(f"{'from the other picture':>24} {'score falls by':>16}")
    for part in patches.rank()[:_MOST_PRINTED]:
        estimated = "" if patches.measured[part] else " (estimated)"
        print(f"{patches.names[part]:>24} {write_decimals(patches.falls[part], 3):>16}{estimated}")
    print(patches.sentence)
