"""A model ready to be looked into."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explain.errors import LayerError, ModelError
from explain.models.labels import known_labels, tell_apart
from explain.models.preparation import note_normalisation
from explain.models.request import ModelRequest
from explain.networks.layer import Layer, default_layer, describe_grid
from explain.networks.layer_names import find_layer
from explain.networks.layer_search import find_layers
from explain.networks.meaning import Outputs, describe_assumption, find_outputs, name_answers
from explain.pictures.geometry import Preprocessing

if TYPE_CHECKING:
    from torch import nn

    from explain.networks.prompted_vit import PromptedViT


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to be looked into. Read-only, shared by everyone.

    Attributes:
        request: what was asked for.
        module: in evaluation mode, its parameters without gradients; answers `(B, numbers)`.
        preprocessing: how a picture becomes its input.
        labels: a name for each class, or for each other answer it can give.
        fingerprint: SHA-256 over architecture, preprocessing, and the name, type, shape and bytes of every tensor.
        layers: those that can be explained, in the order in which they run.
        prompted: the same network with Prompt-CAM's class prompts, where it has some.
        notes: sentences a person should read once.
        best_layer: name of the layer to explain by default, where that is known of this very model.
        outputs: what the numbers mean that the module answers with.
    """

    request: ModelRequest
    module: nn.Module
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    fingerprint: str
    layers: tuple[Layer, ...]
    prompted: PromptedViT | None = None
    notes: tuple[str, ...] = ()
    best_layer: str | None = None
    outputs: Outputs = "classes"

    @property
    def reads_volumes(self) -> bool:
        """Whether its input has three axes of space."""
        return len(self.preprocessing.sides) == 3

    @property
    def default_layer(self) -> Layer | None:
        """The layer explained unless another is asked for."""
        return next((layer for layer in self.layers if layer.name == self.best_layer), default_layer(self.layers))

    @property
    def has_parts(self) -> bool:
        """Whether its heads and MLPs can be told apart; see `explain.passes.patching`."""
        from explain.passes.patching import list_parts

        return bool(list_parts(self.module))

    def find_told_obstacle(self, method: str) -> str | None:
        """Why a method cannot work on it, where that was told and its network is not here; empty where it can. None
        where its network is here, to be asked.
        """
        return None

    def choose_module(self, by_prompts: bool) -> nn.Module:
        """What answers: the network with class prompts, where those are asked and it has some; else with its head."""
        return self.prompted if by_prompts and self.prompted is not None else self.module


def finish_loading(
    request: ModelRequest,
    module: nn.Module,
    prompted: PromptedViT | None,
    architecture: str,
    preprocessing: Preprocessing,
    labels: Sequence[str],
    notes: Sequence[str],
    count: int | None = None,
) -> LoadedModel:
    """Freeze the network, find its layers, take its fingerprint: the end of every way to load a model.

    Args:
        request: what was asked for.
        module: the network with its weights; changed in place.
        prompted: the same network with class prompts, where it has some. It may be `module` itself.
        architecture: name of what was built; part of the fingerprint.
        preprocessing: how a picture becomes the input.
        labels: a name for each number, or the two answers of one; see `choose_labels`.
        notes: sentences a person should read once.
        count: how many numbers the network answers with; left out, as many as there are labels.

    Raises:
        ModelError: the network cannot work on an input of that size, or its numbers cannot mean what is declared.
    """
    labels, count = tuple(labels), len(labels) if count is None else count
    outputs = find_outputs(request.outputs, count, len(labels))
    if prompted is not None and outputs != "classes":
        raise ModelError(
            "Class prompts tell classes apart that exclude each other, at least two. Leave out what its outputs mean, "
            "or choose another model."
        )
    if request.outputs is None and count == 1:
        notes = [*notes, describe_assumption(outputs, labels)]
    for part in (module, prompted):
        if part is not None:
            part.eval().requires_grad_(False)
    try:
        layers = find_layers(module, preprocessing.channels, preprocessing.sides)
    except (RuntimeError, AssertionError, ValueError) as error:
        sides, unit = preprocessing.sides, "voxels" if len(preprocessing.sides) > 2 else "pixels"
        raise ModelError(
            f"“{request.name}” cannot work on an input of {describe_grid(sides)} {unit}. ({error})"
        ) from None
    if not layers:
        notes = [*notes, "No layer of this model lies on the picture, so it can classify but nothing can be explained."]
    notes = [*notes, *note_normalisation(request, preprocessing), *_note_repeated(request.label_names)]
    fingerprint = _fingerprint(architecture, preprocessing, prompted if prompted is not None else module, module)
    return LoadedModel(
        request, module, preprocessing, labels, fingerprint, layers, prompted, tuple(notes), outputs=outputs
    )


def _note_repeated(names: Sequence[str] | None) -> list[str]:
    """Which names of a label file several classes have, in a sentence; none where each has its own."""
    twice = [name for name, times in Counter(names or ()).items() if times > 1]
    if not twice:
        return []
    more = f" and {len(twice) - 3} more" if len(twice) > 3 else ""
    return [
        f"The label file gives several classes the same name ({', '.join(twice[:3])}{more}), so their numbers stand "
        "behind it. Check that it is the right file."
    ]


def _fingerprint(architecture: str, preprocessing: Preprocessing, *modules: nn.Module) -> str:
    import torch

    digest = hashlib.sha256(f"{architecture}\n{preprocessing.model_dump_json()}\n".encode())
    for module in dict.fromkeys(modules):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def choose_labels(request: ModelRequest, count: int | None) -> tuple[str, ...] | None:
    """The names a request gives, checked against how many numbers the model answers with; None where it gives none.

    The two answers of one logit always have names: `no pneumonia` and `pneumonia` where that is the one name given.

    Args:
        request: its `label_names` go before its `labels`.
        count: numbers of the model; None where it has no head to count them on, and any number will do.

    Raises:
        ModelError: the label set is not known, or there are more or fewer names than numbers.
    """
    labels, source = request.label_names, "The label file"
    if labels is None and request.labels is not None:
        labels, source = known_labels(request.labels), f"The label set {request.labels}"
    labels = None if labels is None else tell_apart(labels)
    if request.outputs == "logit" and count is None:
        count = 1
    if count == 1 and request.outputs in (None, "logit"):
        if labels is not None and len(labels) > 2:
            raise ModelError(
                f"{source} has {len(labels):,} names, but the model answers with one number. Give its name, or one for "
                "each side of 0."
            )
        if request.outputs == "logit" or (labels is not None and len(labels) == 2):
            return name_answers(labels)
    if labels is not None and count is not None and len(labels) != count:
        extra = ""
        if len(labels) == count + 1:
            extra = f" If “{labels[0]}” is a heading or a background, leave it out."
        raise ModelError(
            f"{source} has {len(labels):,} names, but the model has {count:,} classes. Give one name a class.{extra}"
        )
    return labels


def get_layer(model: LoadedModel, name: str = "auto") -> Layer:
    """The layer of that name, as the network or a tutorial writes it (`layer4[-1]`), or the model's default for `auto`.

    Raises:
        LayerError: there is none; the text names the nearest.
    """
    if model.default_layer is None:
        raise LayerError(
            f"“{model.request.name}” has no layer whose output lies on the picture, so no map can be drawn for it. "
            "Choose a convolutional network or a vision transformer."
        )
    if name == "auto":
        return model.default_layer
    return find_layer(model.module, model.layers, name)
