"""Whether maps of known worth get the words that they deserve.

Each picture that the model was not trained on and that it names right is judged as on the page, with maps of known
worth among the methods:

- **bad maps**, which must not be *backed*: Grad-CAM of the least likely class (`wrong_class`), Grad-CAM with its
  channels' weights shuffled (`shuffled`), smooth noise (`noise`), a bell in the middle (`centre`), Grad-CAM of the
  picture before (`other_picture`), and Grad-CAM of the same picture by a twin of the network that has learnt nothing
  (`twin`). Each stands in for Grad-CAM, and so is compared with the maps of other pictures that ship of Grad-CAM.
- **maps made for the class** by Grad-CAM, HiRes-CAM and CF-CAM, which must not be *contradicted*. How often they are
  backed is printed beside that: who never backs a map is never wrong.

Nothing here is used to set a threshold: those of `explain.faithfulness.verdict` are chances of error, chosen before.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from unittest.mock import patch

import cv2
import numpy as np

from benchmarks.verdict.birds import FIRST_SEED, draw_picture
from benchmarks.verdict.recall import Recall
from benchmarks.verdict.share import Share
from explain.bundled.birds.species import SPECIES
from explain.engine import strangers
from explain.engine.engine import Engine
from explain.faithfulness.calibration import read_calibration
from explain.methods import Method, MethodResult, get_method
from explain.methods.base import registered
from explain.networks.twin import make_twin
from explain.passes.capture import LayerCapture
from explain.passes.look import Ask, look_at
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel

GOOD = ("grad-cam", "hires-cam", "cf-cam")
BAD = ("wrong_class", "shuffled", "noise", "centre", "other_picture", "twin")


@dataclass(frozen=True)
class LeastLikely:
    """The score of the class that the network finds least likely, whatever is asked for."""

    def __call__(self, scores: Tensor, target: int) -> Tensor:
        """See `explain.passes.look.Objective`."""
        return scores.min()


def list_bad_methods(loaded: LoadedModel) -> Iterator[Method]:
    """Methods whose maps mean nothing for the class, each with a reason to look like one that does."""
    grad_cam = get_method("grad-cam")
    before: list[Tensor] = []

    def draw_noise(capture: LayerCapture, settings: Settings) -> MethodResult:
        import torch

        rows, columns = capture.activations.shape[1:]
        seed = int(abs(float(capture.logits.double().sum())) * 1e6) % 2**32
        noise = np.random.default_rng(seed).random((3, 3))
        drawn = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_CUBIC)
        return MethodResult(torch.from_numpy(drawn - drawn.min()).float())

    def draw_centre(capture: LayerCapture, settings: Settings) -> MethodResult:
        import torch

        along = [torch.linspace(-1, 1, side + 1)[:-1] + 1 / side for side in capture.activations.shape[1:]]
        return MethodResult(torch.exp(-2 * (along[0][:, None] ** 2 + along[1][None, :] ** 2)))

    def shuffle(capture: LayerCapture, settings: Settings) -> MethodResult:
        import torch

        weights = capture.need_gradients().mean((1, 2))
        order = torch.randperm(len(weights), generator=torch.Generator().manual_seed(0))
        return MethodResult(torch.einsum("k,khw->hw", weights[order], capture.activations))

    def draw_of_picture_before(capture: LayerCapture, settings: Settings) -> MethodResult:
        before.append(grad_cam.function(capture, settings).values)
        return MethodResult(before[-2] if len(before) > 1 else before[-1])

    twin, recall = make_twin(loaded.module), Recall(loaded)

    def draw_of_twin(capture: LayerCapture, settings: Settings) -> MethodResult:
        asks = (Ask(capture.target, "logit"),)
        (look,) = look_at(twin, recall.picture_of(capture), (capture.layer,), asks, loaded.outputs)
        name = capture.layer.name
        own = replace(capture, activations=look.activations[name], gradients=look.gradients[name, asks[0]])
        return grad_cam.function(own, settings)

    made = {
        "noise": draw_noise,
        "centre": draw_centre,
        "shuffled": shuffle,
        "other_picture": draw_of_picture_before,
        "twin": draw_of_twin,
    }
    for name, function in made.items():
        yield _make(function, name, None)
    yield _make(grad_cam.function, "wrong_class", LeastLikely())


def _read_for_grad_cam(model: str, fingerprint: str, method: str, place: str) -> np.ndarray | None:
    """Grad-CAM's maps of other pictures for methods that stand in for it."""
    return read_calibration(model, fingerprint, "grad-cam" if method in BAD else method, place)


