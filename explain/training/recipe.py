"""The settings of a training of class prompts, and which of them follow from the set. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from explain.datasets.groups import GROUP
from explain.errors import ExplainError
from explain.networks.prompt_variant import Variant
from explain.settings import Settings, read_refusal, setting

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.models.loaded import LoadedModel

R = TypeVar("R", bound=Settings)

_LARGE_SET = 5_000
_FOLDED_SET = 1_000
_LEARNING_RATES: dict[Variant, float] = {"last": 0.03, "shallow": 0.01, "deep": 0.01}


class PromptRecipe(Settings):
    """Everything that decides a training, apart from the pictures and the ViT."""

    variant: Variant = setting(
        "last",
        "Where prompts enter",
        "last: at the last block only, by far the quickest to train. shallow: one set at the first block. deep: fresh "
        "prompts at every block, as in the paper.",
    )
    epochs: int = setting(60, "Epochs", "How often every picture is seen.", low=1, high=1000, step=1)
    learning_rate: float = setting(
        0.03, "Learning rate", "Step size at its height, after the warm-up.", low=1e-5, high=1.0, advanced=True
    )
    weight_decay: float = setting(
        1e-4, "Weight decay", "How strongly large weights are pulled to zero.", low=0.0, high=1.0, advanced=True
    )
    batch: int = setting(32, "Batch", "Pictures a step.", unit="pictures", low=1, high=1024, step=1, advanced=True)
    dropout: float = setting(
        0.0,
        "Dropout",
        "Share of the prompts' values left out in each step.",
        low=0.0,
        high=0.9,
        step=0.05,
        advanced=True,
    )
    warm_up: int = setting(
        3, "Warm-up", "Epochs in which the step size rises.", unit="epochs", low=0, high=200, step=1, advanced=True
    )
    patience: int = setting(
        20,
        "Patience",
        "Training ends early after so many epochs without a better one; 0 never ends it early.",
        unit="epochs",
        low=0,
        high=1000,
        step=1,
        advanced=True,
    )
    mirror: bool = setting(
        True, "Mirror", "Show every other picture mirrored. Switch it off where left and right tell classes apart."
    )
    balanced: bool = setting(
        True,
        "Balance classes",
        "Where classes have more or fewer pictures, each class counts the same: a picture's loss is weighted by one "
        "over the number of pictures of its class.",
        advanced=True,
    )
    folds: int = setting(
        5,
        "Folds",
        "To say how good it is, the set is dealt into so many parts; each is left out in turn, the others are learnt "
        "from, and it is named. Below 2, a fifth is set aside instead, as it is for prompts that enter before the last "
        "block, whose training takes long. A set with validation pictures of its own is judged on those.",
        low=0,
        high=20,
        step=1,
        advanced=True,
    )
    together: str = setting(
        "",
        "Kept together",
        "Pictures that belong together, such as a patient's, are never parted. A pattern of their file names says "
        f"which: {GROUP} stands for the part that names the patient, * for the rest, e.g. *_{GROUP}_*.",
        advanced=True,
    )
    seed: int = setting(
        0,
        "Seed",
        "Start of all random draws: the same seed gives the same prompts.",
        low=0,
        high=2**31 - 1,
        step=1,
        advanced=True,
    )


def choose_recipe(dataset: DataSet, backbone: LoadedModel) -> PromptRecipe:
    """Settings that suit the size of a data set.

    Prompts enter at the last block only, unless the set is large and the ViT runs on a GPU: on 400 pictures they are as
    good as deep ones (57 % of 10 classes each, on `photo-vit`) for a twenty-fourth of the time, while deep ones need
    the whole ViT forwards and backwards for each picture in each epoch, and learn more only from more pictures.

    Small sets are judged in folds, so that each picture counts; of large ones a fifth is enough to count.
    """
    pictures = len(dataset.list_split("train"))
    on_gpu = next(backbone.module.parameters()).device.type != "cpu"
    variant: Variant = "deep" if on_gpu and pictures >= _LARGE_SET else "last"
    epochs = min(max(round(1200 / math.sqrt(pictures)), 10), 80)  # 60 for 400 pictures, 10 from 14,400 on
    return PromptRecipe(
        variant=variant,
        epochs=epochs,
        learning_rate=_LEARNING_RATES[variant],
        batch=32 if pictures < 4 * _LARGE_SET else 128,
        warm_up=max(epochs // 12, 1),
        patience=max(epochs // 3, 5),
        folds=5 if len(dataset.examples) <= _FOLDED_SET else 0,
    )


def change_recipe(recipe: R, changes: Mapping[str, Any]) -> R:
    """A recipe, of prompts or of attention, with other settings.

    Raises:
        ExplainError: there is no such setting, or a value is out of its bounds.
    """
    try:
        return type(recipe).model_validate({**recipe.model_dump(), **changes})
    except ValidationError as error:
        refusal = read_refusal(error)
        known = type(recipe).model_fields.get(refusal.field)
        if known is None:
            raise ExplainError(
                f"There is no setting “{refusal.field}” of the training. There are: "
                f"{', '.join(type(recipe).model_fields)}."
            ) from None
        raise ExplainError(f"{known.title} cannot be {refusal.given}: {refusal.reason}.") from None


def find_learning_rate(recipe: PromptRecipe, epoch: float) -> float:
    """The step size after so many epochs: up in a line during the warm-up, then down half a cosine to zero."""
    warm_up = min(recipe.warm_up, recipe.epochs - 1)
    if epoch < warm_up:
        return recipe.learning_rate * (epoch + 0.1) / (warm_up + 0.1)
    share = (epoch - warm_up) / (recipe.epochs - warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
