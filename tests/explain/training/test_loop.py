"""Training of class prompts, against a plain loop that runs the whole network for every batch."""

import hashlib
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from explain.bundled.architectures import build_photo_cnn
from explain.datasets.dataset import DataSet, Example
from explain.errors import Cancelled, ExplainError, ModelError, PictureError, StorageError
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.networks.prompt_variant import Variant
from explain.networks.prompted_vit import PromptedViT
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing, prepare
from explain.training.loop import train_prompts
from explain.training.outcome import Epoch
from explain.training.recipe import PromptRecipe, change_recipe, choose_recipe, find_learning_rate

declare_missing_operators()

from timm.models.vision_transformer import VisionTransformer  # noqa: E402

SIDE, DEPTH, CLASSES = 16, 3, 3
VARIANTS: tuple[Variant, ...] = ("deep", "shallow", "last")
PREPROCESSING = Preprocessing(input_size=(SIDE, SIDE))
SMALL = PromptRecipe(epochs=4, batch=4, warm_up=1, learning_rate=0.05, patience=0)


def wrap(module: nn.Module) -> LoadedModel:
    request = ModelRequest(source="bundled", name="tiny")
    return LoadedModel(request, module.eval(), PREPROCESSING, ("a", "b", "c"), "fingerprint", ())


@pytest.fixture
def backbone() -> LoadedModel:
    torch.manual_seed(0)
    vit = VisionTransformer(
        img_size=SIDE, patch_size=8, embed_dim=32, depth=DEPTH, num_heads=4, num_classes=CLASSES, drop_path_rate=0.3
    )
    for parameter in vit.parameters():
        nn.init.normal_(parameter, 0 if parameter.ndim > 1 else 0.5, 0.3)
    return wrap(vit)


def paint(label: int, seed: int) -> bytes:
    """Noise in which one colour, that of the class, is brighter."""
    pixels = np.random.default_rng(seed).integers(0, 120, (SIDE, SIDE, 3), np.uint8)
    pixels[:, :, label] += 100
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def make_set(counts: tuple[int, ...] = (6, 6, 6), val: int = 2) -> DataSet:
    examples = []
    for label, count in enumerate(counts):
        for number in range(count + val):
            data = paint(label, 100 * label + number)
            split = "train" if number < count else "val"
            examples.append(Example(f"{label}-{number}.png", hashlib.sha256(data).hexdigest(), label, split, data))
    return DataSet(("a", "b", "c")[: len(counts)], tuple(examples))


def stack(examples: tuple[Example, ...]) -> torch.Tensor:
    return torch.cat([prepare(decode(example.data, example.name), PREPROCESSING).tensor for example in examples])


