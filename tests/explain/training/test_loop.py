"""Training of class prompts, against a plain loop that runs the whole network for every batch."""

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from explain.bundled.architectures import build_photo_cnn
from explain.datasets.dataset import DataSet, Example, Split
from explain.errors import Cancelled, ExplainError, ModelError, PictureError, StorageError
from explain.models.judged import find_interval
from explain.models.loaded import LoadedModel
from explain.networks.prompt_variant import Variant
from explain.networks.prompted_vit import PromptedViT
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare
from explain.training.folds import Part, plan_training
from explain.training.loop import train_prompts
from explain.training.outcome import Epoch, Preparing
from explain.training.recipe import PromptRecipe, change_recipe
from tests.support.training import (
    CLASSES,
    PREPROCESSING,
    SMALL,
    VARIANTS,
    make_set,
    paint,
    wrap,
)


def stack(examples: tuple[Example, ...]) -> torch.Tensor:
    return torch.cat([prepare(decode(example.data, example.name), PREPROCESSING).tensor for example in examples])


def train_slowly(
    backbone: LoadedModel, dataset: DataSet, recipe: PromptRecipe, part: Part
) -> tuple[dict[str, torch.Tensor], list[tuple[float, float]]]:
    """The best prompts, and loss and accuracy of what chooses after each epoch: nothing reused, nothing left out."""
    train, val = (tuple(dataset.examples[index] for index in indices) for indices in (part.learn, part.choose))
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
    tensors, history = train_slowly(backbone, dataset, recipe, plan_training(dataset, recipe).parts[0])
    trained = train_prompts(backbone, dataset, recipe)
    found = [(epoch.val_loss, epoch.val_accuracy) for epoch in trained.report.epochs]
    assert np.allclose(found, history, atol=1e-3)
    assert set(trained.tensors) == set(tensors) == {"prompts", "score.weight", "score.bias"}
    for name, tensor in tensors.items():
        assert torch.allclose(trained.tensors[name], tensor, atol=2e-3), name


def test_each_picture_is_judged_once_by_prompts_that_never_saw_it(backbone: LoadedModel) -> None:
    dataset = make_set((5, 4, 6))
    plan = plan_training(dataset, SMALL)
    confusion = torch.zeros(CLASSES, CLASSES, dtype=torch.long)
    for part in plan.parts[1:]:
        tensors, _ = train_slowly(backbone, dataset, SMALL, part)
        model = PromptedViT(backbone.module, CLASSES, "last").eval()  # type: ignore[arg-type]
        model.load_state_dict(tensors, strict=False)
        judging = tuple(dataset.examples[index] for index in part.judge)
        with torch.no_grad():
            for example, guess in zip(judging, model(stack(judging)).argmax(1).tolist(), strict=True):
                confusion[example.label, guess] += 1
    report = train_prompts(backbone, dataset, SMALL).report
    assert report.confusion == tuple(tuple(row) for row in confusion.tolist())
    assert (report.manner, report.folds, sum(report.judged.pictures)) == ("folds", 2, len(dataset.examples))


def test_a_training_of_labels_drawn_at_random_is_not_announced_as_good(backbone: LoadedModel) -> None:
    """Pictures of which nothing can be learnt: what chooses the epoch looks good, what judges is at chance."""
    data = [paint(0, seed) for seed in range(16)]
    digests = [hashlib.sha256(one).hexdigest() for one in data]
    splits: tuple[Split, ...] = ("train", "train", "train", "val")  # each for two classes
    examples = tuple(
        Example("", digest, seed % 2, splits[seed // 2 % 4], one)
        for seed, (digest, one) in enumerate(zip(digests, data, strict=True))
    )
    report = train_prompts(
        backbone, DataSet(("a", "b"), examples), change_recipe(SMALL, {"epochs": 12, "batch": 16})
    ).report
    chosen = max(epoch.val_accuracy or 0.0 for epoch in report.epochs)
    assert chosen > report.accuracy
    low, high = find_interval(sum(report.judged.right), 16)
    assert low < 0.5 < high and not report.judged.is_enough
    assert "may be no better than guessing" in " ".join(report.judged.list_notes())


@pytest.mark.parametrize(
    ("variant", "stop_at"), [*((variant, at) for variant in VARIANTS for at in (0, 7, 12)), ("last", 30)]
)
def test_a_stopped_training_ends_with_the_same_prompts_to_the_bit(
    backbone: LoadedModel, tmp_path: Path, variant: Variant, stop_at: int
) -> None:
    recipe = SMALL.model_copy(update={"variant": variant, "dropout": 0.2})
    dataset, path = make_set(), tmp_path / "checkpoint.safetensors"
    whole = train_prompts(backbone, dataset, recipe)
    steps = 0

    def tell(said: Epoch | Preparing | str, share: float | None) -> None:
        nonlocal steps
        steps = 0 if said == "Training" else steps

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > stop_at

    with pytest.raises(Cancelled):
        train_prompts(backbone, dataset, recipe, checkpoint=path, tell=tell, should_stop=stop)
    assert path.exists() == (stop_at > 5)  # the last of these is within a fold
    torch.rand(7)  # what others draw meanwhile changes nothing
    told: list[Epoch | Preparing | str] = []
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
        with pytest.raises(ExplainError, match="other pictures, another network or other settings"):
            train_prompts(*other, checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ExplainError, match="cannot be read"):
        train_prompts(backbone, make_set(), SMALL, checkpoint=path)


def test_the_report_says_what_the_best_prompts_do(backbone: LoadedModel) -> None:
    dataset = make_set((8, 8, 8), val=5)
    trained = train_prompts(backbone, dataset, change_recipe(SMALL, {"epochs": 10, "folds": 0}))
    report = trained.report
    assert report.accuracy > 60  # by chance: 33
    assert (report.manner, report.folds, report.choosing, report.pictures) == ("aside", 0, 6, 18)
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
    assert report.judged.right == tuple(report.confusion[true][true] for true in range(CLASSES))
    mistakes = {
        example.digest: (example.label, guess)
        for example, guess in zip(val, predicted, strict=True)
        if guess != example.label
    }
    assert {entry.digest: (entry.label, entry.predicted) for entry in report.wrong} == mistakes
    assert [entry.probability for entry in report.wrong] == sorted((e.probability for e in report.wrong), reverse=True)
    best = max(report.epochs, key=lambda epoch: (epoch.val_accuracy, -epoch.val_loss))
    assert report.best_epoch == best.number


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

    monkeypatch.setattr("explain.training.checkpoint.write_atomically", fail)
    with pytest.raises(StorageError, match="disk is full"):
        train_prompts(backbone, make_set(), SMALL, checkpoint=path)
    assert list(tmp_path.iterdir()) == []
