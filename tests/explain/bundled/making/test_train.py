"""The training scripts, on a data set of a few pictures: with toy networks, and slowly with those that ship."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
import typer

from explain.bundled.architectures import BIRD_SIZE, BUILDERS, INPUT_SIZE, ConvStem
from explain.bundled.making.aviary import Aviary
from explain.bundled.making.photographs import Photographs, whiten
from explain.bundled.making.recipes import RECIPES
from explain.bundled.making.train import find_source, follow, run_frozen, settle_norms, train
from explain.networks.prompted_vit import PromptedViT
from explain.networks.torchvision_operators import declare_missing_operators

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


def build_toy_vit(classes: int, size: int = BIRD_SIZE) -> VisionTransformer:
    """A birds-vit of two blocks and two heads; of another size, a photo-vit."""
    return VisionTransformer(
        img_size=size,
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
            patch.setitem(BUILDERS, "photo-vit", partial(build_toy_vit, size=INPUT_SIZE))
        yield


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


@pytest.mark.slow
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


@pytest.mark.usefixtures("networks")
def test_a_vit_learns_from_what_the_teacher_said_once_beside_prompts_that_do_not_ship(
    data: Path, tmp_path: Path
) -> None:
    source = Photographs(data)
    teacher = BUILDERS["photo-cnn"](10)
    safetensors.torch.save_file(teacher.state_dict(), tmp_path / "photo-cnn.safetensors")
    stages = tuple(replace(recipe, epochs=1, patch_drop_epochs=1, batch=10) for recipe in RECIPES["photo-vit"][-2:])
    said: list[str] = []
    vit, _ = train("photo-vit", stages, source, tmp_path, tmp_path, say=said.append)
    assert sum("mirror images" in line for line in said) == 1, "both stages share what was said"
    assert vit.state_dict().keys() == BUILDERS["photo-vit"](10).state_dict().keys()
    assert torch.load(tmp_path / "photo-cnn.scores", weights_only=True).shape == (2, 20, 10)


def test_photographs_need_their_folder_and_birds_do_not() -> None:
    assert isinstance(find_source("birds-cnn", None), Aviary)
    with pytest.raises(typer.BadParameter, match="--data"):
        find_source("photo-cnn", None)
