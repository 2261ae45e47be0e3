"""Loading a model: bundled, from timm's hub, from a person's file, or with prompts trained here. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from explain.bundled.models import bundled_models, find_bundled_file, find_bundled_model
from explain.errors import ModelError
from explain.models.checkpoint import load_prompts, load_weights, read_checkpoint
from explain.models.hub import load_from_hub
from explain.models.loaded import LoadedModel, choose_labels, finish_loading
from explain.models.own_file import load_file, load_tensors
from explain.models.preparation import override_preprocessing
from explain.models.prompt_library import read_card, read_prompts
from explain.models.recipes import recall_recipe
from explain.models.request import ModelRequest
from explain.rights import find_actor

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer
    from torch import Tensor


def pin_request(request: ModelRequest) -> ModelRequest:
    """The request for what a name stands for now: prompts may be trained anew under the same name.

    Raises:
        ModelError: there are no prompts of that name; or, where people log in, the person has none of that digest.
            Another's may be in the engine's memory.
    """
    if request.source != "prompts" or (request.digest is not None and find_actor() is None):
        return request
    digest = read_card(request.name).digest
    if request.digest not in (None, digest):
        raise _refuse_anew(request.name)
    return request.model_copy(update={"digest": digest})


def load_model(request: ModelRequest, weights: bytes | None = None) -> LoadedModel:
    """Load what a request names.

    Args:
        request: which model.
        weights: the checkpoint's bytes, for a file.

    Raises:
        ModelError: it is unknown, missing, out of reach, damaged, or does not fit its architecture.
    """
    if request.source == "bundled":
        return _load_bundled(request)
    if request.source == "hub" and request.name.startswith("torchvision/"):
        from explain.models.video_hub import load_video_network

        return load_video_network(request)
    if request.source == "hub":
        return load_from_hub(request)
    if request.source == "prompts":
        return _load_trained_prompts(pin_request(request))
    if request.source == "module":
        raise ModelError(
            f"“{request.name}” is a network of somebody's own, handed over in Python. It cannot be had by its name: "
            "hand it over again, in Python."
        )
    return _load_own_file(request, weights)


def _load_own_file(request: ModelRequest, weights: bytes | None) -> LoadedModel:
    """A person's file; its architecture is guessed where the request names none."""
    notes: tuple[str, ...] = ()
    settled = request
    if request.architecture is None and weights is not None:
        from explain.models.inspection import settle_request

        settled, notes = settle_request(request, weights)
    loaded = load_file(settled, weights)
    if request.architecture is not None and recall_recipe(request.digest) == request.recipe:
        notes = (
            "Settings remembered of this file are used: “Forget these settings”, or --forget-recipe, forgets them.",
        )
    return replace(loaded, notes=(*notes, *loaded.notes)) if notes else loaded


def _load_bundled(request: ModelRequest) -> LoadedModel:
    model = find_bundled_model(request.name)
    if model is None:
        known = ", ".join(model.name for model in bundled_models())
        raise ModelError(f"There is no bundled model “{request.name}”. Bundled: {known or 'none'}.")
    tensors = _read_bundled_weights(model.weights, model.name)

    from explain.bundled.architectures import BUILDERS
    from explain.networks.prompted_vit import PromptedViT

    module: Any = BUILDERS[model.architecture](len(model.classes))
    load_weights(module, tensors, model.weights, model.name)
    prompted, notes = None, []
    if model.prompts and find_bundled_file(model.prompts).is_file():
        prompts = _read_bundled_weights(model.prompts, model.name)
        prompted = PromptedViT(module, len(model.classes), model.variant)
        load_prompts(prompted, prompts, model.prompts)
    elif model.prompts:
        notes.append(
            f"The class prompts of {model.name} are missing from this installation; Prompt-CAM is not available."
        )
    labels = choose_labels(request, len(model.classes)) or model.classes
    preprocessing = override_preprocessing(model.preprocessing, request)
    loaded = finish_loading(
        request, module, prompted, model.architecture, preprocessing, labels, notes, len(model.classes)
    )
    return replace(loaded, best_layer=model.layer)


def _load_trained_prompts(request: ModelRequest) -> LoadedModel:
    """Prompts of the library on their backbone, with the backbone's own preprocessing."""
    from explain.networks.prompted_vit import PromptedViT

    card, prompts, weights = read_prompts(request.name)
    if request.digest != card.digest:
        raise _refuse_anew(request.name)
    from_file = card.backbone.source == "file"
    backbone = load_tensors(card.backbone, weights) if from_file else load_model(card.backbone)
    if backbone.fingerprint != card.backbone_fingerprint:
        raise ModelError(
            f"The prompts “{request.name}” were trained on another {card.backbone.name} than is here now: its weights "
            "or its preprocessing differ. Train them again."
        )
    # What is no ViT is refused there.
    prompted = PromptedViT(cast("VisionTransformer", backbone.module), len(card.classes), variant=card.variant)
    load_prompts(prompted, prompts, request.name)
    labels = choose_labels(request, len(card.classes)) or card.classes
    known_as = f"{backbone.fingerprint}+{card.variant} prompts"
    count = len(card.classes)
    return finish_loading(request, prompted, prompted, known_as, backbone.preprocessing, labels, [], count)


def _refuse_anew(name: str) -> ModelError:
    return ModelError(
        f"The prompts “{name}” were trained anew and are not those that were asked for. Choose them again."
    )


def _read_bundled_weights(file: str, name: str) -> dict[str, Tensor]:
    try:
        return read_checkpoint(find_bundled_file(file).read_bytes(), file)
    except OSError:
        raise ModelError(
            f"The weights of {name} ({file}) are missing from this installation. Get the complete repository again."
        ) from None
