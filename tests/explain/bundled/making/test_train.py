"""The training scripts, on a data set of a few pictures: with toy networks, and slowly with those that ship."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import typer
from PIL import Image

from explain.bundled.architectures import BIRD_SIZE, BUILDERS, INPUT_SIZE, ConvStem
from explain.bundled.class_names import CLASSES
from explain.bundled.making.aviary import Aviary
from explain.bundled.making.photographs import (
    Photographs,
    augment,
    erase_square,
    normalise,
    read_photographs,
    resize,
    shift_and_flip,
    whiten,
)
from explain.bundled.making.recipes import RECIPES
from explain.bundled.making.train import find_source, fix_norms, follow, run_frozen, settle_norms, train
from explain.engine.engine import Engine
from explain.networks.prompted_vit import PromptedViT
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare

declare_missing_operators()

from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

FIRST = replace(RECIPES["photo-cnn"][0], epochs=2, small_epochs=1, batch=20)
STAGES = (FIRST, replace(FIRST, epochs=1, small_epochs=0, seed=1))


def build_toy_cnn(classes: int) -> ByobNet:
    """Of the photo-cnn's parts, a stem of two layers and basic blocks, the fewest and the narrowest."""
    blocks = tuple(ByoBlockCfg(type="basic", d=1, c=16, s=stride, gs=0) for stride in (1, 2))
    shape = ByoModelCfg(stem_type="3x3", stem_pool="max2", stem_chs=(32, 16), downsample="avg", blocks=blocks)
    return ByobNet(shape, num_classes=classes)


def build_toy_vit(classes: int) -> VisionTransformer:
    """A birds-vit of two blocks and two heads."""
    return VisionTransformer(
        img_size=BIRD_SIZE,
        patch_size=8,
        embed_dim=64,
        depth=2,
        num_heads=2,
        embed_layer=ConvStem,
        num_classes=classes,
    )


@pytest.fixture(params=["toy", pytest.param("shipped", marks=pytest.mark.slow)])
def networks(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is trained: toys under the names of the networks that ship, or those themselves."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "toy":
            patch.setitem(BUILDERS, "photo-cnn", build_toy_cnn)
            patch.setitem(BUILDERS, "birds-vit", build_toy_vit)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.jpg")
    return folder


@pytest.mark.usefixtures("networks")
def test_a_stopped_run_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    whole, accuracy = train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path / "whole", say=lambda line: None)

    def stop_after_first_epoch(line: str) -> None:
        if line.startswith("epoch 1/2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path / "stopped", say=stop_after_first_epoch)
    said: list[str] = []
    resumed, again = train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path / "stopped", say=said.append)
    assert said[0] == "Going on after epoch 1."
    assert again == accuracy
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


@pytest.mark.usefixtures("networks")
def test_a_soup_holds_its_share_of_what_the_stage_began_from(data: Path, tmp_path: Path) -> None:
    source = Photographs(data)
    states = {}
    for name, last in (("start", ()), ("end", (0.0,)), ("half", (0.5,))):
        stages = (FIRST, *(replace(STAGES[1], batch=5, soup=soup) for soup in last))
        model, _ = train("photo-cnn", stages, source, tmp_path, tmp_path / name, say=lambda line: None)
        states[name] = model.state_dict()
    for name, tensor in states["half"].items():
        if tensor.is_floating_point():
            middle = (states["start"][name] + states["end"][name]) / 2
            assert torch.allclose(tensor, middle, rtol=2e-3, atol=1e-3), name
    assert not torch.equal(states["start"]["head.fc.weight"], states["end"]["head.fc.weight"])


@pytest.mark.usefixtures("networks")
def test_weights_are_measured_as_they_ship(data: Path, tmp_path: Path) -> None:
    model, _ = train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path, say=lambda line: None)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensor.half().float()), name


def test_photographs_come_with_the_class_of_their_folder(data: Path) -> None:
    pictures, classes = read_photographs(data, "test")
    assert pictures.shape == (20, 3, 32, 32)
    assert classes.tolist() == [index for index in range(10) for _ in range(2)]
    with Image.open(data / "test" / "frog" / "1.jpg") as image:
        expected = torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)
    assert torch.equal(pictures[CLASSES.index("frog") * 2 + 1], expected)


def test_missing_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No pictures under"):
        read_photographs(tmp_path, "train")


