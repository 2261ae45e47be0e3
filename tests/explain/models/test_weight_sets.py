"""Weights are found wherever they stand in a file, and averaged ones are known from raw ones."""

from typing import Any

import pytest
import torch
from torch import nn

from explain.errors import ModelError
from explain.models.checkpoint import open_checkpoint
from tests.support.checkpoints import open_file, open_same, save

NETWORK = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
GOOD = NETWORK.state_dict()
RAW = {key: tensor + 1 for key, tensor in GOOD.items()}
OPTIMIZER = torch.optim.Adam(NETWORK.parameters())
NETWORK(torch.rand(2, 3, 8, 8)).sum().backward()
OPTIMIZER.step()
GOOD = {key: tensor.clone() for key, tensor in NETWORK.state_dict().items()}


@pytest.mark.parametrize(
    "content",
    [
        {"net_state_dict": GOOD, "epoch": 3},
        {"model_state": GOOD, "optimizer_state": OPTIMIZER.state_dict()},
        {"model_weights": GOOD},
        {"my classifier": GOOD, "optimizer": OPTIMIZER.state_dict()},
        [GOOD, {"lr": 0.1}],
        (3, GOOD),
        {"net": list(GOOD.items()), "epoch": 3},
        {"a": {"b": [{"c": GOOD}]}},
        {"loss": {"weight": torch.ones(4)}, "metrics": {f"m{i}": torch.ones(1) for i in range(40)}, "net": GOOD},
    ],
)
def test_weights_are_found_under_any_name(content: Any) -> None:
    found = open_checkpoint(save(content), "mine.pth").choose().tensors
    assert found.keys() == GOOD.keys() and all(torch.equal(found[key], GOOD[key]) for key in GOOD)


@pytest.mark.parametrize(
    ("raw", "averaged"),
    [
        ("state_dict", "state_dict_ema"),
        ("model", "model_ema"),
        ("model", "ema"),
        ("model", "ema_state_dict"),
        ("net", "averaged_model"),
        ("net", "swa_state_dict"),
        ("net", "model_avg"),
        ("model", "modelEma"),
        ("params", "params_ema"),
    ],
)
def test_averaged_weights_go_before_raw_ones_and_a_note_says_so(raw: str, averaged: str) -> None:
    for content in ({raw: RAW, averaged: GOOD}, {averaged: GOOD, raw: RAW}):
        checkpoint = open_checkpoint(save(content), "mine.pth")
        chosen = checkpoint.choose()
        assert chosen.averaged and torch.equal(chosen.tensors["0.bias"], GOOD["0.bias"])
        assert averaged in chosen.notes[0] and raw in chosen.notes[0]
        other = checkpoint.choose("raw")
        assert torch.equal(other.tensors["0.bias"], RAW["0.bias"]) and averaged in other.notes[0]


def test_the_choice_is_part_of_the_request() -> None:
    import torchvision

    torch.manual_seed(0)
    good, raw = (torchvision.models.squeezenet1_1(num_classes=3).eval() for _ in range(2))
    content = {"state_dict": raw.state_dict(), "state_dict_ema": good.state_dict()}
    architecture = "torchvision/squeezenet1_1"
    model = open_same(good, content, architecture, input_size=64)
    assert any("state_dict_ema" in note for note in model.notes) and model.request.weights is None
    model = open_same(raw, content, architecture, input_size=64, weights="raw")
    assert model.request.weights == "raw" and any("as asked" in note for note in model.notes)
    open_same(good, content, architecture, input_size=64, weights="averaged")
    with pytest.raises(ModelError, match="holds no averaged weights"):
        open_file(raw.state_dict(), architecture, weights="averaged")
    with pytest.raises(ModelError, match="weights cannot be best"):
        open_file(raw.state_dict(), architecture, weights="best")


def test_averages_among_the_other_weights_are_a_set_of_their_own() -> None:
    """As Lightning keeps an averaged copy of the network beside it."""
    mixed = {f"model.{key}": tensor for key, tensor in RAW.items()}
    mixed |= {f"ema_model.module.{key}": tensor for key, tensor in GOOD.items()}
    chosen = open_checkpoint(save({"state_dict": mixed}), "mine.ckpt").choose()
    assert chosen.averaged and set(chosen.tensors) == {f"ema_model.module.{key}" for key in GOOD}


def prefix(tensors: dict[str, Any], start: str) -> dict[str, Any]:
    return {start + key: tensor for key, tensor in tensors.items()}


