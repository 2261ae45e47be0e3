"""Each kind of file that is no checkpoint is told what it is, and what to do."""

import gzip
import io
import zipfile

import pytest
import safetensors.torch
import torch
from torch import nn

from explain.errors import ModelError
from explain.models.checkpoint import open_checkpoint
from tests.support.checkpoints import save


def pack(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


def compile_program() -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), stream)
    return stream.getvalue()


SHARD = safetensors.torch.save({"a": torch.ones(2)})
KINDS = {
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(100), "model.h5", "Keras .*TensorFlow"),
    "keras 3": (pack("metadata.json", "config.json", "model.weights.h5"), "model.keras", "Keras"),
    "saved model": (b"\x08\x01\x12\xff" + bytes(100), "saved_model.pb", "protocol buffers"),
    "onnx": (b"\x08\x09\x12\x07pytorch\x1a\x052.0.0" + bytes(100), "model.onnx", "ONNX"),
    "onnx without a producer": (b"\x08\x07:\x80\x01" + bytes(100), "model.bin", "ONNX"),
    "lite": (b"\x1c\0\0\0TFL3" + bytes(100), "model.tflite", "TensorFlow Lite"),
    "index": (b'{"metadata": {}, "weight_map": {"a": "b"}}', "model.safetensors.index.json", "in several parts"),
    "config": (b'{"architecture": "resnet18"}', "config.json", "JSON"),
    "shard": (SHARD, "model-00001-of-00002.safetensors", "part 1 of 2"),
    "large files of git": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "model.pth", "git lfs pull"),
    "page": (b"\n<!DOCTYPE html><title>Sign in</title>", "model.pth", "web page"),
    "gzip": (gzip.compress(SHARD), "model.pth.gz", "gzip. Unpack it"),
    "tar": (bytes(257) + b"ustar" + bytes(300), "model.tar", "tar archive"),
    "zip of a checkpoint": (pack("run/best.pth"), "run.zip", r"best\.pth in it"),
    "arrays": (pack("a.npy", "b.npy"), "model.npz", "NumPy"),
    "exported": (pack("model/archive_format", "model/data/weights/w"), "model.pt2", "exported program"),
    "torchscript": (compile_program(), "model.pt", "TorchScript program"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), "cat.png", "picture"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_sentence_names_the_kind(kind: str) -> None:
    data, name, words = KINDS[kind]
    with pytest.raises(ModelError, match=words) as caught:
        open_checkpoint(data, name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_single_part_and_any_name_will_do() -> None:
    assert open_checkpoint(SHARD, "model-00001-of-00001.safetensors").kind == "safetensors"
    for name in ("model_best.pth.tar", "epoch=3.ckpt", "pytorch_model.bin", "MODEL.PTH", "model"):
        assert open_checkpoint(save({"a": torch.ones(2)}), name).kind == "torch"
