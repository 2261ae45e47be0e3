"""Train the attention that ships with a bundled model: `python -m explain.training.making.attention --data DIR`.

`DIR` is CIFAR-10 as JPEG files in folders of classes, `train/` and `test/`; which class a picture is of plays no part.
The first pictures of `train/` by digest are learnt from, those of `test/` judge. The file with its card in the header
is written to `assets/attention/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from explain.bundled.models import ATTENTION_FOLDER
from explain.datasets.dataset import DataSet
from explain.datasets.sample import PICTURES, choose_pictures
from explain.models.library import pack
from explain.models.load import load_model
from explain.models.request import ModelRequest
from explain.training.attention_loop import train_attention
from explain.training.attention_recipe import AttentionRecipe
from explain.training.attention_saving import describe_attention
from explain.training.outcome import Epoch, Preparing

JUDGING = 100


def make(dataset: DataSet, model: str, out: Path, recipe: AttentionRecipe) -> Path:
    """Train, and write the file.

    Returns:
        Where it is.
    """
    loaded = load_model(ModelRequest(source="bundled", name=model))

    def tell(said: Epoch | Preparing | str, share: float | None) -> None:
        print(said.text if isinstance(said, Preparing) else said, end="\n" if isinstance(said, Epoch) else "\r")

    trained = train_attention(loaded, dataset, recipe, tell=tell)
    card = describe_attention(model, loaded, recipe, trained)
    print(f"{card.report.describe()} {' '.join(card.report.list_warnings())} {trained.outcome.seconds:.0f} s.")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{model}.safetensors"
    path.write_bytes(pack(trained.list_tensors(), card))
    return path


def main(
    data: Annotated[Path, typer.Option(help="CIFAR-10 as JPEG files.")],
    model: str = "photo-cnn",
    out: Path = ATTENTION_FOLDER,
) -> None:
    """Train the attention of a bundled model and write it down."""
    torch.set_num_threads(2)
    make(choose_pictures(data, PICTURES, JUDGING), model, out, AttentionRecipe(judged=JUDGING))


if __name__ == "__main__":
    typer.run(main)
