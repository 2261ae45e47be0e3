"""What the frozen blocks say of each picture: once a view, the same wherever it is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from explain.datasets.dataset import DataSet
from explain.models.loaded import LoadedModel
from explain.networks.prompt_variant import Variant
from explain.training.folds import plan_training
from explain.training.loop import train_prompts
from explain.training.outcome import Epoch
from tests.support.training import SMALL, VARIANTS, make_set


def count_learnt(dataset: DataSet) -> int:
    """How many pictures are learnt from in one fold or another."""
    return len({index for part in plan_training(dataset, SMALL).parts for index in part.learn})


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_picture_passes_the_frozen_blocks_once_a_view(backbone: LoadedModel, variant: Variant) -> None:
    seen: dict[str, int] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            seen[name] = seen.get(name, 0) + len(inputs[0])

        return hook

    vit = backbone.module
    handles = [
        vit.get_submodule(name).register_forward_hook(count(name))
        for name in ("patch_embed", "blocks.0.mlp", "blocks.1.mlp")
    ]
    dataset = make_set()
    for mirror, views in ((True, 2), (False, 1)):
        seen.clear()
        report = train_prompts(
            backbone, dataset, SMALL.model_copy(update={"variant": variant, "mirror": mirror})
        ).report
        # Where nothing is dealt into folds, 6 judge, and 3 of the 18 others choose the epoch.
        learnt = count_learnt(dataset) if variant == "last" else 15
        once, every_epoch = 24 + (views - 1) * learnt, 4 * (15 + 3) + 6
        assert report.features_cached
        assert seen["patch_embed"] == once
        assert seen["blocks.0.mlp"] == seen["blocks.1.mlp"] == (once if variant == "last" else every_epoch)
    seen.clear()
    recipe = SMALL.model_copy(update={"variant": variant})
    assert not train_prompts(backbone, dataset, recipe, keep_features=False).report.features_cached
    in_folds = 4 * (18 + 6) + 2 * (4 * 12 + 12)
    assert seen["patch_embed"] == seen["blocks.1.mlp"] == (in_folds if variant == "last" else every_epoch)
    for handle in handles:
        handle.remove()


def test_features_in_memory_in_half_precision_in_a_file_or_nowhere_teach_the_same(
    backbone: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explain.training.frozen_features._CHUNK", 5)
    monkeypatch.setattr("explain.training.frozen_features._SPARE_BYTES", 0)
    dataset = make_set()
    whole = train_prompts(backbone, dataset, SMALL)
    size = (24 + count_learnt(dataset)) * 2 * 32 * 5 * 4  # views, keys and values, width, tokens, float32
    files: list[int] = []

    def tell(said: Epoch | str, share: float | None) -> None:
        if isinstance(said, Epoch) and (tmp_path / "features").exists():
            files.append((tmp_path / "features").stat().st_size)

    for allowed, bytes_in_file in ((size, 0), (size // 2, 0), (size // 2 - 1, size // 2)):
        files.clear()
        path = tmp_path / "checkpoint"
        trained = train_prompts(backbone, dataset, SMALL, checkpoint=path, bytes_in_memory=allowed, tell=tell)
        path.unlink()
        assert trained.report.features_cached
        assert set(files) == ({bytes_in_file} if bytes_in_file else set())
        assert not (tmp_path / "features").exists()
        exact = allowed == size
        for name, tensor in whole.tensors.items():
            assert not exact or torch.equal(trained.tensors[name], tensor), name
            assert torch.allclose(trained.tensors[name], tensor, atol=0.02), name
    unkept = train_prompts(backbone, dataset, SMALL, bytes_in_memory=10)  # no folder for a file
    assert not unkept.report.features_cached
    for name, tensor in whole.tensors.items():
        assert torch.allclose(unkept.tensors[name], tensor, atol=2e-3), name
