"""What a file says of itself before anyone is asked."""

import argparse
import threading
from typing import Any

import pytest
import torch
from torch import nn

from explain.errors import ModelError
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.inspection import Finding, Inspection, inspect_file, settle_request
from explain.models.load import load_model
from explain.models.request import build_file_request
from tests.support.checkpoints import save

VIT = "timm/vit_tiny_patch16_384"


def build(architecture: str, classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return build_architecture(parse_architecture(architecture), classes, 3, None)


def look(content: Any, **options: Any) -> tuple[Inspection, dict[str, Finding]]:
    data = save(content)
    found = inspect_file(build_file_request(data, "mine.pth", **options), data)
    return found, {finding.subject: finding for finding in found.findings}


def test_a_plain_file_in_a_wrapper() -> None:
    tensors = {f"module.{key}": tensor for key, tensor in build("torchvision/squeezenet1_1").state_dict().items()}
    found, by_subject = look({"state_dict": tensors, "class_to_idx": {"rose": 1, "daisy": 0, "tulip": 2}})
    assert found.problem is None
    assert by_subject["architecture"].found == "torchvision/squeezenet1_1"
    assert by_subject["classes"].found == "3" and "“classifier.1.weight” has 3 rows" in by_subject["classes"].reason
    assert "module." in by_subject["wrapper"].found and "state_dict" in by_subject["weights"].reason
    assert by_subject["channels"].value == 3
    assert by_subject["class names"].value == ["daisy", "rose", "tulip"]
    assert by_subject["class names"].reason == "they stand in the file under “class_to_idx”"
    assert by_subject["outputs"].value == "classes" and by_subject["outputs"].is_assumed
    assert by_subject["mean"].is_assumed and by_subject["fit"].is_assumed
    assert not by_subject["architecture"].is_assumed
    assert found.request.label_names == ("daisy", "rose", "tulip")
    assert any("guessed" in note for note in found.notes)


def test_averages_positions_and_the_training_s_options() -> None:
    tensors = build(VIT).state_dict()
    args = argparse.Namespace(model="vit_tiny_patch16_384", mean=[0.1, 0.2, 0.3], std=None, interpolation="bicubic")
    raw = {key: tensor + 1 for key, tensor in tensors.items()}
    _, by_subject = look({"state_dict": raw, "state_dict_ema": tensors, "args": args, "epoch": 1})
    assert by_subject["weights"].value == "averaged" and "state_dict_ema" in by_subject["weights"].found
    assert by_subject["architecture"].found == VIT and by_subject["architecture"].reason.startswith("The file says so")
    assert by_subject["input size"].value == 384
    assert by_subject["input size"].reason == "the position grid is 24 × 24 patches of 16 pixels"
    assert by_subject["mean"].value == [0.1, 0.2, 0.3] and "options of the training" in by_subject["mean"].reason
    assert not by_subject["input size"].is_assumed and not by_subject["mean"].is_assumed


def test_another_head_and_another_stem() -> None:
    network = build("torchvision/resnet18")
    network.conv1 = nn.Conv2d(1, 64, 7, 2, 3)
    network.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, 2))
    found, by_subject = look(network.state_dict())
    assert found.problem is None and found.loaded is not None
    assert by_subject["head"].found == "another: 2 linear layers, 512 → 32 → 2"
    assert by_subject["classes"].found == "2"
    assert by_subject["channels"].found == "1, grey"


def test_what_is_told_is_taken_for_granted() -> None:
    tensors = build("torchvision/resnet18").state_dict()
    found, by_subject = look(tensors, architecture="timm/resnet18", fit="squash", label_names=("a", "b", "c"))
    assert found.request.architecture == "timm/resnet18"
    assert by_subject["architecture"].reason.startswith("as told; 100 % of names and shapes agree")
    assert by_subject["fit"].reason == "as told" and not by_subject["fit"].is_assumed
    assert by_subject["class names"].found == "a, b, c"
    _, by_subject = look(tensors, architecture="torchvision/densenet121")
    assert "though torchvision/resnet18 agrees better" in by_subject["architecture"].reason


def test_what_cannot_be_told_is_said_and_not_guessed() -> None:
    tensors = build("torchvision/resnet18").state_dict()
    half = dict(list(tensors.items())[:60])
    data = save(half)
    with pytest.raises(ModelError, match=r"cannot be told for sure.*Nearest: torchvision/resnet18 \(\d\d % of names"):
        settle_request(build_file_request(data, "mine.pth"), data)
    with pytest.raises(ModelError, match="without a head"):
        look({key: tensor for key, tensor in tensors.items() if not key.startswith("fc.")})
    with pytest.raises(ModelError, match="no network of timm or torchvision"):
        look({f"a.{index}.weight": torch.zeros(3, 3) for index in range(9)})


def test_a_file_without_a_word_is_opened_with_what_was_guessed() -> None:
    network = build("torchvision/squeezenet1_1")
    data = save(network.state_dict())
    loaded = load_model(build_file_request(data, "mine.pth"), data)
    assert loaded.request.architecture == "torchvision/squeezenet1_1"
    assert loaded.notes[0].startswith("The architecture was guessed: torchvision/squeezenet1_1.")
    inputs = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.module(inputs), network.eval()(inputs))
    again = load_model(loaded.request, data)
    assert again.fingerprint == loaded.fingerprint and not any("guessed" in note for note in again.notes)


def test_class_names_that_do_not_fit_are_left_alone() -> None:
    tensors = build("torchvision/squeezenet1_1").state_dict()
    wrong: list[Any] = [["a", "b"], ["a", "a", "b"], {"a": 0, "b": 5, "c": 9}, [1, 2, 3], "abc", {"a": None}]
    for classes in wrong:
        found, _ = look({"model": tensors, "classes": classes})
        assert found.request.label_names is None, classes


def test_several_may_look_at_once() -> None:
    data = save(build("torchvision/squeezenet1_1").state_dict())
    found: list[str | None] = []

    def run() -> None:
        found.append(settle_request(build_file_request(data, "mine.pth"), data)[0].architecture)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["torchvision/squeezenet1_1"] * 3
