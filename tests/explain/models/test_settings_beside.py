"""What a training script wrote beside the weights is read as plain data, and its options are used and told."""

import argparse
from typing import Any

import pytest
import safetensors.torch
import timm
import torch

from explain.models.checkpoint import open_checkpoint
from explain.models.inspection import inspect_file
from explain.models.request import ModelRequest, build_file_request
from explain.models.settings_beside import find_labels, take_what_is_said
from tests.support.checkpoints import make_lively, open_file, open_same, save

ARGS: dict[str, Any] = {
    "model": "resnet10t",
    "gp": "max",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.4, 0.5, 0.6],
    "img_size": 64,
    "crop_pct": 1.0,
    "interpolation": "bicubic",
    "num_classes": 3,
}


def network() -> Any:
    torch.manual_seed(0)
    return make_lively(timm.create_model("resnet10t", num_classes=3, global_pool="max"))


@pytest.mark.parametrize("as_namespace", [True, False])
def test_timms_options_are_used_and_told(as_namespace: bool) -> None:
    source = network()
    args = argparse.Namespace(**ARGS) if as_namespace else ARGS
    content = {"epoch": 1, "arch": "resnet10t", "state_dict": source.state_dict(), "args": args, "metric": 91.0}
    model = open_same(source, content, "timm/resnet10t")
    used = model.preprocessing
    assert used.input_size == (64, 64) and used.resize_size == 64 and used.interpolation == "bicubic"
    assert used.mean == (0.5, 0.5, 0.5) and used.std == (0.4, 0.5, 0.6)
    assert "global pool max" in model.notes[0] and model.request.global_pool is None
    assert not any("does not say" in note for note in model.notes)


def test_what_is_asked_for_goes_before_what_the_file_says() -> None:
    content = {"state_dict": network().state_dict(), "args": ARGS}
    model = open_file(save(content), "timm/resnet10t", input_size=96, mean=(0.1,), global_pool="avg")
    assert model.preprocessing.input_size == (96, 96) and model.preprocessing.resize_size == 96
    assert model.preprocessing.mean == (0.1, 0.1, 0.1) and model.preprocessing.std == (0.4, 0.5, 0.6)
    plain = open_file({**network().state_dict()}, "timm/resnet10t", input_size=96)
    x = torch.rand(1, 3, 96, 96)
    assert torch.equal(model.module(x), plain.module(x)), "average pooling, as asked"


def test_another_architecture_in_the_options_is_told() -> None:
    content = {"state_dict": network().state_dict(), "args": {**ARGS, "model": "resnet50"}}
    model = open_file(save(content), "timm/resnet10t")
    assert any("its network is timm/resnet50" in note for note in model.notes)


@pytest.mark.parametrize(
    "args",
    [{"model": "x", "img_size": -3, "mean": "?"}, {"lr": 1}, [1], None, {"model": ["a"]}, {"model": "resnet10t"}],
)
def test_other_options_do_no_harm(args: Any) -> None:
    model = open_file(save({"state_dict": network().state_dict(), "args": args}), "timm/resnet10t")
    assert model.preprocessing.input_size == (176, 176)


def test_plain_data_is_bounded() -> None:
    loop: dict[str, Any] = {"again": None, "text": "x" * 50_000}
    loop["again"] = loop
    content = {"net": {"a": torch.ones(1)}, "many": list(range(50_000)), "optimizer": {"lr": 1}, "loop": loop}
    settings = open_checkpoint(save(content), "mine.pth").settings
    assert len(settings["many"]) < 20_000 and "optimizer" not in settings and "net" not in settings
    data = safetensors.torch.save({"a": torch.ones(1)}, {"format": "pt"})
    assert open_checkpoint(data, "mine.safetensors").settings == {"format": "pt"}


NAMES = ["daisy", "rose", "tulip"]


@pytest.mark.parametrize(
    "beside",
    [
        {"classes": NAMES},
        {"class_to_idx": {name: index for index, name in enumerate(NAMES)}},
        {"meta": {"CLASSES": tuple(NAMES)}},
        {"meta": {"dataset_meta": {"classes": NAMES}, "epoch": 3}},
        {"datamodule_hyper_parameters": {"class_names": NAMES}},
    ],
)
def test_class_names_in_the_file_are_used_though_the_architecture_is_named(beside: dict[str, Any]) -> None:
    data = save({"state_dict": network().state_dict(), **beside})
    model = open_file(data, "timm/resnet10t")
    assert model.labels == tuple(NAMES) and model.request.label_names is None
    assert any(note.startswith("The class names stand in the file") for note in model.notes)
    assert open_file(data, "timm/resnet10t", label_names=("a", "b", "c")).labels == ("a", "b", "c")


def test_names_in_the_header_of_safetensors_are_read() -> None:
    settings = {"classes": '["daisy", "rose", "tulip"]', "labels": "[" * 100_000}
    assert find_labels(settings, 3) == (tuple(NAMES), "classes")
    assert find_labels(settings, 4) is None


@pytest.mark.parametrize(
    ("settings", "names", "count", "outputs"),
    [
        ({}, ["criterion.pos_weight"], 3, "findings"),
        ({}, ["loss_fn.pos_weight"], 1, "logit"),
        ({"hyper_parameters": {"loss": "BCEWithLogitsLoss"}}, [], 3, "findings"),
        ({"args": {"criterion": "bce_with_logits"}}, [], 1, "logit"),
        ({"hyper_parameters": {"task": "multi-label"}}, [], 3, "findings"),
        ({"config": {"multi_label": True}}, [], 3, "findings"),
        ({"config": {"task": "binary"}}, [], 1, "logit"),
        ({"hparams": {"loss": "MSELoss"}}, [], 1, "value"),
        ({"hparams": {"loss": "mse"}}, [], 3, None),
        ({"config": {"multi_label": False, "loss": "cross_entropy", "task": "binary"}}, [], 3, None),
        ({"args": {"bce_loss": True, "model": "resnet10t"}}, ["fc.weight"], 3, None),
    ],
)
def test_a_loss_or_a_task_in_the_file_says_what_its_numbers_mean(
    settings: dict[str, Any], names: list[str], count: int, outputs: str | None
) -> None:
    request = ModelRequest(source="file", name="mine.pt")
    taken, notes = take_what_is_said(request, settings, names, count)
    assert taken.outputs == outputs and bool(notes) == (outputs is not None)
    told = request.model_copy(update={"outputs": "classes"})
    assert take_what_is_said(told, settings, names, count) == (told, [])


def test_findings_are_told_from_the_weights_of_their_loss() -> None:
    state = {f"model.{key}": tensor for key, tensor in network().state_dict().items()}
    data = save({"state_dict": {**state, "criterion.pos_weight": torch.ones(3)}})
    model = open_file(data, "timm/resnet10t")
    assert model.outputs == "findings" and any("pos_weight" in note for note in model.notes)
    assert open_file(data, "timm/resnet10t", outputs="classes").outputs == "classes"
    found = inspect_file(build_file_request(data, "mine.pt", architecture="timm/resnet10t"), data).findings
    assert next(finding.value for finding in found if finding.subject == "outputs") == "findings"
