"""Train the models of scans, which start from one that ships. One command a model, which goes on from its last epoch.

    python -m explain.bundled.making.fine_tune scan-mri --data DIR
    python -m explain.bundled.making.fine_tune scan-mri-tumour --data DIR    (from scan-mri)
    python -m explain.bundled.making.fine_tune chest-xray --data DIR

`DIR` holds `brain_mri/` and `chest_radiographs/`; see `explain.bundled.scan_sets`.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import safetensors.torch
import torch
import typer
from torch import nn
from torch.nn import functional

from explain.bundled.architectures import BUILDERS
from explain.bundled.making.examples import Examples, PictureSource, Variation
from explain.bundled.making.holes import exchange, hide, move_marks
from explain.bundled.making.scans import Scans
from explain.bundled.making.train import evaluate, follow, round_to_half, save_whole
from explain.bundled.models import FIRST_MODEL
from explain.bundled.scan_sets import find_declared


@dataclass(frozen=True)
class FineTuning:
    """Everything that decides a run, so that the weight file's header and the card can name it.

    Attributes:
        epochs: how often every picture is seen; 0 fits the last layer alone, on features that are computed once.
        learning_rate: the highest, of what was trained before.
        head_rate: the same of the classifier, which is new.
        weight_decay: of filters; of the last layer alone it is the ridge.
        rounds: how many varied views of each picture there are. What is frozen sees each once; epochs take turns.
        batch: pictures to a step.
        seed: of every draw.
        zoom, light: see `Variation`.
        smoothing: of the labels.
        memory: pictures over which the averaged weights reach back.
        hidden: weight of the loss that asks for no answer, all classes alike, once the marked tumour is hidden.
        exchanged: weight of the loss that asks for the class of the tumour put into another slice.
        outside: weight of the evidence for any class outside the marked tumour.
        start: the bundled model whose weights it begins with, as far as they fit.
    """

    epochs: int
    learning_rate: float = 1e-3
    head_rate: float = 2e-3
    weight_decay: float = 0.02
    rounds: int = 4
    batch: int = 32
    seed: int = 0
    zoom: float = 0.15
    light: float = 0.25
    smoothing: float = 0.1
    memory: int = 4000
    hidden: float = 0.0
    exchanged: float = 0.0
    outside: float = 0.0
    start: str = FIRST_MODEL

    @property
    def composed(self) -> bool:
        """Whether pictures with hidden and exchanged tumours are shown too."""
        return bool(self.hidden or self.exchanged or self.outside)


RECIPES = {
    "scan-mri": FineTuning(epochs=10, rounds=5),
    "scan-mri-tumour": FineTuning(epochs=4, rounds=1, hidden=1.0, exchanged=1.0, outside=0.1, start="scan-mri"),
    "chest-xray": FineTuning(epochs=0, weight_decay=1.0),
}

FROZEN = 4
"""So many leading stages of `imagenet-cnn` do not learn, and neither do the depthwise filters of later ones, whose
gradient is slow on a CPU."""


@dataclass(frozen=True, eq=False)
class Round:
    """One varied view of every picture, as the frozen stages see it.

    Attributes:
        features: `(kinds, N, C, h, w)` bfloat16: the pictures, half of them with a hole beside the tumour; and where a
            recipe asks for them, those with the tumour hidden, and other slices with the tumour of these put in.
        classes: `(N,)`.
        near: `(N, h, w)`, 1 where a cell touches the tumour or lies next to one that does.
    """

    features: torch.Tensor
    classes: torch.Tensor
    near: torch.Tensor


def build(name: str, weights: Path, seed: int = 0, start: str = FIRST_MODEL) -> Any:
    """The network of that name with those weights of `start` that fit it; else its classifier knows nothing yet."""
    torch.manual_seed(seed)
    declared = find_declared(name)
    network: Any = BUILDERS[declared.architecture](len(declared.classes))
    own = network.state_dict()
    before = safetensors.torch.load_file(weights / f"{start}.safetensors")
    fitting = {key: tensor for key, tensor in before.items() if key in own and own[key].shape == tensor.shape}
    blank = {key: torch.zeros_like(tensor) for key, tensor in own.items() if key.startswith("classifier.")}
    network.load_state_dict({**own, **blank, **fitting})
    for key, parameter in network.named_parameters():
        if key.startswith(("conv_stem.", "bn1.")) or "conv_dw." in key:
            parameter.requires_grad_(False)
    network.blocks[:FROZEN].requires_grad_(False)
    network.to(memory_format=torch.channels_last)
    return network.eval()


def begin(network: Any, views: torch.Tensor) -> torch.Tensor:
    """What the frozen stages make of views `(B, 3, S, S)`, in bfloat16."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = network.bn1(network.conv_stem(views.contiguous(memory_format=torch.channels_last)))
        return network.blocks[:FROZEN](features).bfloat16()


