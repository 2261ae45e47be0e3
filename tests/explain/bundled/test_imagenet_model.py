"""The network that knows a thousand things: that it is what was published, and what it names right."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from explain.bundled.making.imagenet import SHA_256
from explain.bundled.models import MODELS_FOLDER, BundledModel, bundled_models, find_prompted_twin
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.models.labels import imagenet_labels
from explain.networks.weight_file import read_metadata
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare

Run = Callable[[str], tuple[int, str, str]]

NAME = "imagenet-cnn"
DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "imagenet"


@pytest.fixture(scope="module")
def described() -> BundledModel:
    return next(model for model in bundled_models() if model.name == NAME)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


def test_its_classes_are_named_as_everywhere_else(described: BundledModel) -> None:
    assert described.classes == imagenet_labels(1000)
    assert len(set(described.classes)) == 1000
    assert find_prompted_twin(described.classes) is None


def test_it_sees_what_timm_would_show_it(described: BundledModel, engine: Engine) -> None:
    from PIL import Image
    from timm.data import create_transform, resolve_data_config
    from timm.models import get_pretrained_cfg

    config = resolve_data_config(pretrained_cfg=get_pretrained_cfg("tf_efficientnet_lite0").to_dict())
    own = described.preprocessing
    assert config["input_size"] == (own.channels, *own.input_size)
    assert (config["mean"], config["std"], config["interpolation"]) == (own.mean, own.std, own.interpolation)
    assert own.resize_size == int(own.input_size[0] / config["crop_pct"])
    path = next(entry.path for entry in bundled_pictures() if entry.name == "coffee")
    ours = prepare(decode(path.read_bytes(), path.name), own).tensor
    with Image.open(path) as image:
        theirs = create_transform(**config)(image.convert("RGB"))
    assert (ours - theirs).abs().max() < 0.1


def test_it_scores_as_timms_network_with_these_weights(engine: Engine) -> None:
    from timm import create_model

    network = create_model("tf_efficientnet_lite0").eval()
    weights = safetensors.torch.load_file(MODELS_FOLDER / f"{NAME}.safetensors")
    network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    )
    pictures = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(engine.load(NAME).module(pictures), network(pictures))
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16, torch.int64}
    assert read_metadata(MODELS_FOLDER / f"{NAME}.safetensors")["sha256"] == SHA_256


@pytest.mark.parametrize(
    ("picture", "named"),
    [
        ("coffee", {"espresso"}),
        ("hens", {"hen"}),
        ("guitar-and-drums", {"electric guitar"}),
        ("cat", {"tabby", "tiger cat", "Egyptian cat"}),
        ("kitten", {"tabby"}),
        ("kitten-with-wool", {"tabby", "tiger cat", "Egyptian cat"}),
        ("cat-and-dog", {"German shepherd"}),
    ],
)
def test_example_pictures_are_named_sensibly(picture: str, named: set[str], engine: Engine) -> None:
    path = next(entry.path for entry in bundled_pictures() if entry.name == picture)
    assert engine.predict(decode(path.read_bytes(), path.name), NAME, 1)[0].label in named


def test_its_last_layer_shows_where_a_thing_is(engine: Engine) -> None:
    """The guitar on the right and not the drums, from the layer the card speaks of."""
    path = next(entry.path for entry in bundled_pictures() if entry.name == "guitar-and-drums")
    (heatmap,) = engine.explain(path, NAME, ["grad-cam"], target=["electric guitar"]).pictures[0].maps
    assert heatmap.layer == "bn2" and heatmap.warnings == ()
    values = heatmap.values.clip(min=0)
    assert values[:, values.shape[1] // 2 :].sum() > 0.8 * values.sum()


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_sample_photographs_are_named_right(step: int, run: Run, tmp_path: Path, described: BundledModel) -> None:
    """As many as the card says, through the command line: the proof of the preprocessing."""
    from timm.data import ImageNetInfo

    photographs = sorted(DATA.glob("*.JPEG"))[::step]
    if not photographs:
        pytest.skip("the shared photographs are not here")
    names = dict(zip(ImageNetInfo("imagenet-1k").label_names(), described.classes, strict=True))
    files = shlex.join(map(str, photographs))
    status, printed, _ = run(f"show {files} --model {NAME} --methods eigen-cam --out {tmp_path / 'out'}")
    assert status == 0
    answers = dict(re.findall(r"^(n\d{8})_.*?\.JPEG: (.+?) \d+\.\d %", printed, re.MULTILINE))
    right = sum(names[identifier] == label for identifier, label in answers.items())
    assert len(answers) == len(photographs) and right >= 0.84 * len(photographs)
    card = (MODELS_FOLDER / described.card).read_text(encoding="utf-8")
    counted = re.search(r"\*\*(\d+) of (\d+)\*\* sample photographs", card)
    assert counted is not None
    assert step > 1 or (right, len(photographs)) == (int(counted[1]), int(counted[2]))
