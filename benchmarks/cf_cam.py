"""Measures CF-CAM beside other methods on a real SqueezeNet: `python -m benchmarks.cf_cam --data ../shared/data`.

Five numbers for each method, averaged over photographs. The class explained is the likeliest one.

- **average drop**: how much of the class's probability is lost, in %, when each pixel is multiplied by the map (after
  ReLU, divided by its maximum, on black). Low is good. Chattopadhay et al. 2018.
- **insertion**: area under the class's probability while pixels, highest first, replace those of a blurred copy. High
  is good. **deletion**: the same while pixels are turned black. Low is good. Petsiuk et al. 2018.
- **other class**: correlation of the map with that of the least likely class that has a gradient, both after ReLU.
  Low is good; 1 says that the map ignores the class.
- **noise**: correlation of the map with that from gradients plus Gaussian noise of their own standard deviation, both
  after ReLU. High is good.

Pixels are ranked by the map before ReLU, so that what the ReLU cuts off is not one big tie.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from explain.methods import get_method
from explain.methods.cf_cam.filters import filter_maps
from explain.methods.cf_cam.settings import PUBLISHED, CfCamSettings
from explain.networks.layer import Layer
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.capture import LayerCapture

declare_missing_operators()

from torchvision.models import squeezenet1_0  # noqa: E402
from torchvision.transforms.functional import gaussian_blur  # noqa: E402

SIZE = 227
LAYER = "features.12"
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
BLUR_SIGMA = 10.0

MapFunction = Callable[[LayerCapture], Tensor]


@dataclass(frozen=True)
class Scores:
    """The measurements of one method, on one photograph or averaged; the directions are the module's."""

    average_drop: float
    insertion: float
    deletion: float
    other_class: float
    noise: float


def method_map(name: str) -> MapFunction:
    """The map of a registered method with its default settings."""
    method = get_method(name)
    return lambda capture: method.function(capture, method.settings()).values


def cf_cam_map(settings: CfCamSettings) -> MapFunction:
    """The map of CF-CAM with these settings."""
    return lambda capture: get_method("cf-cam").function(capture, settings).values


def hires_cam_map(capture: LayerCapture) -> Tensor:
    """HiRes-CAM (Draelos and Carin 2020): the gradient counts place by place."""
    return (capture.activations * capture.need_gradients()).sum(0)


def mean_activation_map(capture: LayerCapture) -> Tensor:
    """The mean of all channels, whatever the class."""
    return capture.activations.mean(0)


def centre_map(capture: LayerCapture) -> Tensor:
    """A Gaussian at the centre, a quarter of the map wide: what knowing nothing but photographers' habits gives."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, count) for count in capture.layer.grid), indexing="ij")
    return torch.exp(-sum(axis**2 for axis in axes) / (2 * 0.5**2))


def random_map(capture: LayerCapture) -> Tensor:
    """Uniform noise, seeded by the picture so that it is new for each."""
    seed = int(capture.activations.double().sum().item() * 1e3) % 2**31
    return torch.rand(capture.layer.grid, generator=torch.Generator().manual_seed(seed))


def blurred_grad_cam_map(capture: LayerCapture) -> Tensor:
    """Grad-CAM smoothed as CF-CAM's default is: what the smoothing alone does."""
    return filter_maps(method_map("grad-cam")(capture)[None], CfCamSettings())[0]


def variant(**changes: object) -> CfCamSettings:
    """The default with some settings changed."""
    return CfCamSettings.model_validate({**CfCamSettings().model_dump(), **changes})


METHODS: dict[str, MapFunction] = {
    "Grad-CAM": method_map("grad-cam"),
    "Grad-CAM, filtered like the default": blurred_grad_cam_map,
    "HiRes-CAM": hires_cam_map,
    "CF-CAM published": cf_cam_map(PUBLISHED),
    "CF-CAM published, linear weights": cf_cam_map(PUBLISHED.model_copy(update={"weights": "linear"})),
    "CF-CAM default": cf_cam_map(CfCamSettings()),
    "… dominant from 75, eps 0.5, 1 % neighbours": cf_cam_map(variant(dominant=75.0, eps=0.5, min_samples=0.01)),
    "… dominant from 100": cf_cam_map(variant(dominant=100.0)),
    "mean activation": mean_activation_map,
    "centre": centre_map,
    "random": random_map,
}


def load_network(data: Path) -> nn.Module:
    """The ImageNet SqueezeNet in `data`, in float32, without gradients for its parameters."""
    network = squeezenet1_0(weights=None)
    weights = load_file(data / "squeezenet1_0_imagenet.safetensors")
    network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load_photograph(path: Path) -> Tensor:
    """A photograph as `(3, 227, 227)` in 0…1: the shorter side resized to 256, the centre cropped."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)


def probabilities(network: nn.Module, pixels: Tensor, target: int, bfloat16: bool, batch: int = 14) -> Tensor:
    """The probability of the class for each of `(n, 3, H, W)` pictures in 0…1, `(n,)`."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = [
            network(((chunk - MEAN) / STD).contiguous(memory_format=torch.channels_last)).float()
            for chunk in pixels.split(batch)
        ]
    return torch.cat(logits).softmax(1)[:, target]


