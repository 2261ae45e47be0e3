"""What stands beside the weights: plain values are read, all else has a stand-in, and nothing is run."""

import collections
import datetime
import enum
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explain.errors import ModelError
from explain.models.checkpoint import open_checkpoint, read_checkpoint
from tests.support.checkpoints import save

WEIGHTS = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict()
RAN: list[str] = []


class Settings:
    """An object of a training script's own class; its making is seen in `RAN`."""

    def __init__(self) -> None:
        self.lr = 0.1

    def __setstate__(self, state: dict[str, Any]) -> None:
        RAN.append("state")

    def __new__(cls) -> "Settings":
        RAN.append("new")
        return super().__new__(cls)


class OwnDict(dict):
    """As EasyDict and its like."""


class OwnList(list):
    """As a configuration's list."""


class Phase(enum.Enum):
    TEST = 1


BESIDE = {
    "numpy number": (np.float64(0.931), 0.931),
    "numpy whole number": (np.int64(7), 7),
    "numpy array": (np.array([0.2, 0.8]), None),
    "numpy texts": (np.array(["a"]), None),
    "numpy objects": (np.array([{1: 2}], dtype=object), None),
    "path": (Path("runs/1"), "runs/1"),
    "own class": (Settings(), {"lr": 0.1}),
    "own dict": (OwnDict(a=1), {"a": 1}),
    "own list": (OwnList([1, 2]), [1, 2]),
    "enum": (Phase.TEST, 1),
    "date": (datetime.date(2026, 1, 2), None),
    "defaultdict": (collections.defaultdict(list, a=[1]), {"a": [1]}),
    "deque": (collections.deque([1]), [1]),
    "class": (Settings, None),
    "optimizer": (torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), ...),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", BESIDE)
def test_weights_are_taken_and_what_stands_beside_them_is_not_run(kind: str, legacy: bool) -> None:
    value, wanted = BESIDE[kind]
    data = save({"state_dict": WEIGHTS, "epoch": 9, "extra": value}, legacy)
    RAN.clear()
    checkpoint = open_checkpoint(data, "mine.pth")
    found = checkpoint.choose().tensors
    assert found.keys() == WEIGHTS.keys() and all(torch.equal(found[key], WEIGHTS[key]) for key in WEIGHTS)
    assert checkpoint.settings["epoch"] == 9 and not RAN
    if wanted is not ...:
        assert checkpoint.settings.get("extra") == wanted
    has_code = kind in ("own class", "own dict", "own list", "enum", "class")
    assert any("left closed" in note for note in checkpoint.notes) == has_code


def test_weights_may_be_numpy_arrays() -> None:
    arrays = {key: tensor.numpy() for key, tensor in WEIGHTS.items()}
    arrays["0.weight"] = np.asfortranarray(arrays["0.weight"])
    found = read_checkpoint(save(arrays), "mine.pth")
    assert all(torch.equal(found[key], WEIGHTS[key]) for key in WEIGHTS)


class Acting:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *given: Any) -> None:
        self.call = function, given

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_would_act_is_refused_and_does_not(tmp_path: Path, legacy: bool, protocol: int) -> None:
    import os
    import subprocess

    witness = tmp_path / "witness"
    for function, given in (
        (os.system, (f"touch {witness}",)),
        (subprocess.check_call, (["touch", str(witness)],)),
        (open, (str(witness), "w")),
        (eval, (f"open({str(witness)!r}, 'w')",)),
        (getattr, (witness, "touch")),
        (torch.storage._load_from_bytes, (b"",)),
    ):
        content = {"state_dict": WEIGHTS, "extra": Acting(function, *given)}
        stream = io.BytesIO()
        torch.save(content, stream, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ModelError, match="run code"):
            open_checkpoint(stream.getvalue(), "mine.pth")
        assert not witness.exists()


def test_functions_of_the_authors_own_are_not_called() -> None:
    data = save({"state_dict": WEIGHTS, "extra": Acting(RAN.append, "ran")} | {"more": Acting(Settings)})
    RAN.clear()
    with pytest.raises(ModelError, match="run code"):
        open_checkpoint(data, "mine.pth")
    open_checkpoint(save({"state_dict": WEIGHTS, "more": Acting(Settings)}), "mine.pth")
    assert not RAN


def test_whole_models_are_refused_wherever_they_stand() -> None:
    for content in (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), {"model": nn.Linear(2, 2), "epoch": 1}):
        with pytest.raises(ModelError, match=r"run code when opened \(torch\.nn.*state_dict"):
            open_checkpoint(save(content), "mine.pth")
    hidden = {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "model": nn.Sequential(nn.Linear(2, 2))}
    with pytest.raises(ModelError, match="run code"):
        open_checkpoint(save(hidden), "mine.pth")


def test_other_ways_of_pickling_get_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"written by pickle and not by torch\.save|run code"):
        open_checkpoint(pickle.dumps(dict(WEIGHTS)), "mine.pkl")
    for archive in (True, False):
        for protocol in (3, 4, 5):
            stream = io.BytesIO()
            torch.save(WEIGHTS, stream, pickle_protocol=protocol, _use_new_zipfile_serialization=archive)
            if protocol == 3:
                assert read_checkpoint(stream.getvalue(), "mine.pth").keys() == WEIGHTS.keys()
                continue
            with pytest.raises(ModelError, match=r"saved with pickle protocol 4 or 5.*which takes that"):
                open_checkpoint(stream.getvalue(), "mine.pth")


def test_numpy_arrays_without_end_are_told_as_such() -> None:
    with pytest.raises(ModelError, match="32 MB that are no tensors, such as weights kept as NumPy arrays"):
        open_checkpoint(save({"a.weight": np.zeros(2**23, dtype=np.float32)}), "mine.pth")


def test_an_optimizer_with_more_tensors_than_the_weights_is_no_model() -> None:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    found = read_checkpoint(save({"net": network.state_dict(), "optimizer": optimizer}), "mine.pth")
    assert set(found) == {"weight", "bias"}