@pytest.mark.parametrize(
    "content",
    [
        {"student": RAW, "teacher": GOOD, "epoch": 3},
        {"state_dict": {**prefix(RAW, "student."), **prefix(GOOD, "teacher.")}},
        {"student": prefix(RAW, "module."), "teacher": GOOD},
    ],
)
def test_of_a_student_and_its_average_the_average_is_taken(content: dict[str, Any]) -> None:
    chosen = open_checkpoint(save(content), "mine.pth").choose()
    assert chosen.averaged and "teacher" in chosen.path and "student" in chosen.notes[0]
    found = next(tensor for key, tensor in chosen.tensors.items() if key.endswith("0.bias"))
    assert torch.equal(found, GOOD["0.bias"])


def test_of_a_student_and_a_larger_teacher_the_student_is_taken() -> None:
    larger = {**RAW, "4.weight": torch.ones(4, 4, 1, 1), "4.bias": torch.ones(4)}
    for content in ({"student": GOOD, "teacher": larger}, {**prefix(GOOD, "student."), **prefix(larger, "teacher.")}):
        chosen = open_checkpoint(save(content), "mine.pth").choose()
        assert "student" in chosen.path and len(chosen.tensors) == len(GOOD) and not chosen.averaged


def test_averages_without_the_dots_of_their_names_are_read() -> None:
    """As `LitEma` keeps them, in buffers, of parameters alone."""
    trained = {key.replace(".", ""): GOOD[key] for key, _ in NETWORK.named_parameters()}
    counted = {"decay": torch.tensor(0.9), "num_updates": torch.tensor(3)}
    state = {**prefix(RAW, "model."), **prefix({**trained, **counted}, "model_ema.")}
    chosen = open_checkpoint(save({"state_dict": state}), "mine.ckpt").choose()
    assert chosen.averaged and set(chosen.tensors) == {f"model_ema.{key}" for key in GOOD}
    assert torch.equal(chosen.tensors["model_ema.0.weight"], GOOD["0.weight"])
    assert torch.equal(chosen.tensors["model_ema.1.running_mean"], RAW["1.running_mean"])


def test_averages_without_names_follow_the_order_of_what_is_trained() -> None:
    listed = [GOOD[key] for key, _ in NETWORK.named_parameters()]
    content = {"model": RAW, "ema": {"decay": 0.99, "shadow_params": listed}}
    chosen = open_checkpoint(save(content), "mine.pth").choose()
    assert chosen.averaged and torch.equal(chosen.tensors["2.bias"], GOOD["2.bias"])
    assert torch.equal(chosen.tensors["1.running_mean"], RAW["1.running_mean"])
    content["ema"]["shadow_params"] = listed[1:]
    assert not open_checkpoint(save(content), "mine.pth").choose().averaged


def test_averages_of_parameters_alone_take_the_rest_from_the_last_step() -> None:
    trained = {key for key, _ in NETWORK.named_parameters()}
    content = {"model": RAW, "ema": {key: GOOD[key] for key in trained}}
    found = open_checkpoint(save(content), "mine.pth").choose().tensors
    assert found.keys() == GOOD.keys()
    assert torch.equal(found["0.weight"], GOOD["0.weight"])
    assert torch.equal(found["1.running_mean"], RAW["1.running_mean"])


def test_two_sets_of_one_kind_are_told() -> None:
    chosen = open_checkpoint(save({"best": RAW, "model": GOOD}), "mine.pth").choose()
    assert chosen.path == "model" and "“best”" in chosen.notes[0]


def test_a_file_without_weights_says_what_it_holds() -> None:
    with pytest.raises(ModelError, match="holds no weights, only epoch, lr"):
        open_checkpoint(save({"epoch": 1, "lr": 0.1}), "mine.pth")


def test_nesting_is_bounded() -> None:
    content: Any = GOOD
    for _ in range(40):
        content = {"in": content}
    with pytest.raises(ModelError, match="holds no weights"):
        open_checkpoint(save(content), "mine.pth")


def test_a_part_of_the_network_that_is_called_like_an_average_is_none() -> None:
    state = {**GOOD, "ema.conv.weight": torch.ones(3), "ema.conv.bias": torch.ones(3)}
    chosen = open_checkpoint(save({"model": state}), "mine.pth").choose()
    assert not chosen.averaged and chosen.tensors.keys() == state.keys()


def test_names_without_end_are_left_out_at_once() -> None:
    """Every part of a name may be a prefix; a million of them would take hours."""
    chosen = open_checkpoint(save({"a" + ".a" * 500_000: torch.ones(1), **GOOD}), "mine.pth").choose()
    assert chosen.tensors.keys() == GOOD.keys()


def test_a_mapping_that_holds_itself_ends() -> None:
    loop: dict[str, Any] = {f"again {number}": None for number in range(50)}
    for key in loop:
        loop[key] = loop
    assert open_checkpoint(save({"loop": loop, "net": GOOD}), "mine.pth").choose().path == "net"
