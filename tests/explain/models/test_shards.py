"""Parts of a safetensors checkpoint, put together again."""

import struct

import pytest
import safetensors.torch
import torch

from explain.errors import ModelError
from explain.models.shards import is_shard, join_shards


def cut(*groups: dict[str, torch.Tensor]) -> list[tuple[str, bytes]]:
    count = len(groups)
    return [
        (f"model-{n:05d}-of-{count:05d}.safetensors", safetensors.torch.save(group, {"format": "pt"}))
        for n, group in enumerate(groups, start=1)
    ]


A = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int8)}
OUT_OF_IT = b'{"c":{"data_offsets":[0,9]}}'
B = {"c": torch.full((3,), 7.0, dtype=torch.float16)}


def test_all_parts_in_any_order_are_the_whole() -> None:
    parts = cut(A, B)
    name, data = join_shards(parts)
    assert name == "model.safetensors"
    assert join_shards(parts[::-1]) == (name, data), "the same parts give the same bytes"
    whole = safetensors.torch.load(data)
    assert whole.keys() == {"a", "b", "c"}
    for key, tensor in (A | B).items():
        assert torch.equal(whole[key], tensor) and whole[key].dtype == tensor.dtype


def test_names_of_parts() -> None:
    assert is_shard("model-00001-of-00002.safetensors") and is_shard("pytorch_model-1-of-3.bin")
    assert not is_shard("model.safetensors") and not is_shard("model-00001-of-00001.safetensors")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (cut(A, B)[1:], "part 1 is missing"),
        (cut(A, B, A)[:1], "parts 2, 3 are missing"),
        (cut(A, A), "holds a, which another part has too"),
        ([*cut(A, B)[:1], ("other-00002-of-00002.safetensors", cut(A, B)[1][1])], "different checkpoints"),
        ([cut(A, B)[0], ("model-00002-of-00002.safetensors", b"no")], "is damaged"),
        ([cut(A, B)[0], ("model-00002-of-00002.safetensors", struct.pack("<Q", 4) + b"[{}]")], "is damaged"),
        (
            [
                cut(A, B)[0],
                ("model-00002-of-00002.safetensors", struct.pack("<Q", 28) + OUT_OF_IT),
            ],
            "is damaged",
        ),
        ([(f"m-{n}-of-2.bin", b"PK\3\4 and more of it") for n in (1, 2)], "is pickled"),
    ],
)
def test_what_is_no_whole_is_a_sentence(parts: list[tuple[str, bytes]], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        join_shards(parts)