def test_augmentation_is_seeded_and_keeps_the_range(data: Path) -> None:
    pictures = normalise(read_photographs(data, "train")[0])
    first, second, other = (augment(pictures, 48, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == (20, 3, 48, 48)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.abs().max() < 2 * pictures.abs().max()


def test_whole_pixels_are_shifted_and_every_picture_is_seen_both_ways_in_two_epochs() -> None:
    random = np.random.default_rng(0)
    pictures = torch.from_numpy(random.integers(0, 256, (8, 3, 12, 12), np.uint8))
    flips = []
    for epoch in range(2):
        views = shift_and_flip(pictures, torch.Generator().manual_seed(epoch), epoch, reach=2)
        for number, view in enumerate(views.numpy()):
            padded = np.pad(pictures[number].numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
            found = [
                flip
                for top in range(5)
                for left in range(5)
                for flip in (False, True)
                if np.array_equal(view, padded[:, top : top + 12, left : left + 12][:, :, :: -1 if flip else 1])
            ]
            assert len(found) == 1, "the view is exactly one shift of the picture"
            flips.append(found[0])
    assert flips[:8] == [not flip for flip in flips[8:]]
    assert len(set(flips[:8])) == 2


def test_an_erased_square_is_zero_and_the_rest_untouched() -> None:
    views = torch.rand(200, 3, 16, 16) + 1
    erased = erase_square(views, torch.Generator().manual_seed(0), 0.25)
    holes = erased == 0
    assert torch.equal(erased[~holes], views[~holes])
    assert (holes == holes[:, :1]).all()
    for hole in holes[:, 0]:
        rows, columns = hole.any(1).sum(), hole.any(0).sum()
        assert hole.sum() == rows * columns and max(rows, columns) <= 4
    assert holes[:, 0].flatten(1).sum(1).max() == 16
    assert erase_square(views, torch.Generator(), 0.0) is views


def test_a_whitened_stem_answers_without_correlation() -> None:
    mixed = torch.einsum("ij,bjhw->bihw", torch.randn(3, 3), torch.randn(64, 3, 16, 16))
    views = torch.nn.functional.avg_pool2d(mixed, 3, 1)
    kernels = whiten(views, kernel=3, stride=2, count=32)
    assert torch.equal(kernels[:16], -kernels[16:])
    answers = torch.nn.functional.conv2d(views, kernels[:16], stride=2).permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(answers @ answers.T / answers.shape[1], torch.eye(16), atol=0.05)


def test_filters_keep_their_length_and_answers_stay() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8)).train()
    views = torch.randn(4, 3, 8, 8)
    before = network(views)
    filters = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    fix_norms(filters)
    assert filters[0].flatten(1).square().sum(1).mean().item() == pytest.approx(1.0)
    assert torch.allclose(network(views), before, atol=1e-4)


def test_batch_statistics_are_those_of_the_pictures_as_the_model_will_see_them(data: Path) -> None:
    source = Photographs(data)
    pictures = source.read("train").pictures
    norm = torch.nn.BatchNorm2d(3)
    norm(torch.randn(4, 3, 8, 8) * 9)
    settle_norms(torch.nn.Sequential(norm), source, pictures)
    views = source.view(pictures)
    assert torch.allclose(norm.running_mean, views.mean((0, 2, 3)), atol=1e-2)
    assert torch.allclose(norm.running_var, views.var((0, 2, 3)), rtol=1e-2)
    assert not norm.training and norm.momentum == 0.1


@pytest.mark.usefixtures("networks")
def test_the_first_layer_of_the_photo_cnn_whitens_and_does_not_learn(data: Path, tmp_path: Path) -> None:
    model, _ = train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path, say=lambda line: None)
    source = Photographs(data)
    expected = whiten(source.view(source.read("train").pictures), kernel=3, stride=2, count=32)
    assert torch.equal(model.get_submodule("stem.conv1.conv").weight, expected.half().float())


def test_averaged_weights_follow_by_the_decay() -> None:
    model, average = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    before = average.weight.clone()
    follow(average, model, decay=0.75)
    assert torch.allclose(average.weight, 0.75 * before + 0.25 * model.weight)


def test_training_resizes_as_the_dashboard_does(data: Path) -> None:
    """What accuracy is measured on is what the dashboard feeds the model."""
    path = data / "test" / "cat" / "0.jpg"
    ours = prepare(decode(path.read_bytes(), path.name), Engine().load("photo-cnn").preprocessing).tensor
    pictures, _ = read_photographs(data, "test")
    theirs = resize(normalise(pictures[CLASSES.index("cat") * 2 :][:1]), INPUT_SIZE)
    assert (ours - theirs).abs().max() < 1e-4


@pytest.mark.usefixtures("networks")
def test_prompts_of_birds_are_trained_on_the_frozen_network(tmp_path: Path) -> None:
    aviary = Aviary({"train": range(24), "test": range(100, 112)})
    network = tuple(replace(recipe, epochs=2, patch_drop_epochs=1, batch=12) for recipe in RECIPES["birds-vit"])
    vit, _ = train("birds-vit", network, aviary, tmp_path, tmp_path, say=lambda line: None)
    weights = {name: tensor.clone().contiguous() for name, tensor in vit.state_dict().items()}
    assert not any("readout" in name for name in weights)
    safetensors.torch.save_file(weights, tmp_path / "birds-vit.safetensors")
    stages = tuple(replace(recipe, epochs=2, batch=12) for recipe in RECIPES["birds-vit-prompts"])
    prompted, accuracy = train("birds-vit-prompts", stages, aviary, tmp_path, tmp_path, say=lambda line: None)
    assert isinstance(prompted, PromptedViT) and prompted.variant == "last" and 0 <= accuracy <= 100
    for name, tensor in prompted.backbone.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    # What was run once is what running all of it gives, but for the rounding of bf16.
    pictures = aviary.read("train").pictures
    with torch.no_grad():
        reused = prompted.finish(run_frozen(prompted, aviary, pictures).float())
        assert (reused - prompted(aviary.view(pictures))).abs().max() < 0.05


def test_photographs_need_their_folder_and_birds_do_not() -> None:
    assert isinstance(find_source("birds-cnn", None), Aviary)
    with pytest.raises(typer.BadParameter, match="--data"):
        find_source("photo-cnn", None)