def train_slowly(
    backbone: LoadedModel, dataset: DataSet, recipe: PromptRecipe
) -> tuple[dict[str, torch.Tensor], list[tuple[float, float]]]:
    """The best prompts, and validation loss and accuracy after each epoch: nothing reused, nothing left out."""
    train, val = dataset.list_split("train"), dataset.list_split("val")
    pictures, labels = stack(train), torch.tensor([example.label for example in train])
    checks, check_labels = stack(val), torch.tensor([example.label for example in val])
    torch.manual_seed(recipe.seed * 2000)
    model = PromptedViT(backbone.module, len(dataset.labels), recipe.variant, recipe.dropout)  # type: ignore[arg-type]
    own = [model.prompts, model.score.weight]
    optimiser = torch.optim.AdamW(own, weight_decay=recipe.weight_decay)
    nn.init.zeros_(model.score.bias)
    counts = [int((labels == label).sum()) for label in range(len(dataset.labels))]
    steps = -(-len(train) // recipe.batch)
    history, best, kept = [], (-1.0, 0.0), {}
    for epoch in range(recipe.epochs):
        torch.manual_seed(recipe.seed * 2000 + epoch + 1)
        order = torch.randperm(len(train))
        flips = torch.rand(len(train)) < 0.5
        model.train()
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            views = torch.stack(
                [pictures[i].flip(2) if recipe.mirror and flips[i] else pictures[i] for i in chosen.tolist()]
            )
            at = epoch + step / steps
            if at < recipe.warm_up:
                rate = recipe.learning_rate * (at + 0.1) / (recipe.warm_up + 0.1)
            else:
                rate = (
                    recipe.learning_rate
                    * math.cos(math.pi / 2 * (at - recipe.warm_up) / (recipe.epochs - recipe.warm_up)) ** 2
                )
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = torch.zeros(())
            for scores, label in zip(model(views), labels[chosen].tolist(), strict=True):
                weight = len(train) / (len(counts) * counts[label]) if recipe.balanced else 1.0
                loss = loss - weight * torch.log(scores.exp()[label] / scores.exp().sum()) / len(chosen)
            optimiser.zero_grad()
            loss.backward()
            assert abs(float(model.score.bias.grad)) < 1e-6  # it moves all scores alike
            norm = math.sqrt(sum(float((value.grad**2).sum()) for value in own))
            for value in own:
                value.grad *= min(1.0, 5.0 / (norm + 1e-6))
            optimiser.step()
        model.eval()
        with torch.no_grad():
            scores = model(checks)
            accuracy = 100 * int((scores.argmax(1) == check_labels).sum()) / len(scores)
            history.append((float(functional.cross_entropy(scores, check_labels)), accuracy))
        if (accuracy, -history[-1][0]) > best:
            best = (accuracy, -history[-1][0])
            kept = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("backbone.")}
    return kept, history


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("counts", "changes"),
    [((6, 6, 6), {"dropout": 0.3}), ((9, 2, 4), {"seed": 3, "weight_decay": 0.1}), ((5, 4, 3), {"balanced": False})],
)
def test_training_equals_a_plain_loop(
    backbone: LoadedModel, variant: Variant, counts: tuple[int, ...], changes: dict
) -> None:
    recipe = change_recipe(SMALL, {"variant": variant, **changes})
    dataset = make_set(counts)
    tensors, history = train_slowly(backbone, dataset, recipe)
    trained = train_prompts(backbone, dataset, recipe)
    found = [(epoch.val_loss, epoch.val_accuracy) for epoch in trained.report.epochs]
    assert np.allclose(found, history, atol=1e-3)
    assert set(trained.tensors) == set(tensors) == {"prompts", "score.weight", "score.bias"}
    for name, tensor in tensors.items():
        assert torch.allclose(trained.tensors[name], tensor, atol=2e-3), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_picture_passes_the_frozen_blocks_once_a_view(backbone: LoadedModel, variant: Variant) -> None:
    seen: dict[str, int] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            seen[name] = seen.get(name, 0) + len(inputs[0])

        return hook

    vit = backbone.module
    handles = [
        vit.get_submodule(name).register_forward_hook(count(name))
        for name in ("patch_embed", "blocks.0.mlp", "blocks.1.mlp")
    ]
    dataset = make_set()
    for mirror, views in ((True, 2), (False, 1)):
        seen.clear()
        report = train_prompts(
            backbone, dataset, SMALL.model_copy(update={"variant": variant, "mirror": mirror})
        ).report
        once, every_epoch = 18 * views + 6, 4 * (18 + 6) + 6  # and once more for the report
        assert report.features_cached
        assert seen["patch_embed"] == once
        assert seen["blocks.0.mlp"] == seen["blocks.1.mlp"] == (once if variant == "last" else every_epoch)
    seen.clear()
    recipe = SMALL.model_copy(update={"variant": variant})
    assert not train_prompts(backbone, dataset, recipe, keep_features=False).report.features_cached
    assert seen["patch_embed"] == seen["blocks.1.mlp"] == every_epoch
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stop_at", [0, 7, 12])
def test_a_stopped_training_ends_with_the_same_prompts_to_the_bit(
    backbone: LoadedModel, tmp_path: Path, variant: Variant, stop_at: int
) -> None:
    recipe = SMALL.model_copy(update={"variant": variant, "dropout": 0.2})
    dataset, path = make_set(), tmp_path / "checkpoint.safetensors"
    whole = train_prompts(backbone, dataset, recipe)
    steps = 0

    def tell(said: Epoch | str, share: float | None) -> None:
        nonlocal steps
        steps = 0 if said == "Training" else steps

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > stop_at

    with pytest.raises(Cancelled):
        train_prompts(backbone, dataset, recipe, checkpoint=path, tell=tell, should_stop=stop)
    assert path.exists() == (stop_at > 5)
    torch.rand(7)  # what others draw meanwhile changes nothing
    told: list[Epoch | str] = []
    resumed = train_prompts(backbone, dataset, recipe, checkpoint=path, tell=lambda said, share: told.append(said))
    for name, tensor in whole.tensors.items():
        assert torch.equal(resumed.tensors[name], tensor), name

    def without_times(report_epochs: tuple[Epoch, ...]) -> list[Epoch]:
        return [replace(epoch, seconds=0, pictures_per_second=0) for epoch in report_epochs]

    assert without_times(resumed.report.epochs) == without_times(whole.report.epochs)
    assert tuple(said for said in told if isinstance(said, Epoch)) == resumed.report.epochs
    assert resumed.report.confusion == whole.report.confusion and resumed.report.wrong == whole.report.wrong


