"""T-TAME's training: what it learns, that the classifier stays as it is, and that a stop loses nothing."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from explain.errors import Cancelled, ExplainError, ModelError
from explain.methods.rise import RiseSettings
from explain.models.loaded import LoadedModel
from explain.networks.trained_attention import TrainedAttention
from explain.training.attention_fit import AttentionFit, Frozen
from explain.training.attention_loop import plan_attention, train_attention
from explain.training.outcome import Epoch, TrainedMaps
from tests.support.attention import RECIPE, build_classifier, make_pictures
from tests.support.engine import build_model

PICTURES = make_pictures(20, 3)


@pytest.fixture(scope="module", autouse=True)
def few_masks() -> Iterator[None]:
    """Of RISE, which takes most of the time of so small a training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explain.training.attention_judging._RISE", RiseSettings(masks=20))
        yield


@pytest.fixture(scope="module")
def classifier() -> LoadedModel:
    return build_classifier()


@pytest.fixture(scope="module")
def trained(classifier: LoadedModel) -> TrainedMaps:
    return train_attention(classifier, PICTURES, RECIPE)


def count_bytes(loaded: LoadedModel) -> str:
    digest = hashlib.sha256()
    for tensor in loaded.module.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def test_the_classifier_stays_as_it_is() -> None:
    classifier = build_classifier()
    before = count_bytes(classifier)
    train_attention(classifier, PICTURES, RECIPE)
    assert count_bytes(classifier) == before  # statistics of its norms too, which training mode would overwrite
    assert not any(module.training for module in classifier.module.modules())
    assert all(value.grad is None and not value.requires_grad for value in classifier.module.parameters())


def test_it_learns_and_says_what_came_of_it(trained: TrainedMaps) -> None:
    outcome = trained.outcome
    assert [layer.name for layer in trained.layers] == ["first", "second"]
    assert outcome.epochs[-1].loss < outcome.epochs[0].loss
    assert (outcome.pictures, outcome.choosing, outcome.worth.pictures) == (18, 2, 2)
    losses = [epoch.val_loss or 0.0 for epoch in outcome.epochs]
    assert outcome.best_epoch == losses.index(min(losses)) + 1 and outcome.features_cached
    assert [row.title for row in outcome.worth.others] == ["Grad-CAM", "Layer-CAM", "RISE", "Centre"]
    assert 0 < outcome.worth.area < 1


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_stopped_training_ends_the_same_to_the_bit(
    stop_after: int, classifier: LoadedModel, trained: TrainedMaps, tmp_path: Path
) -> None:
    done: list[int] = []

    def tell(said: object, share: float | None) -> None:
        if isinstance(said, Epoch):
            done.append(said.number)

    path = tmp_path / "checkpoint"
    with pytest.raises(Cancelled):
        train_attention(
            classifier, PICTURES, RECIPE, checkpoint=path, tell=tell, should_stop=lambda: len(done) == stop_after
        )
    done.clear()
    again = train_attention(classifier, PICTURES, RECIPE, checkpoint=path, tell=tell)
    assert done == [1, 2, 3]  # those that were over are told again, and not run
    assert {name: tensor.shape for name, tensor in again.tensors.items()} == {
        name: tensor.shape for name, tensor in trained.tensors.items()
    }
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in trained.tensors.items())
    assert again.outcome.worth == trained.outcome.worth


