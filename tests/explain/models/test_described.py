"""What is written beside weights: timm's and Hugging Face's files and a training's options, as fields of a request."""

from typing import Any

import pytest
import torch
from PIL import Image

from explain.models.described import Described, describe_config, describe_hugging_face, describe_timm, describe_training
from explain.models.preparation import override_preprocessing
from explain.models.request import ModelRequest
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.geometry import Preprocessing, prepare
from explain.pictures.picture import Picture
from tests.explain.pictures.test_geometry import make_noise

declare_missing_operators()

from timm.data import create_transform, resolve_data_config  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

OTHERS = Preprocessing(input_size=(96, 96), resize_size=101, interpolation="nearest", mean=(0.1,) * 3, std=(0.9,) * 3)
"""What an architecture brings along, in all things other than what is written."""


def see(described: Described, size: tuple[int, int] = (150, 210)) -> torch.Tensor:
    """What a model with that description is given of a picture of noise."""
    fields = described.fill_request(OTHERS.input_size)
    request = ModelRequest.model_validate({"source": "file", "name": "mine.pt", **fields})
    pixels = make_noise(size)
    return prepare(Picture("noise", pixels, pixels, "0"), override_preprocessing(OTHERS, request)).tensor[0]


@pytest.mark.parametrize("size", [(150, 210), (210, 150), (90, 90)])
@pytest.mark.parametrize(
    "config",
    [
        {"input_size": [3, 128, 128], "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 1.0},
        {"input_size": [3, 64, 64], "crop_pct": 0.875, "interpolation": "bilinear", "crop_mode": "center"},
        {"input_size": [3, 80, 48], "crop_pct": 0.9, "interpolation": "bilinear"},
        {"input_size": [3, 48, 80], "crop_pct": 0.95, "interpolation": "bicubic"},
        {"input_size": [3, 64, 48], "crop_pct": 1.0, "interpolation": "bilinear", "crop_mode": "squash"},
    ],
)
def test_timms_folder_gives_what_timms_own_transform_gives(config: dict[str, Any], size: tuple[int, int]) -> None:
    whole = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": "bicubic", **config}
    described = describe_timm({"architecture": "resnet18", "num_classes": 3, "pretrained_cfg": whole})
    assert described.notes == ()
    transform = create_transform(**resolve_data_config(pretrained_cfg=whole))
    theirs = transform(Image.fromarray(make_noise(size)))
    ours = see(described, size)
    assert ours.shape == theirs.shape
    off = (ours - theirs).abs() * torch.tensor(whole["std"])[:, None, None] * 255
    assert off.mean() < 0.35 and (off > 1.01).float().mean() < 0.01


def test_all_that_timms_config_says() -> None:
    config = {
        "architecture": "resnet18",
        "num_classes": 2,
        "global_pool": "max",
        "label_names": ["n1", "n2"],
        "label_descriptions": {"n1": "daisy", "n2": "rose"},
        "model_args": {"img_size": 160, "in_chans": 4, "drop_rate": 0.1},
        "pretrained_cfg": {"input_size": [3, 128, 128], "mean": [0.5] * 4, "std": [0.2] * 4, "crop_pct": 0.8},
    }
    described = describe_config(config)
    assert described is not None
    assert described.fill_request() == {
        "architecture": "timm/resnet18",
        "label_names": ("daisy", "rose"),
        "input_size": (160, 160),
        "channels": 4,
        "mean": (0.5,) * 4,
        "std": (0.2,) * 4,
        "fit": "crop",
        "resize_size": 200,
        "global_pool": "max",
    }
    assert described.facts["num_classes"].value == 2 and "config.json says so" in described.facts["mean"].reason
    assert described.notes == ("model_args of config.json that were left out: drop_rate.",)


def test_a_trainings_options() -> None:
    args = {
        "model": "resnet18",
        "gp": "max",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "img_size": 128,
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "num_classes": 3,
        "lr": 0.1,
        "class_map": "",
    }
    described = describe_training(args)
    assert described.notes == () and described.facts["num_classes"].value == 3
    assert described.fill_request() == {
        "architecture": "timm/resnet18",
        "input_size": (128, 128),
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "resize_size": 128,
        "interpolation": "bicubic",
        "global_pool": "max",
    }
    # Without a size the share of the crop waits for the architecture's own.
    assert describe_training({"img_size": None, "crop_pct": 0.5}).fill_request() == {}
    assert describe_training({"crop_pct": 0.5}).fill_request((64, 64)) == {"resize_size": 128}
    upright = describe_training({"input_size": [1, 256, 128], "crop_pct": 1.0, "interpolation": "random"})
    assert upright.fill_request() == {"input_size": (256, 128), "channels": 1, "resize_size": (256, 128)}


VIT = {
    "architectures": ["ViTForImageClassification"],
    "model_type": "vit",
    "hidden_size": 192,
    "num_hidden_layers": 12,
    "num_attention_heads": 3,
    "patch_size": 16,
    "image_size": 224,
    "num_channels": 3,
    "id2label": {"0": "daisy", "1": "rose"},
}


def test_hugging_faces_vit() -> None:
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 64, "width": 64},
        "resample": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "do_resize": True,
        "do_normalize": True,
        "rescale_factor": 1 / 255,
    }
    described = describe_config(VIT, processor)
    assert described is not None and described.notes == ()
    fields = described.fill_request()
    assert fields["architecture"] == "timm/vit_tiny_patch16_224" and fields["label_names"] == ("daisy", "rose")
    assert fields["mean"] == (0.5,) * 3 and fields["fit"] == "squash" and fields["input_size"] == (64, 64)
    transform = v2.Compose(
        [v2.Resize((64, 64)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]
    )
    assert (see(described) - transform(Image.fromarray(make_noise((150, 210))))).abs().max() <= 2.1 / 255
    old = describe_hugging_face(VIT, {"feature_extractor_type": "ViTFeatureExtractor", "size": 64, "resample": 2})
    assert old.fill_request()["fit"] == "squash" and old.fill_request()["input_size"] == (64, 64)
    assert describe_hugging_face(VIT).fill_request()["input_size"] == (224, 224)
    unnamed = describe_hugging_face({**VIT, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
    assert "label_names" not in unnamed.facts and unnamed.facts["num_classes"].value == 2
    wide = describe_hugging_face({**VIT, "hidden_size": 100})
    assert "architecture" not in wide.facts


def test_hugging_faces_other_ways_to_prepare() -> None:
    clip = describe_hugging_face(
        {"model_type": "clip"},
        {
            "size": {"shortest_edge": 73},
            "do_center_crop": True,
            "crop_size": {"height": 64, "width": 64},
            "resample": 3,
        },
    ).fill_request()
    assert clip == {"input_size": (64, 64), "fit": "crop", "resize_size": 73, "interpolation": "bicubic"}
    convnext = {"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875}
    small = describe_hugging_face({"model_type": "convnext"}, {**convnext, "size": {"shortest_edge": 224}})
    assert small.fill_request() == {"input_size": (224, 224), "fit": "crop", "resize_size": 256}
    large = describe_hugging_face({"model_type": "convnext"}, {**convnext, "size": {"shortest_edge": 384}})
    assert large.fill_request() == {"input_size": (384, 384), "fit": "squash"}


@pytest.mark.parametrize(
    ("words", "mean", "std"),
    [
        ({"do_normalize": False}, 0.0, 1.0),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51.0] * 3}, 0.5, 0.2),
        ({"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False}, 0.5, 0.5),
        ({"rescale_factor": 0.00392156862745098, "image_mean": [0.4] * 3, "image_std": [0.3] * 3}, 0.4, 0.3),
    ],
)
def test_pixels_of_any_scale_come_to_the_same(words: dict[str, Any], mean: float, std: float) -> None:
    """(x · factor - offset - mean) / std of pixels in 0…255, as (x / 255 - mean) / std."""
    described = describe_hugging_face(VIT, words)
    fields = described.fill_request()
    assert fields["mean"] == pytest.approx((mean,) * len(fields["mean"]))
    assert fields["std"] == pytest.approx((std,) * len(fields["std"]))


@pytest.mark.parametrize("value", [True, "x" * 500, [], {}, -3, 10**40, float("nan"), [[1]], [1, None], "\x00", 1e400])
def test_whatever_stands_there_is_left_out_with_a_note_or_is_a_request(value: Any) -> None:
    names = ("model", "gp", "num_classes", "img_size", "input_size", "mean", "std", "interpolation", "crop_pct")
    more = ("crop_mode", "in_chans", "architecture", "global_pool", "label_names", "pretrained_cfg", "model_args")
    theirs = ("id2label", "image_size", "num_channels", "hidden_size", "patch_size", "model_type", "architectures")
    processors = ("size", "crop_size", "resample", "image_mean", "image_std", "rescale_factor", "crop_pct")
    for name in (*names, *more, *theirs, *processors):
        processor = {"size": 64, "crop_size": 32, "do_center_crop": True, "image_mean": [0.5], name: value}
        for described in (
            describe_training({name: value}),
            describe_timm({"architecture": "resnet18", name: value}),
            describe_timm({"architecture": "resnet18", "pretrained_cfg": {name: value}}),
            describe_timm({"architecture": "resnet18", "model_args": {name: value}}),
            describe_hugging_face({**VIT, name: value}, processor),
        ):
            fields = described.fill_request((64, 64))
            ModelRequest.model_validate({"source": "file", "name": "mine.pt", **fields})
            assert all(len(note) < 400 and note.isprintable() for note in described.notes)


def test_other_files_of_that_name_describe_nothing() -> None:
    assert describe_config({"debug": True, "port": 80}) is None
    assert describe_config({"architecture": ["x"]}) is None
