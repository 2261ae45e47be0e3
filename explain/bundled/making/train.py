"""Train what CAMscope ships. One command a model; stopped and started again, it goes on from its last epoch.

    python -m explain.bundled.making.train photo-cnn --data DIR
    python -m explain.bundled.making.train photo-vit --data DIR            (taught by photo-cnn)
    python -m explain.bundled.making.train photo-vit-prompts --data DIR    (on the frozen photo-vit)
    python -m explain.bundled.making.train birds-cnn
    python -m explain.bundled.making.train birds-vit
    python -m explain.bundled.making.train birds-vit-prompts               (on the frozen birds-vit)

`DIR` is CIFAR-10 as JPEG files; the birds are drawn by the command itself. Runs are kept under `--runs`, weights are
written to `--out` as safetensors in float16.
"""

import copy
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import safetensors.torch
import torch
import typer
from torch import nn
from torch.nn import functional

from explain.bundled.architectures import BUILDERS
from explain.bundled.birds.species import PARTS
from explain.bundled.making.aviary import Aviary
from explain.bundled.making.examples import Examples, PictureSource, Variation
from explain.bundled.making.optimisers import build_optimiser, find_hidden, fix_norms
from explain.bundled.making.photographs import Photographs, find_flipped, whiten
from explain.bundled.making.recipes import RECIPES, Recipe
from explain.bundled.making.teacher import distil, save_whole, score_both_ways
from explain.networks.prompt_variant import Variant
from explain.networks.prompted_vit import PromptedViT, find_keys
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

from timm.layers import PatchDropout, PatchDropoutWithIndices, set_fused_attn, use_fused_attn  # noqa: E402
from timm.models.byobnet import ByobNet  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

_DIVISOR = 25  # learning rates begin at this part of the highest


class PartReadout(nn.Module):
    """A ViT with a readout, used in training only, of the parts of the bird that each patch token shows.

    The tokens that enter the last block are read, because it is those that class prompts attend to: a token is to stand
    for its own place.
    """

    def __init__(self, vit: VisionTransformer) -> None:
        super().__init__()
        self.vit = vit
        self.readout = nn.Linear(vit.embed_dim, len(PARTS))
        self.drop = PatchDropoutWithIndices(0.0)

    def forward(self, x: torch.Tensor, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Class scores `(B, C)`, and the cross-entropy of the parts read with those in the `cells` of `Examples`."""
        vit: Any = self.vit  # whose parts timm does not type
        tokens, kept = self.drop(vit._pos_embed(vit.patch_embed(x)))
        shown = cells.flatten(1, 2)
        if kept is not None:
            shown = shown.gather(1, kept[..., None].expand(-1, -1, shown.shape[2]))
        tokens = vit.norm_pre(tokens)
        for block in vit.blocks[:-1]:
            tokens = block(tokens)
        read = self.readout(tokens[:, vit.num_prefix_tokens :])
        loss = functional.binary_cross_entropy_with_logits(read.float(), shown.float())
        return vit.forward_head(vit.norm(vit.blocks[-1](tokens))), loss


class PromptsAlong(nn.Module):
    """A ViT with class prompts in its last block, used in training only, that learn while the network does.

    Prompts on a network that never knew any find little there: its last block gathers for the class token alone.
    """

    def __init__(self, vit: VisionTransformer, classes: int) -> None:
        super().__init__()
        self.vit = vit
        self.prompted = PromptedViT(vit, classes, "last")
        vit.requires_grad_(True)

    def train(self, mode: bool = True) -> "PromptsAlong":
        """Unlike on a frozen network, batch statistics go on."""
        super().train(mode)
        self.vit.train(mode)
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the network's head and of the prompts, one below the other, `(2 · B, C)`."""
        vit: Any = self.vit  # whose parts timm does not type
        tokens = self.prompted.embed(x)
        for block in vit.blocks[:-1]:
            tokens = block(tokens)
        last = vit.blocks[-1]
        prompts = self.prompted.finish(torch.stack(find_keys(last, tokens), 1))
        return torch.cat([vit.forward_head(vit.norm(last(tokens))), prompts])


def find_source(name: str, data: Path | None) -> PictureSource:
    """What the model of that name is trained on.

    Raises:
        typer.BadParameter: it needs a folder of photographs and none is given.
    """
    if name.startswith("birds"):
        return Aviary()
    if data is None:
        raise typer.BadParameter(f"{name} is trained on photographs. Name their folder with --data.")
    return Photographs(data)


def build(name: str, variant: Variant, classes: int, weights: Path) -> nn.Module:
    """The untrained network of that name; for prompts, on the trained backbone found in `weights`."""
    backbone = name.removesuffix("-prompts")
    network = BUILDERS[backbone](classes)
    if name == backbone:
        return network
    network.load_state_dict(safetensors.torch.load_file(weights / f"{backbone}.safetensors"))
    assert isinstance(network, VisionTransformer)
    return PromptedViT(network, classes, variant)


def evaluate(model: nn.Module, source: PictureSource, step: int = 1) -> float:
    """Top-1 accuracy in per cent on every `step`-th test picture, in float32, seen as in the dashboard."""
    test = source.read("test").pick(slice(None, None, step))
    model.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(test.pictures), 250):
            some = test.pick(slice(start, start + 250))
            right += int((model(source.view(some.pictures)).argmax(1) == some.classes).sum())
    return 100.0 * right / len(test.pictures)