def test_one_that_was_killed_while_it_was_judged_trains_nothing_again(
    classifier: LoadedModel, trained: TrainedMaps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint"
    train_attention(classifier, PICTURES, RECIPE, checkpoint=path)
    monkeypatch.setattr(AttentionFit, "_run_epoch", lambda *_: pytest.fail("an epoch was run again"))
    assert train_attention(classifier, PICTURES, RECIPE, checkpoint=path).outcome.worth == trained.outcome.worth


def test_a_checkpoint_of_another_training_is_refused(classifier: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    train_attention(classifier, PICTURES, RECIPE.model_copy(update={"epochs": 1}), checkpoint=path)
    for other, recipe in ((build_classifier(1), RECIPE.model_copy(update={"epochs": 1})), (classifier, RECIPE)):
        with pytest.raises(ExplainError, match="another network or other settings"):
            train_attention(other, PICTURES, recipe, checkpoint=path)


@pytest.mark.parametrize(
    "changes",
    [{"optimiser": "sgd", "hidden": "mean"}, {"hidden": "blur", "others": False, "mirror": False, "patience": 1}],
)
def test_other_recipes_learn_too(changes: dict[str, object], classifier: LoadedModel) -> None:
    recipe = RECIPE.model_copy(update={**changes, "judged": 1})
    outcome = train_attention(classifier, PICTURES, recipe).outcome
    assert len(outcome.epochs) == (3 if not outcome.stopped_early else outcome.best_epoch + 1)


def test_too_few_pictures_are_a_sentence(classifier: LoadedModel) -> None:
    for dataset in (make_pictures(1, 0), make_pictures(8, 2), make_pictures(30, 0)):
        with pytest.raises(ExplainError, match="left to learn from"):
            train_attention(classifier, dataset, RECIPE)


def test_a_layer_that_is_none_is_a_sentence(classifier: LoadedModel) -> None:
    with pytest.raises(ExplainError, match="nowhere"):
        train_attention(classifier, PICTURES, RECIPE.model_copy(update={"layers": "first, nowhere"}))
    with pytest.raises(ModelError, match="each once"):
        train_attention(classifier, PICTURES, RECIPE.model_copy(update={"layers": "first, first"}))


@pytest.mark.parametrize(("kind", "layout"), [("swin", "NHWC"), ("tokens", "NLC")])
def test_it_learns_from_other_layouts_the_same_each_time(kind: str, layout: str) -> None:
    model = build_model(kind)
    first, second = (train_attention(model, PICTURES, RECIPE.model_copy(update={"epochs": 1})) for _ in range(2))
    assert {layer.layout for layer in first.layers} == {layout}
    assert all(torch.equal(second.tensors[name], tensor) for name, tensor in first.tensors.items())
    network = TrainedAttention([layer.channels for layer in first.layers], len(model.labels), first.layers[0].grid)
    network.load_state_dict(first.tensors)
    features = [torch.randn(2, layer.channels, *layer.grid) for layer in first.layers]
    assert network.eval()(features).shape == (2, len(model.labels), *first.layers[0].grid)


@pytest.mark.parametrize("where", ["find_loss", "TrainedAttention.forward"])
def test_a_loss_that_is_no_number_is_a_sentence(
    where: str, classifier: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = torch.full((4, 3, 4, 4), torch.nan)
    monkeypatch.setattr(f"explain.training.attention_fit.{where}", lambda *_: lost)
    with pytest.raises(ExplainError, match=r"no number any more.*below 0\.01"):
        train_attention(classifier, PICTURES, RECIPE)


def test_no_picture_has_two_roles() -> None:
    learn, choose, judge = plan_attention(PICTURES)
    assert len({*learn, *choose, *judge}) == 23 == len(learn) + len(choose) + len(judge)
    assert all(PICTURES.examples[index].split == "val" for index in judge)


@pytest.mark.parametrize("half", [False, True])
def test_what_is_kept_of_a_picture_comes_back(half: bool, classifier: LoadedModel) -> None:
    frozen = Frozen(classifier, classifier.layers, torch.device("cpu"))
    pictures = torch.randn(5, 3, 16, 16)
    seen: list[torch.Tensor] = []
    handles = [
        classifier.module.get_submodule(layer.name).register_forward_hook(lambda _, __, out: seen.append(out.clone()))
        for layer in classifier.layers
    ]
    scores = classifier.module(pictures)
    for handle in handles:
        handle.remove()
    rows = frozen.read(pictures)
    features, again, labels = frozen.split(rows.half().float() if half else rows)
    assert torch.equal(labels, scores.argmax(1))
    tolerance = 1e-2 if half else 1e-5
    assert torch.allclose(again, pictures, atol=tolerance)
    assert all(torch.allclose(one, other, atol=tolerance) for one, other in zip(features, seen, strict=True))


def test_the_index_of_a_class_survives_half_precision(classifier: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = torch.tensor([0, 1, 1023, 1024, 20_999])
    scores = torch.nn.functional.one_hot(wanted, 21_000).float()
    monkeypatch.setattr(Frozen, "name", lambda *_: scores)
    frozen = Frozen(classifier, (), torch.device("cpu"))
    rows = frozen.read(torch.zeros(5, 3, 16, 16))
    assert torch.equal(frozen.split(rows.half().float())[2], wanted)
