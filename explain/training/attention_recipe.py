"""The settings of a training of T-TAME's attention. Imports no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from explain.errors import ModelError
from explain.models.loaded import get_layer
from explain.networks.attention_layers import MOST_LAYERS, find_attention_layers
from explain.settings import Settings, setting

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel
    from explain.networks.layer import Layer

Hidden = Literal["black", "mean", "blur"]
_RISE = 0.3  # share of the steps in which the step size rises
_FIRST, _LAST = 1 / 25, 1e-4 / 25  # step sizes at both ends, as shares of the highest


class AttentionRecipe(Settings):
    """Everything that decides a training, apart from the pictures and the network."""

    epochs: int = setting(5, "Epochs", "How often every picture is seen.", low=1, high=200, step=1)
    hidden: Hidden = setting(
        "black",
        "Hidden is",
        "What a picture fades to where its map is low. black: as published for convolutional networks. mean: the mean "
        "colour, as published for transformers. blur: the picture, blurred beyond recognition.",
    )
    mirror: bool = setting(
        True, "Mirror", "Show every other picture mirrored. Switch it off where left and right tell classes apart."
    )
    judged: int = setting(
        50,
        "Judged on",
        "How many of the pictures kept back are used to compare its maps with those of other methods.",
        unit="pictures",
        low=1,
        high=1000,
        step=1,
    )
    layers: str = setting(
        "",
        "Layers",
        f"Whose features it reads: up to {MOST_LAYERS} names with commas between; the first gives the grid. Empty: "
        "a transformer's last three, else the last of each of the coarsest grids.",
        advanced=True,
    )
    batch: int = setting(32, "Batch", "Pictures a step.", unit="pictures", low=2, high=512, step=1, advanced=True)
    learning_rate: float = setting(
        3e-3, "Learning rate", "Step size at its height, after a third.", low=1e-6, high=1.0, advanced=True
    )
    optimiser: Literal["adamw", "sgd"] = setting(
        "adamw", "Optimiser", "sgd, with Nesterov's momentum, is the published one, for many more steps.", advanced=True
    )
    keep_class: float = setting(
        1.5,
        "Keep the class",
        "How much it counts that the masked picture is still named the same: the weight of the cross-entropy.",
        low=0.0,
        high=100.0,
        step=0.1,
        advanced=True,
    )
    area: float = setting(
        2.0, "Small area", "How much it counts that masks are small.", low=0.0, high=100.0, step=0.1, advanced=True
    )
    area_power: float = setting(
        0.3,
        "Power of the area",
        "Below 1, many small values cost more than few large ones.",
        low=0.05,
        high=2.0,
        step=0.05,
        advanced=True,
    )
    smooth: float = setting(
        0.01, "Smooth", "How much it counts that masks have few edges.", low=0.0, high=10.0, step=0.01, advanced=True
    )
    others: bool = setting(
        True,
        "Other classes too",
        "Also keep small, in each picture, the maps of the other pictures' classes, as published. It is what makes "
        "maps differ from class to class.",
        advanced=True,
    )
    patience: int = setting(
        0,
        "Patience",
        "Training ends early after so many epochs without a better one; 0 never ends it early.",
        unit="epochs",
        low=0,
        high=200,
        step=1,
        advanced=True,
    )
    seed: int = setting(
        0,
        "Seed",
        "Start of all random draws: the same seed gives the same maps.",
        low=0,
        high=2**31 - 1,
        step=1,
        advanced=True,
    )


def choose_attention_recipe(loaded: LoadedModel, preset: str = "") -> AttentionRecipe:
    """Settings that suit a network.

    Args:
        loaded: the network.
        preset: `published` for those of T-TAME's authors; empty for ours, which learn the same in fewer steps.

    Raises:
        ModelError: there is no such preset, or no attention can be trained for it.
    """
    refuse_unfit(loaded)
    layer = loaded.default_layer
    hidden: Hidden = "mean" if layer is not None and layer.layout == "NLC" else "black"
    if preset == "published":
        return AttentionRecipe(epochs=8, optimiser="sgd", learning_rate=1e-3, hidden=hidden)
    if preset:
        raise ModelError(f"There is no preset “{preset}” of this training. There is: published.")
    return AttentionRecipe(hidden=hidden)


def refuse_unfit(loaded: LoadedModel) -> None:
    """Refuse a model that no attention can be trained for.

    Raises:
        ModelError: it reads volumes, has no layer that lies on the picture, or answers with a value and not with
            classes; or it answers by class prompts, which have maps of their own.
    """
    name = loaded.request.name
    if loaded.reads_volumes:
        raise ModelError(f"T-TAME is trained on pictures; “{name}” reads volumes.")
    if loaded.default_layer is None:
        raise ModelError(f"“{name}” has no layer that lies on the picture, so there is nothing to learn maps from.")
    if loaded.outputs == "value":
        raise ModelError(f"“{name}” answers with a value. T-TAME needs classes to tell which places suffice for one.")
    if loaded.prompted is loaded.module:
        raise ModelError(f"“{name}” answers by class prompts, whose maps Prompt-CAM shows. Choose the ViT itself.")


def find_layers(recipe: AttentionRecipe, loaded: LoadedModel) -> tuple[Layer, ...]:
    """The layers whose features are read.

    Raises:
        LayerError: one does not exist.
        ModelError: they are too many, or one is named twice.
    """
    names = [name.strip() for name in recipe.layers.split(",") if name.strip()]
    if not names:
        assert loaded.default_layer is not None
        return find_attention_layers(loaded.layers, loaded.default_layer, loaded.preprocessing.input_size)
    layers = tuple(get_layer(loaded, name) for name in names)
    if len(layers) > MOST_LAYERS or len({layer.name for layer in layers}) < len(layers):
        raise ModelError(f"Name up to {MOST_LAYERS} layers, each once, with commas between.")
    return layers


def find_cycle_rate(recipe: AttentionRecipe, share: float) -> float:
    """The step size after a share of all steps, 0…1: one cycle, up and down by half a cosine each.

    Source: Smith and Topin, "Super-Convergence", 2018, arXiv 1708.07120, with a rise of 30 % from a 25th.
    """
    start, end, at = (_FIRST, 1.0, share / _RISE) if share < _RISE else (1.0, _LAST, (share - _RISE) / (1 - _RISE))
    return recipe.learning_rate * (end + (start - end) * 0.5 * (1 + math.cos(math.pi * at)))