def train(
    name: str, stages: Sequence[Recipe], source: PictureSource, weights: Path, runs: Path, say: Callable[[str], None]
) -> tuple[nn.Module, float]:
    """Train one model through all stages, resuming `runs/<name>-<stage>.pt` where there are some.

    Returns it, rounded to float16 as it ships, with its test accuracy in per cent.
    """
    torch.manual_seed(stages[0].seed)
    torch.set_flush_denormal(True)
    fused = use_fused_attn()
    set_fused_attn(False)  # torch's fused CPU attention takes twice the time of three matrix products at this size
    try:
        model = build(name, stages[0].variant, len(source.classes), weights)
        for number, recipe in enumerate(stages, 1):
            model = train_stage(model, recipe, source, weights, runs / f"{name}-{number}.pt", say)
    finally:
        set_fused_attn(fused)
    round_to_half(model)
    return model, evaluate(model, source)


def train_stage(
    start: nn.Module, recipe: Recipe, source: PictureSource, weights: Path, state: Path, say: Callable[[str], None]
) -> nn.Module:
    """Train from the weights of `start` by one recipe, resuming from `state` where it exists. Returns the average."""
    examples = source.read("train")
    if recipe.whiten:
        whiten_stem(start, source, examples)
    model = _lay_out(copy.deepcopy(start))
    if recipe.parts:
        assert isinstance(model, VisionTransformer)
        model = PartReadout(model)
    if recipe.along:
        assert isinstance(model, VisionTransformer)
        model = PromptsAlong(model, len(source.classes))
    average = copy.deepcopy(model)
    teacher = None
    if recipe.teacher:
        teacher = build(recipe.teacher, recipe.variant, len(source.classes), weights)
        teacher = _lay_out(teacher).eval().requires_grad_(False)
        teacher.load_state_dict(safetensors.torch.load_file(weights / f"{recipe.teacher}.safetensors"))

    answers = None
    if teacher and recipe.teach_once:
        answers = score_both_ways(teacher, source, examples.pictures, state.with_name(f"{recipe.teacher}.scores"), say)

    parameters = [p for p in model.parameters() if p.requires_grad]
    filters = [p for p in find_hidden(model) if p.ndim == 4] if recipe.optimiser == "muon" else []
    optimiser = build_optimiser(model, recipe)
    steps = len(examples.pictures) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [group["lr"] for group in optimiser.param_groups],
        total_steps=recipe.epochs * steps,
        pct_start=recipe.warm_up,
        anneal_strategy=recipe.anneal,
        div_factor=_DIVISOR,
        final_div_factor=1 / (recipe.floor * _DIVISOR),
        cycle_momentum=False,
    )

    first = 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        first = saved["epoch"]
        say(f"Going on after epoch {first}.")

    frozen = run_frozen(model, source, examples.pictures) if recipe.reuse else None
    for epoch in range(first, recipe.epochs):
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(recipe.seed + 1000 * epoch)
        torch.manual_seed(recipe.seed + 1000 * epoch)
        model.train()
        size = recipe.small_size if epoch < recipe.small_epochs else source.input_size
        if recipe.patch_drop:
            set_patch_drop(model, recipe.patch_drop if epoch < recipe.patch_drop_epochs else 0.0)
        erase = recipe.erase if epoch < recipe.epochs - recipe.plain_epochs else 0.0
        variation = Variation(recipe.zoom, recipe.light, erase, recipe.whole_pixels, epoch)
        order = torch.randperm(len(examples.pictures), generator=generator)
        total = 0.0
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            some = examples.pick(chosen)
            misread = teacher_scores = None
            with torch.autocast("cpu", torch.bfloat16):
                if frozen is not None:
                    assert isinstance(model, PromptedViT)
                    scores = model.finish(frozen[chosen])
                else:
                    some = source.vary(some, size, generator, variation)
                    views = some.pictures.contiguous(memory_format=torch.channels_last)
                    scores, misread = model(views, some.cells) if recipe.parts else (model(views), None)
                    if answers is not None:
                        ways = find_flipped(examples.pictures[chosen], epoch).long()
                        teacher_scores = answers[ways, chosen].float()
                    elif teacher:
                        teacher_scores = teacher(views).float()
            times = len(scores) // len(chosen)  # two answers for each picture where prompts learn along
            classes = some.classes.repeat(times)
            if teacher_scores is None:
                loss = functional.cross_entropy(scores.float(), classes, label_smoothing=recipe.label_smoothing)
            else:
                loss = distil(scores.float(), teacher_scores.repeat(times, 1), classes)
            if misread is not None:
                loss = loss + recipe.parts * misread
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimiser.step()
            schedule.step()
            fix_norms(filters)
            total += loss.item()
            done = epoch * steps + step
            follow(average, model, decay=min(1 - recipe.batch / recipe.memory, (1 + done) / (10 + done)))
            if step % 50 == 49:
                rate = (step + 1) * recipe.batch / (time.perf_counter() - started)
                say(f"  epoch {epoch + 1} step {step + 1}/{steps} loss {total / (step + 1):.3f} {rate:.0f} pictures/s")
        save_whole(
            state,
            {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "epoch": epoch + 1,
            },
        )
        say(f"epoch {epoch + 1}/{recipe.epochs}: loss {total / steps:.3f}, {time.perf_counter() - started:.0f} s")
        if epoch % 4 == 3:
            top1 = evaluate(_unwrap(average), source, step=5)
            say(f"  top-1 of the averaged weights on every fifth test picture: {top1:.2f} %")
    trained = _unwrap(average)
    if recipe.soup:
        # What lies between two ends of one valley is often better than both (Wortsman et al., "Model soups", 2022).
        follow(trained, start, decay=1 - recipe.soup)
    if recipe.settle:
        order = torch.randperm(len(examples.pictures), generator=torch.Generator().manual_seed(recipe.seed))
        settle_norms(trained, source, examples.pictures[order])
    return trained