def capture_classes(network: nn.Module, pixels: Tensor) -> tuple[LayerCapture, LayerCapture]:
    """What the layer holds for the likeliest class and for the least likely one that has a gradient.

    This network ends in a ReLU: classes it rules out altogether have the score 0, and no gradient to explain.
    """
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = network.get_submodule(LAYER).register_forward_hook(keep)
    try:
        logits = network(((pixels - MEAN) / STD)[None].contiguous(memory_format=torch.channels_last))[0]
    finally:
        handle.remove()
    activations = kept[0]
    scores = logits.detach()
    likeliest = int(scores.argmax())
    least = int(torch.where(scores > 0, scores, torch.inf).argmin())
    layer = Layer(LAYER, (activations.shape[2], activations.shape[3]), activations.shape[1], "NCHW")
    first, second = (
        LayerCapture(
            layer,
            target,
            scores,
            activations.detach()[0].contiguous(),
            torch.autograd.grad(logits[target], activations, retain_graph=True)[0][0].contiguous(),
        )
        for target in (likeliest, least)
    )
    return first, second


def measure(
    network: nn.Module, pixels: Tensor, maps: dict[str, MapFunction], steps: int, seed: int, bfloat16: bool
) -> dict[str, Scores]:
    """Every method's scores on one photograph `(3, H, W)`; `steps` pictures for each of insertion and deletion."""
    likeliest, least = capture_classes(network, pixels)
    assert likeliest.gradients is not None
    noise = torch.randn(likeliest.gradients.shape, generator=torch.Generator().manual_seed(seed))
    noisy = LayerCapture(
        likeliest.layer,
        likeliest.target,
        likeliest.logits,
        likeliest.activations,
        likeliest.gradients + likeliest.gradients.std() * noise,
        derived=likeliest.derived,
    )
    blurred = gaussian_blur(pixels, kernel_size=[61, 61], sigma=[BLUR_SIGMA, BLUR_SIGMA])
    whole, hidden = probabilities(network, torch.stack([pixels, blurred]), likeliest.target, bfloat16)
    black = probabilities(network, torch.zeros_like(pixels)[None], likeliest.target, bfloat16)[0]
    scores = {}
    for name, draw in maps.items():
        signed = draw(likeliest)
        values = functional.interpolate(signed[None, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)[0]
        shown = values.relu() / values.max().clamp(min=1e-12)
        # Of the steps + 1 pictures of a curve one end is the photograph itself, and the other shows nothing of it: both
        # are the same for every method.
        rank = values.flatten().argsort(descending=True).argsort().reshape(values.shape)
        counts = torch.arange(1, steps) * (SIZE * SIZE) / steps
        revealed = rank[None] < counts[:, None, None, None]
        inserted = torch.where(revealed, pixels, blurred)
        deleted = torch.where(revealed, torch.zeros(()), pixels)
        altered = torch.cat([inserted, deleted, (shown * pixels)[None]])
        answers = probabilities(network, altered, likeliest.target, bfloat16)
        insertion = torch.cat([hidden[None], answers[: steps - 1], whole[None]])
        deletion = torch.cat([whole[None], answers[steps - 1 : -1], black[None]])
        scores[name] = Scores(
            100 * float((whole - answers[-1]).clamp(min=0) / whole),
            float(torch.trapezoid(insertion) / steps),
            float(torch.trapezoid(deletion) / steps),
            correlation(signed.relu(), draw(least).relu()),
            correlation(signed.relu(), draw(noisy).relu()),
        )
    return scores


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of two maps; 0 where one of them is flat."""
    a, b = (values.double().flatten() - values.double().mean() for values in (first, second))
    scale = float(a.norm() * b.norm())
    return float(a @ b) / scale if scale > 0 else 0.0


def average(scores: list[Scores]) -> Scores:
    """The mean of each measurement."""
    return Scores(*np.mean([list(asdict(score).values()) for score in scores], axis=0).tolist())


def as_markdown(results: dict[str, Scores]) -> str:
    """The results as a Markdown table."""
    rows = [
        "| method | average drop % (low) | insertion (high) | deletion (low) | other class (low) | noise (high) |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {s.average_drop:.1f} | {s.insertion:.3f} | {s.deletion:.3f} "
        f"| {s.other_class:.3f} | {s.noise:.3f} |"
        for name, s in results.items()
    ]
    return "\n".join(rows)


def choose_photographs(folder: Path, count: int) -> list[Path]:
    """`count` of the folder's photographs, evenly spread over their names."""
    paths = sorted(folder.glob("*.JPEG"))
    if not paths:
        raise SystemExit(f"There are no photographs in {folder}. Name the folder that holds `imagenet/` with --data.")
    return [paths[i] for i in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with imagenet/ and the SqueezeNet's weights")
    parser.add_argument("--photographs", type=int, default=60, help="how many (default: 60)")
    parser.add_argument("--steps", type=int, default=28, help="steps of insertion and deletion (default: 28)")
    parser.add_argument("--bfloat16", action="store_true", help="answer the altered pictures in bfloat16: faster")
    parser.add_argument("--threads", type=int, default=1, help="threads (default: 1)")
    parser.add_argument("--json", type=Path, help="write the results, photograph by photograph, here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = load_network(arguments.data)
    paths = choose_photographs(arguments.data / "imagenet", arguments.photographs)
    started = time.perf_counter()
    each = []
    for seed, path in enumerate(paths):
        each.append(
            measure(network, load_photograph(path), METHODS, arguments.steps, seed, bfloat16=arguments.bfloat16)
        )
        print(f"{seed + 1} of {len(paths)}", file=sys.stderr, flush=True)
    results = {name: average([scores[name] for scores in each]) for name in METHODS}
    print(f"{len(paths)} photographs, {arguments.steps} steps, {time.perf_counter() - started:.0f} s\n")
    print(as_markdown(results))
    if arguments.json:
        record = {
            "photographs": [path.name for path in paths],
            "steps": arguments.steps,
            "average": {name: asdict(scores) for name, scores in results.items()},
            "each": {name: [asdict(scores[name]) for scores in each] for name in METHODS},
        }
        arguments.json.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