def test_a_checkpoint_of_another_training_is_refused(backbone: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train_prompts(backbone, make_set(), SMALL, checkpoint=path)
    others: list[tuple[LoadedModel, DataSet, PromptRecipe]] = [
        (backbone, make_set((6, 6, 7)), SMALL),
        (backbone, make_set(), SMALL.model_copy(update={"seed": 1})),
        (replace(backbone, fingerprint="another"), make_set(), SMALL),
    ]
    for other in others:
        with pytest.raises(ExplainError, match="other pictures, another ViT or other settings"):
            train_prompts(*other, checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ExplainError, match="cannot be read"):
        train_prompts(backbone, make_set(), SMALL, checkpoint=path)


def test_features_in_memory_in_half_precision_in_a_file_or_nowhere_teach_the_same(
    backbone: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explain.training.frozen_features._CHUNK", 5)
    monkeypatch.setattr("explain.training.frozen_features._SPARE_BYTES", 0)
    dataset = make_set()
    whole = train_prompts(backbone, dataset, SMALL)
    size = (2 * 18 + 6) * 2 * 32 * 5 * 4  # views, keys and values, width, tokens, float32
    files: list[int] = []

    def tell(said: Epoch | str, share: float | None) -> None:
        if isinstance(said, Epoch) and (tmp_path / "features").exists():
            files.append((tmp_path / "features").stat().st_size)

    for allowed, bytes_in_file in ((size, 0), (size // 2, 0), (size // 2 - 1, size // 2)):
        files.clear()
        path = tmp_path / "checkpoint"
        trained = train_prompts(backbone, dataset, SMALL, checkpoint=path, bytes_in_memory=allowed, tell=tell)
        path.unlink()
        assert trained.report.features_cached
        assert set(files) == ({bytes_in_file} if bytes_in_file else set())
        assert not (tmp_path / "features").exists()
        exact = allowed == size
        for name, tensor in whole.tensors.items():
            assert not exact or torch.equal(trained.tensors[name], tensor), name
            assert torch.allclose(trained.tensors[name], tensor, atol=0.02), name
    unkept = train_prompts(backbone, dataset, SMALL, bytes_in_memory=10)  # no folder for a file
    assert not unkept.report.features_cached
    for name, tensor in whole.tensors.items():
        assert torch.allclose(unkept.tensors[name], tensor, atol=2e-3), name


def test_the_report_says_what_the_best_prompts_do(backbone: LoadedModel) -> None:
    dataset = make_set((8, 8, 8), val=5)
    trained = train_prompts(backbone, dataset, change_recipe(SMALL, {"epochs": 10}))
    report = trained.report
    assert report.accuracy > 60  # by chance: 33
    model = PromptedViT(backbone.module, CLASSES, "last").eval()  # type: ignore[arg-type]
    model.load_state_dict(trained.tensors, strict=False)
    val = dataset.list_split("val")
    with torch.no_grad():
        chances = model(stack(val)).softmax(1)
    predicted = chances.argmax(1).tolist()
    for true in range(CLASSES):
        guesses = [guess for example, guess in zip(val, predicted, strict=True) if example.label == true]
        assert report.confusion[true] == tuple(guesses.count(guess) for guess in range(CLASSES))
        assert report.class_accuracy[true] == pytest.approx(100 * guesses.count(true) / len(guesses))
    assert report.accuracy == max(epoch.val_accuracy for epoch in report.epochs)
    mistakes = {
        example.digest: (example.label, guess)
        for example, guess in zip(val, predicted, strict=True)
        if guess != example.label
    }
    assert {entry.digest: (entry.label, entry.predicted) for entry in report.wrong} == mistakes
    assert [entry.probability for entry in report.wrong] == sorted((e.probability for e in report.wrong), reverse=True)
    best = max(report.epochs, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))
    assert (report.best_epoch, report.pictures) == (best.number, 24)


def test_patience_ends_a_training_that_no_longer_gets_better(backbone: LoadedModel) -> None:
    report = train_prompts(backbone, make_set(), change_recipe(SMALL, {"epochs": 60, "patience": 3})).report
    assert report.stopped_early and len(report.epochs) == report.best_epoch + 3 < 60
    assert not train_prompts(backbone, make_set(), SMALL).report.stopped_early


def test_training_leaves_the_backbone_as_it_was(backbone: LoadedModel) -> None:
    vit = backbone.module
    before = {name: tensor.clone() for name, tensor in vit.state_dict().items()}
    fused = [block.attn.fused_attn for block in vit.blocks]  # type: ignore[union-attr]
    state = torch.get_rng_state()
    train_prompts(backbone, make_set(), SMALL)
    assert all(torch.equal(tensor, before[name]) for name, tensor in vit.state_dict().items())
    assert [block.attn.fused_attn for block in vit.blocks] == fused  # type: ignore[union-attr]
    assert torch.equal(torch.get_rng_state(), state)


def test_the_step_size_rises_and_falls() -> None:
    recipe = PromptRecipe(epochs=10, warm_up=2, learning_rate=0.5)
    assert find_learning_rate(recipe, 2) == pytest.approx(0.5)
    assert find_learning_rate(recipe, 6) == pytest.approx(0.25)
    assert find_learning_rate(recipe, 10) == pytest.approx(0)
    assert 0 < find_learning_rate(recipe, 0) < find_learning_rate(recipe, 1) < 0.5
    short = PromptRecipe(epochs=1, warm_up=20)
    assert find_learning_rate(short, 0) == short.learning_rate


def test_what_cannot_be_trained_is_told_in_a_sentence(backbone: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"“tiny” cannot be trained\. Prompt-CAM needs a plain ViT"):
        train_prompts(wrap(build_photo_cnn()), make_set(), SMALL)
    whole = make_set()
    lacking = DataSet(whole.labels, tuple(e for e in whole.examples if e.label != 2 or e.split == "train"))
    with pytest.raises(ExplainError, match="at least two of each"):
        train_prompts(backbone, lacking, SMALL)
    broken = Example("broken.png", hashlib.sha256(b"no picture").hexdigest(), 0, "train", b"no picture")
    with pytest.raises(PictureError, match=r"“broken\.png”"):
        train_prompts(backbone, DataSet(whole.labels, (*whole.examples, broken)), SMALL)
    with pytest.raises(ExplainError, match="learning rate below"):
        backbone.module.blocks[2].attn.proj.bias.data.fill_(math.nan)  # type: ignore[index,union-attr]
        train_prompts(backbone, whole, SMALL)


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(
    backbone: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint"

    def fail(path: Path, data: bytes) -> None:
        raise StorageError("The disk is full, so nothing was saved. Make room and try again.")

    monkeypatch.setattr("explain.training.loop.write_atomically", fail)
    with pytest.raises(StorageError, match="disk is full"):
        train_prompts(backbone, make_set(), SMALL, checkpoint=path)
    assert list(tmp_path.iterdir()) == []


def test_settings_follow_from_the_size_of_the_set(backbone: LoadedModel) -> None:
    few, more, many = (choose_recipe(make_named_set(count), backbone) for count in (4, 400, 40_000))
    assert few.variant == more.variant == many.variant == "last"  # on a CPU
    assert (few.epochs, more.epochs, many.epochs) == (80, 60, 10)
    assert few.batch == more.batch < many.batch
    for recipe in (few, more, many):
        assert recipe.warm_up < recipe.epochs and 0 < recipe.patience < recipe.epochs
    on_gpu = replace(backbone, module=backbone.module.to("meta"))
    assert choose_recipe(make_named_set(400), on_gpu).variant == "last"
    assert choose_recipe(make_named_set(40_000), on_gpu).variant == "deep"


def make_named_set(count: int) -> DataSet:
    """So many training pictures that nobody looks at."""
    return DataSet(("a", "b"), tuple(Example("", str(number), number % 2, "train", b"") for number in range(count)))


def test_settings_out_of_bounds_are_told_in_a_sentence(backbone: LoadedModel) -> None:
    recipe = choose_recipe(make_set(), backbone)
    assert change_recipe(recipe, {"epochs": 7}).epochs == 7
    with pytest.raises(ExplainError, match="Epochs cannot be 0"):
        change_recipe(recipe, {"epochs": 0})
    with pytest.raises(ExplainError, match="no setting “speed”"):
        change_recipe(recipe, {"speed": 1})
    assert json.loads(recipe.model_dump_json()) == recipe.model_dump()