def settle_norms(model: nn.Module, source: PictureSource, pictures: torch.Tensor) -> None:
    """Take the statistics of batch normalisation anew: averaged weights, unvaried pictures, as the model will be used.

    Those followed in training are of weights that moved meanwhile, and of pictures with holes (Wu and Johnson,
    "Rethinking 'Batch' in BatchNorm", 2021). The pictures must come in random order: a batch of one class varies less.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for some in pictures.split(500):
            model(source.view(some).contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def whiten_stem(network: nn.Module, source: PictureSource, examples: Examples) -> None:
    """Set the first convolution to whiten the patches it sees, and keep it from learning; see `whiten`."""
    assert isinstance(network, ByobNet)
    first: Any = network.stem.get_submodule("conv1.conv")
    views = source.view(examples.pictures[:: max(1, len(examples.pictures) // 2000)])
    with torch.no_grad():
        first.weight.copy_(whiten(views, first.kernel_size[0], first.stride[0], first.out_channels))
    first.requires_grad_(False)


def _unwrap(model: nn.Module) -> nn.Module:
    """The network that ships, without what was beside it in training."""
    return model.vit if isinstance(model, PartReadout | PromptsAlong) else model


def run_frozen(model: nn.Module, source: PictureSource, pictures: torch.Tensor) -> torch.Tensor:
    """What does not depend on the prompts of all pictures, in bf16; see `PromptedViT.precompute`."""
    assert isinstance(model, PromptedViT)
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        chunks = [
            model.precompute(source.view(pictures[start : start + 250]).contiguous(memory_format=torch.channels_last))
            for start in range(0, len(pictures), 250)
        ]
    return torch.cat([chunk.bfloat16() for chunk in chunks])


def _lay_out(module: nn.Module) -> nn.Module:
    """Channels last, in which bf16 convolutions are fastest on a CPU."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs


def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights a step towards the model's; buffers such as batch statistics are averaged too."""
    with torch.no_grad():
        ours, theirs = average.state_dict(), model.state_dict()
        floats = [key for key in ours if ours[key].is_floating_point()]
        torch._foreach_lerp_([ours[k] for k in floats], [theirs[k] for k in floats], 1 - decay)
        for key in ours.keys() - set(floats):
            ours[key].copy_(theirs[key])


def round_to_half(model: nn.Module) -> None:
    """Round every weight to float16, as it is stored, so that what is measured is what ships."""
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())


def set_patch_drop(model: nn.Module, share: float) -> None:
    """Drop that share of patch tokens in training (PatchDropout, Liu et al. 2022): half the tokens, half the time."""
    if isinstance(model, PartReadout):
        model.drop = PatchDropoutWithIndices(share)
    else:
        model.patch_drop = PatchDropout(share) if share else nn.Identity()


def main(
    name: Annotated[str, typer.Argument(help=" or ".join(RECIPES))],
    data: Annotated[
        Path | None, typer.Option(help="CIFAR-10 as train/<class>/*.jpg and test/<class>/*.jpg; for photo-* only.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the weights go.")] = Path("assets/models"),
    runs: Annotated[Path, typer.Option(help="Where unfinished runs are kept.")] = Path("runs"),
) -> None:
    """Train one of the bundled models."""
    if name not in RECIPES:
        raise typer.BadParameter(f"There is no recipe for {name}. Known: {', '.join(RECIPES)}.")
    stages = RECIPES[name]
    source = find_source(name, data)
    model, accuracy = train(name, stages, source, out, runs, say=lambda line: print(line, flush=True))
    trained = {
        key: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in model.state_dict().items()
        if not key.startswith("backbone.")
    }
    out.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(
        trained,
        out / f"{name}.safetensors",
        {"recipe": json.dumps([asdict(recipe) for recipe in stages]), "top1": f"{accuracy:.2f}"},
    )
    print(f"{name}: test top-1 {accuracy:.2f} % over {len(source.read('test').pictures):,} pictures.")


if __name__ == "__main__":
    typer.run(main)