def finish(network: Any, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores `(B, C)`, and what each cell adds to them above the mean of the classes, `(B, C, h, w)`."""
    with torch.autocast("cpu", torch.bfloat16):
        features = network.bn2(network.conv_head(network.blocks[FROZEN:](features)))
    evidence = functional.conv2d(features.float(), network.classifier.weight[:, :, None, None])
    scores = evidence.mean((2, 3)) + network.classifier.bias
    return scores, evidence - evidence.mean(1, keepdim=True)


def make_round(network: Any, source: PictureSource, examples: Examples, recipe: FineTuning, number: int) -> Round:
    """Vary all pictures, and run what is frozen on them."""
    generator = torch.Generator().manual_seed(recipe.seed + 1000 * number)
    order = torch.randperm(len(examples.pictures), generator=generator)  # tumours are exchanged within a batch
    features, near = [], []
    for chosen in order.split(64):
        varied = source.vary(
            examples.pick(chosen), source.input_size, generator, Variation(recipe.zoom, recipe.light, 0.0)
        )
        assert varied.cells is not None
        views, marks = varied.pictures[:, :1], varied.cells[..., 0]  # one plane of three that are alike
        shown = [views]
        if recipe.composed:
            # The same hole elsewhere, in half of the pictures: a hole alone must say nothing.
            holed = torch.rand(len(views), 1, 1, 1, generator=generator) < 0.5
            elsewhere = hide(views, move_marks(views, marks, generator), generator)
            other = torch.randperm(len(views), generator=generator)
            shown = [
                torch.where(holed, elsewhere, views),
                hide(views, marks, generator),
                exchange(views, marks, views[other], marks[other], generator),
            ]
        features.append(torch.stack([begin(network, some.expand(-1, 3, -1, -1)) for some in shown]))
        touched = functional.adaptive_max_pool2d(marks[:, None].float(), [*features[-1].shape[-2:]])
        near.append(functional.max_pool2d(touched, 3, 1, 1)[:, 0])
    return Round(torch.cat(features, 1), examples.classes[order], torch.cat(near))


def tune(
    name: str, recipe: FineTuning, source: PictureSource, weights: Path, state: Path, say: Callable[[str], None]
) -> nn.Module:
    """Train the network of that name, resuming from `state` where it exists. Returns the averaged weights."""
    network = build(name, weights, recipe.seed, recipe.start)
    if not recipe.epochs:
        return fit_last(network, recipe, source)
    average = copy.deepcopy(network)
    examples = source.read("train")
    optimiser = _build_optimiser(network, recipe)
    steps = len(examples.pictures) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [group["lr"] for group in optimiser.param_groups], total_steps=recipe.epochs * steps, pct_start=0.15
    )
    first = 0
    kept = {"model": network, "average": average, "optimiser": optimiser, "schedule": schedule}
    if state.exists():
        saved = torch.load(state, weights_only=True)
        for key, holder in kept.items():
            holder.load_state_dict(saved[key])
        first = saved["epoch"]
        say(f"Going on after epoch {first}.")
    rounds = []
    for number in range(min(recipe.rounds, recipe.epochs) if first < recipe.epochs else 0):
        rounds.append(make_round(network, source, examples, recipe, number))
        say(f"Views of round {number + 1} are ready.")
    network.bn2.train()  # it follows filters that are new, or have changed most
    for epoch in range(first, recipe.epochs):
        started, total = time.perf_counter(), 0.0
        generator = torch.Generator().manual_seed(recipe.seed + 1 + 1000 * epoch)
        order = torch.randperm(len(examples.pictures), generator=generator)
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            loss = find_loss(network, rounds[epoch % len(rounds)], chosen, recipe)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
            done = epoch * steps + step
            follow(average, network, decay=min(1 - recipe.batch / recipe.memory, (1 + done) / (10 + done)))
        save_whole(state, {key: holder.state_dict() for key, holder in kept.items()} | {"epoch": epoch + 1})
        say(f"epoch {epoch + 1}/{recipe.epochs}: loss {total / steps:.3f}, {time.perf_counter() - started:.0f} s")
    return average


def _build_optimiser(network: Any, recipe: FineTuning) -> torch.optim.Optimizer:
    head = [*network.classifier.parameters()]
    rest = [p for p in network.parameters() if p.requires_grad and not any(p is own for own in head)]
    groups: list[dict[str, Any]] = [
        {"params": head, "lr": recipe.head_rate, "weight_decay": recipe.weight_decay},
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def find_loss(network: Any, views: Round, chosen: torch.Tensor, recipe: FineTuning) -> torch.Tensor:
    """What a batch costs under a recipe: the class, and where it asks for that, what the class may rest on."""
    features, classes = views.features[:, chosen], views.classes[chosen]
    scores, evidence = finish(network, features.flatten(0, 1))
    loss = functional.cross_entropy(scores[: len(chosen)], classes, label_smoothing=recipe.smoothing)
    if not recipe.composed:
        return loss
    _, gone, given = scores.chunk(3)
    loss = loss - recipe.hidden * functional.log_softmax(gone, 1).mean()
    loss = loss + recipe.exchanged * functional.cross_entropy(given, classes, label_smoothing=recipe.smoothing)
    outside = 1 - torch.stack([views.near[chosen], torch.zeros_like(views.near[chosen]), views.near[chosen]])
    return loss + recipe.outside * (evidence.square().mean(1) * outside.flatten(0, 1)).mean()


def fit_last(network: Any, recipe: FineTuning, source: PictureSource) -> nn.Module:
    """Fit the last layer alone: a logistic regression with a ridge on the features of each picture and its mirror."""
    examples = source.read("train")
    features, classes = [], []
    with torch.inference_mode():
        for some in examples.pictures.split(recipe.batch):
            for views in (source.view(some), source.view(some).flip(3)):
                features.append(network.forward_head(network.forward_features(views), pre_logits=True))
        for chosen in examples.classes.split(recipe.batch):
            classes += [chosen, chosen]
    known, wanted = torch.cat(features).clone(), torch.cat(classes)
    mean, spread = known.mean(0), known.std(0) + 1e-3
    known = (known - mean) / spread
    count = network.classifier.out_features
    weight, bias = torch.zeros(count, known.shape[1], requires_grad=True), torch.zeros(count, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(known @ weight.T + bias, wanted)
        loss = loss + recipe.weight_decay * weight.square().sum() / 2
        loss.backward()
        return loss

    optimiser.step(step)
    with torch.no_grad():
        network.classifier.weight.copy_(weight / spread)
        network.classifier.bias.copy_(bias - (weight * mean / spread).sum(1))
    return network


def main(
    name: Annotated[str, typer.Argument(help=" or ".join(RECIPES))],
    data: Annotated[Path, typer.Option(help="Holds brain_mri/ and chest_radiographs/.")],
    out: Annotated[Path, typer.Option(help="Where the weights go, and imagenet-cnn lies.")] = Path("assets/models"),
    runs: Annotated[Path, typer.Option(help="Where unfinished runs are kept.")] = Path("runs"),
) -> None:
    """Train one of the bundled models of scans."""
    if name not in RECIPES:
        raise typer.BadParameter(f"There is no recipe for {name}. Known: {', '.join(RECIPES)}.")
    recipe, source = RECIPES[name], Scans(data, name)
    network = tune(name, recipe, source, out, runs / f"{name}.pt", say=lambda line: print(line, flush=True))
    round_to_half(network)
    accuracy = evaluate(network, source)
    trained = {
        key: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in network.state_dict().items()
    }
    path = out / f"{name}.safetensors"
    safetensors.torch.save_file(trained, path, {"recipe": json.dumps(asdict(recipe)), "top1": f"{accuracy:.2f}"})
    print(f"{name}: test top-1 {accuracy:.2f} % over {len(source.read('test').pictures):,} pictures.")


if __name__ == "__main__":
    typer.run(main)