def _count(words: dict[str, Counter[str]]) -> list[str]:
    """How many are backed so far."""
    return [f"{name} {counted['backed']}" for name, counted in words.items()]


def _make(function: object, name: str, objective: LeastLikely | None) -> Method:
    return Method(
        function,  # type: ignore[arg-type]
        name=name,
        title=name,
        sentence="",
        paper="",
        group="gradients",
        needs={"activations", "gradients"},
        objective=None if objective is None else lambda _settings: objective,
    )


def read_pictures(folder: Path, count: int) -> list[tuple[Picture, str]]:
    """The first pictures of each class, the classes in turn."""
    classes = [sorted(path.iterdir()) for path in sorted(folder.iterdir()) if path.is_dir()]
    turns = [paths[turn] for turn in range(max(map(len, classes))) for paths in classes if turn < len(paths)]
    return [(decode(path.read_bytes(), path.name), path.parent.name) for path in turns[:count]]


def draw_birds(count: int) -> list[tuple[Picture, str]]:
    """The same of the species of the drawn birds, each its own."""
    names = [SPECIES[number % len(SPECIES)].name for number in range(count)]
    return [(draw_picture(name, FIRST_SEED + 500_000 + number), name) for number, name in enumerate(names)]


def measure_maps(model: str, pictures: Sequence[tuple[Picture, str]]) -> dict[str, object]:
    """Judge all maps of all pictures and count the words."""
    engine = Engine()
    loaded = engine.load(model)
    words: dict[str, Counter[str]] = defaultdict(Counter)
    seconds = []
    counted = 0
    with ExitStack() as stack:
        for method in list_bad_methods(loaded):
            stack.enter_context(registered(method))
        stack.enter_context(patch.object(strangers, "read_calibration", _read_for_grad_cam))
        for number, (picture, label) in enumerate(pictures, 1):
            if engine.predict(picture, loaded, 1)[0].label != label:
                continue
            counted += 1
            started = time.perf_counter()
            engine.forget()
            (*_, verdicts) = engine.judge(picture, loaded, [*GOOD, *BAD])
            seconds.append(time.perf_counter() - started)
            for key, verdict in verdicts.items():
                words[key.split("/")[0]].update([*verdict.words, "all"])
            if number % 20 == 0:
                print(f"{number} of {len(pictures)} pictures", *_count(words), file=sys.stderr)
    rows = {name: dict(words[name].most_common()) for name in (*GOOD, *BAD)}
    backed = {name: Share(words[name]["backed"], words[name]["all"]) for name in (*GOOD, *BAD)}
    contradicted = {name: Share(words[name]["contradicted"], words[name]["all"]) for name in GOOD}
    print(f"{model}, {counted} pictures named right, {median(seconds):.2f} s each for {len(rows)} maps\n")
    for title, shares in (("backed", backed), ("contradicted", contradicted)):
        print(title, *(f"  {name:14} {share}" for name, share in shares.items()), "", sep="\n")
    return {
        "model": model,
        "pictures": counted,
        "seconds": median(seconds),
        "words": rows,
        "bad_maps_backed": {name: backed[name].hits / backed[name].count for name in BAD},
        "good_maps_backed": {name: backed[name].hits / backed[name].count for name in GOOD},
        "good_maps_contradicted": {name: share.hits / share.count for name, share in contradicted.items()},
    }
