"""Checkpoints: every wrapping that is understood, and every bad file with a sentence."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from explain.errors import ModelError
from explain.models import checkpoint
from explain.models.checkpoint import fit_names, load_weights, read_checkpoint


def save(content: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


WEIGHTS = network().state_dict()


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == WEIGHTS.keys() and all(torch.equal(found[key], WEIGHTS[key]) for key in WEIGHTS)


@pytest.mark.parametrize(
    "data",
    [
        safetensors.torch.save(WEIGHTS),
        save(WEIGHTS),
        save(WEIGHTS, _use_new_zipfile_serialization=False),
        save({"state_dict": WEIGHTS, "epoch": 3, "best": 0.5, "optimizer": {"state": {}, "lr": [0.1]}}),
        save({"model": WEIGHTS, "args": argparse.Namespace(lr=0.1)}),
        save({"model_state_dict": WEIGHTS}),
        save({"model": {"state_dict": WEIGHTS}}),
        save({"state_dict_ema": WEIGHTS}),
        save({**WEIGHTS, "name": "mine", "steps": 7, "nothing": None}),
    ],
    ids=["safetensors", "pt", "legacy", "state_dict", "model", "model_state_dict", "nested", "ema", "other entries"],
)
def test_kinds_and_wrappers(data: bytes) -> None:
    assert same(read_checkpoint(data, "x.bin"))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64, torch.float8_e4m3fn])
def test_floats_become_float32(kind: torch.dtype) -> None:
    weights = {"a": torch.tensor([[0.5, -2.0]]).to(kind), "steps": torch.tensor(3)}
    for data in (save(weights), safetensors.torch.save(weights)):
        found = read_checkpoint(data, "x")
        assert found["a"].dtype == torch.float32 and found["a"].tolist() == [[0.5, -2.0]]
        assert found["steps"].dtype == torch.int64


def pack(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"PK is how this text begins, and it is no zip", "no checkpoint"),
    "html": (b"<!doctype html><title>Not found</title>", "no checkpoint"),
    "random": (bytes(range(7, 251)) * 9, "no checkpoint"),
    "random after a pickle's first byte": (b"\x80" + bytes(range(7, 251)) * 9, "damaged"),
    "cut safetensors": (safetensors.torch.save(WEIGHTS)[:-20], "damaged"),
    "cut safetensors header": (safetensors.torch.save(WEIGHTS)[:60], "damaged"),
    "safetensors header of lies": (struct.pack("<Q", 30) + b"{" + b" " * 40, "damaged"),
    "cut pt": (save(WEIGHTS)[:-200], "damaged"),
    "cut legacy": (save(WEIGHTS, _use_new_zipfile_serialization=False)[:-40], "damaged"),
    "zip of something else": (pack({"a.txt": b"hello"}), "archive without weights"),
    "zip with a broken pickle": (pack({"x/data.pkl": b"\x80\x02garbage", "x/version": b"3\n"}), "damaged"),
    "torchscript": (pack({"x/constants.pkl": b"", "x/data.pkl": b""}), "TorchScript"),
    "no tensors": (save({"epoch": 3}), "holds no weights"),
    "a list": (save([1, 2, 3]), "holds no weights"),
    "numbers that are none": (save({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}), "first in b"),
    "infinity after narrowing": (save({"a": torch.tensor([1e300], dtype=torch.float64)}), "first in a"),
    "sparse": (save({"a": torch.eye(3).to_sparse()}), "sparse"),
    "complex": (save({"a": torch.ones(2, dtype=torch.complex64)}), "complex"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_get_a_sentence(kind: str) -> None:
    data, words = BAD[kind]
    with pytest.raises(ModelError, match=words) as caught:
        read_checkpoint(data, "mine.pt")
    assert "mine.pt" in str(caught.value) and "\n" not in str(caught.value)


class Attack:
    """Runs code when unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return exec, (f"open({str(self.witness)!r}, 'w').write('the code ran')",)


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    attack = Attack(witness)
    files = {
        "zip": save({"state_dict": WEIGHTS, "extra": attack}),
        "legacy": save({"a": attack}, _use_new_zipfile_serialization=False),
        "bare pickle": pickle.dumps(attack, protocol=2),
        "whole module": save(network()),
    }
    for kind, data in files.items():
        with pytest.raises(ModelError, match="run code"):
            read_checkpoint(data, f"{kind}.pt")
        assert not witness.exists(), kind
    pickle.loads(files["bare pickle"])  # the attack itself works
    assert witness.read_text() == "the code ran"


def test_size_is_bounded_before_anything_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\0" * 200_000)
    assert len(bomb.getvalue()) < 2_000
    stretched = save({"a": torch.zeros(1).expand(300, 300)})
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 100_000)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(ModelError, match="unpacks to more"):
        read_checkpoint(bomb.getvalue(), "bomb.pt")
    with pytest.raises(ModelError, match="larger than"):
        read_checkpoint(bytes(100_001), "large.pt")
    monkeypatch.undo()
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 100_000)
    with pytest.raises(ModelError, match="unpacks to more"):
        read_checkpoint(stretched, "stretched.pt")


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "backbone.", "module.model.", "_orig_mod."])
def test_prefixes(prefix: str) -> None:
    fit = fit_names({prefix + key: tensor for key, tensor in WEIGHTS.items()}, WEIGHTS)
    assert same(fit.tensors) and fit.prefix == prefix and fit.left_out == ()


def test_what_lies_beside_the_prefix_is_named() -> None:
    tensors = {f"model.{key}": tensor for key, tensor in WEIGHTS.items()}
    fit = fit_names({**tensors, "loss.weight": torch.ones(2)}, WEIGHTS)
    assert same(fit.tensors) and fit.left_out == ("loss.weight",)


def test_own_names_are_no_prefix() -> None:
    """A network that itself has a part called `backbone` keeps it."""
    expected = {"backbone.a": 1, "backbone.b": 1, "head": 1}
    tensors = {key: torch.ones(1) for key in expected}
    assert fit_names(tensors, expected).tensors.keys() == expected.keys()


def test_weights_go_in_bit_for_bit() -> None:
    module = network()
    nn.init.zeros_(module[0].weight)
    load_weights(module, {k: v for k, v in WEIGHTS.items() if "num_batches" not in k}, "x.pt", "timm/x")
    assert same(module.state_dict())


def test_what_does_not_fit_is_listed() -> None:
    tensors = {k: v for k, v in WEIGHTS.items() if k != "1.bias"} | {"4.weight": torch.ones(1), "3.bias": torch.ones(5)}
    with pytest.raises(ModelError) as caught:
        load_weights(network(), tensors, "x.pt", "timm/x")
    text = str(caught.value)
    assert "Missing (1): 1.bias." in text and "Unexpected (1): 4.weight." in text
    assert "Other shape (1): 3.bias (5 instead of 2)." in text and "another architecture" not in text


def test_another_architecture_is_named_and_the_lists_are_short() -> None:
    with pytest.raises(ModelError) as caught:
        load_weights(network(), {f"layer{i}.weight": torch.ones(1) for i in range(40)}, "x.pt", "timm/x")
    text = str(caught.value)
    assert "another architecture than timm/x" in text
    assert "Unexpected (40): layer0.weight" in text and "layer9.weight and 30 more." in text and "layer10" not in text
