"""Whether the truth is backed where it is known: on drawn birds whose deciding part is known pixel by pixel.

A bird and its sibling, drawn from one seed, differ in one part only. Where the network names both right, that part
decides between them: nothing else can. A map that is the mask of that part must be *backed* for the bird's class. What
it is compared with are moved copies, and for other pictures and classes the masks of as many other birds. The mask of
another bird must not be backed.
"""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.verdict.recall import Recall
from benchmarks.verdict.share import Share
from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import Siblings, find_siblings
from explain.engine.engine import Engine
from explain.methods import Method, MethodResult
from explain.methods.base import registered
from explain.models.loaded import LoadedModel
from explain.passes.capture import LayerCapture
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare
from explain.pictures.picture import Picture
from explain.settings import Settings

_STRANGERS = 240
_ALIKE = 0.6
"""Of the pixels' spread: copies lie nearer than that to their bird, other birds further away."""

FIRST_SEED = 3_000_000
"""No network was trained and nothing calibrated on birds from here on."""


@dataclass(frozen=True, eq=False)
class Known:
    """A bird with its deciding part `(S, S)` bool, known to be what the network goes by."""

    picture: Picture
    siblings: Siblings
    mask: np.ndarray


def draw_picture(species: str, seed: int) -> Picture:
    """A bird as a picture, without loss."""
    pixels = draw_bird(species, seed).pixels
    return decode(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes(), f"{species} {seed}.png")


def list_known(engine: Engine, loaded: LoadedModel, count: int) -> list[Known]:
    """So many birds that are named right with their part, and as their sibling with the sibling's."""
    pairs = [pair for pair in find_siblings() if {pair.plain, pair.marked} <= {*loaded.labels}]
    found: list[Known] = []
    seed = FIRST_SEED
    while len(found) < count:
        pair = pairs[seed % len(pairs)]
        picture = draw_picture(pair.marked, seed)
        named = [engine.predict(one, loaded, 1)[0].label for one in (picture, draw_picture(pair.plain, seed))]
        mask = draw_bird(pair.marked, seed).masks[pair.part]
        if named == [pair.marked, pair.plain] and mask.any():
            found.append(Known(picture, pair, mask))
        seed += 1
    return found


def measure_birds(model: str, count: int) -> dict[str, object]:
    """Judge the masks of the deciding parts, and those of other birds."""
    engine = Engine()
    loaded = engine.load(model)
    recall = Recall(loaded)
    birds = list_known(engine, loaded, count)
    inputs = np.stack([prepare(bird.picture, loaded.preprocessing).tensor[0].numpy() for bird in birds])

    spread = float(inputs.std())

    def find(capture: LayerCapture) -> int | None:
        """The bird that a capture is of, or is a copy of; None where it is of another picture."""
        picture = recall.picture_of(capture)[0].numpy()
        apart = np.sqrt(((inputs - picture) ** 2).mean((1, 2, 3)))
        return int(apart.argmin()) if apart.min() < _ALIKE * spread else None

    words: dict[str, Counter[str]] = {"true_part": Counter(), "other_part": Counter()}
    with registered(_make(find, birds, loaded, own=True)), registered(_make(find, birds, loaded, own=False)):
        for number, bird in enumerate(birds, 1):
            (*_, verdicts) = engine.judge(bird.picture, loaded, [*words], target=bird.siblings.marked)
            for key, verdict in verdicts.items():
                words[key.partition("/")[0]].update(
                    [*verdict.words, "all", f"{bird.siblings.part}: {verdict.words[0]}"]
                )
            if number % 20 == 0:
                print(f"{number} of {count} birds", file=sys.stderr)
    shares = {name: Share(counted["backed"], counted["all"]) for name, counted in words.items()}
    print(f"{model}, {count} birds whose deciding part is known\n")
    print("backed", *(f"  {name:14} {share}" for name, share in shares.items()), "", sep="\n")
    print(*(f"  {what:34} {times}" for what, times in sorted(words["true_part"].items()) if ":" in what), "", sep="\n")
    return {
        "birds": count,
        "true_part_backed": shares["true_part"].hits / count,
        "other_part_backed": shares["other_part"].hits / count,
        "true_part_words": dict(words["true_part"].most_common()),
    }


def draw_strangers(count: int) -> list[np.ndarray]:
    """The masks of the deciding parts of other birds."""
    pairs = find_siblings()
    drawn = [(pairs[number % len(pairs)], FIRST_SEED - 1 - number) for number in range(count)]
    masks = [draw_bird(pair.marked, seed).masks[pair.part] for pair, seed in drawn]
    return [mask for mask in masks if mask.any()]


def _make(find: Callable[[LayerCapture], int | None], birds: Sequence[Known], loaded: LoadedModel, own: bool) -> Method:
    """A method that answers with the mask of the bird it is shown, for its class; else with that of a stranger."""
    import torch

    strangers = draw_strangers(_STRANGERS)

    def draw(capture: LayerCapture, settings: Settings) -> MethodResult:
        shown = find(capture)
        known = shown is not None and loaded.labels[capture.target] == birds[shown].siblings.marked
        # A bird and its copies always have the same stranger.
        number = zlib.crc32(capture.logits.numpy().tobytes()) if shown is None else 7 * shown + capture.target
        mask = birds[shown].mask if known and own and shown is not None else strangers[number % len(strangers)]
        return MethodResult(torch.from_numpy(mask.astype(np.float32)))

    name = "true_part" if own else "other_part"
    return Method(
        draw, name=name, title=name, sentence="", paper="", group="gradients", needs={"activations", "gradients"}
    )
