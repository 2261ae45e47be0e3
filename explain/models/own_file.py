"""A person's own checkpoint, on an architecture of timm or torchvision."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError
from explain.models.checkpoint import fit_names, load_prompts, load_weights, read_checkpoint
from explain.models.labels import number_classes
from explain.models.loaded import LoadedModel, choose_labels, finish_loading
from explain.models.preparation import note_assumed, override_preprocessing
from explain.models.request import ModelRequest
from explain.pictures.geometry import MOST_CHANNELS, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn


def load_file(request: ModelRequest, weights: bytes | None) -> LoadedModel:
    """Load the checkpoint that a request names by its digest.

    Args:
        request: as `build_file_request` makes it.
        weights: the file's bytes.

    Raises:
        ModelError: the bytes are missing or others than the request's, are no checkpoint, or do not fit the request.
    """
    if weights is None:
        raise ModelError(f"The bytes of “{request.name}” are missing. Give the file again.")
    if request.digest is None:
        raise ModelError(f"The request for “{request.name}” lacks the file's digest. Make it with build_file_request.")
    if request.digest != hashlib.sha256(weights).hexdigest():
        raise ModelError(f"“{request.name}” is not the file that was asked for: its bytes differ. Give the same file.")

    return load_tensors(request, read_checkpoint(weights, request.name))


def load_tensors(request: ModelRequest, everything: Mapping[str, Tensor]) -> LoadedModel:
    """The model of a file, from what was read of it. Its classes, channels and input size are told from the tensors.

    Args:
        request: says the architecture, and what else the tensors cannot say.
        everything: by name, as `read_checkpoint` gives them; a prefix is taken off, and what is beside it left out.

    Raises:
        ModelError: there is no such architecture, the tensors do not fit it, or the labels do not fit them.
    """
    if request.architecture is None:
        raise ModelError("A checkpoint needs its architecture: timm/NAME or torchvision/NAME, e.g. timm/resnet18.")

    from explain.models.architectures import (
        build_architecture,
        default_preprocessing,
        drop_training_only,
        parse_architecture,
        read_shapes,
        read_side,
    )

    architecture = parse_architecture(request.architecture)
    outline = build_architecture(architecture, 1000, 3, None, "meta")
    fit = fit_names(everything, outline.state_dict())
    tensors = drop_training_only(architecture, fit.tensors)
    notes = []
    if fit.left_out:
        notes.append(f"{len(fit.left_out)} tensors beside “{fit.prefix}” were left out, such as {fit.left_out[0]}.")
    preprocessing = default_preprocessing(architecture)
    told = read_side(tensors, outline) if request.input_size is None else None
    side = request.input_size or told
    preprocessing = override_preprocessing(preprocessing, request.model_copy(update={"input_size": side}))
    if _PROMPTS in tensors:
        return _load_prompt_cam(request, architecture, tensors, preprocessing, side, notes)

    shapes = read_shapes(architecture, tensors)
    channels = request.channels or shapes.channels or 3
    if channels != (shapes.channels or channels):
        raise ModelError(
            f"“{request.name}” holds weights for {shapes.channels} channels, not {channels}. Leave the channels out."
        )
    if channels > MOST_CHANNELS:
        raise ModelError(
            f"“{request.name}” takes pictures of {channels} channels. Up to {MOST_CHANNELS} are supported."
        )
    if channels != preprocessing.channels:
        preprocessing = override_preprocessing(
            preprocessing, request.model_copy(update={"channels": channels, "input_size": None})
        )
    labels = choose_labels(request, shapes.num_classes)
    if shapes.num_classes == 0:
        raise ModelError(f"“{request.name}” has a head without classes. Choose another checkpoint.")
    count = shapes.num_classes or (1 if request.outputs == "logit" else len(labels) if labels else 1000)
    module = build_architecture(architecture, count, channels, side, global_pool=request.global_pool)
    tensors = _resize_positions(tensors, module)
    load_weights(module, tensors, request.name, str(architecture))
    if labels is None:
        notes.append("No class names were given, so the classes are numbered.")
    notes += note_assumed(request, preprocessing, told)
    return finish_loading(
        request, module, None, str(architecture), preprocessing, labels or number_classes(count), notes, count
    )


_PROMPTS = "vpt.prompt_embeddings"


def _load_prompt_cam(
    request: ModelRequest,
    architecture: Any,
    tensors: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    side: int | tuple[int, int] | None,
    notes: list[str],
) -> LoadedModel:
    """A checkpoint of Prompt-CAM's authors: a timm ViT, prompts `(N, C, D)` and one shared scoring layer."""
    from timm.models.vision_transformer import VisionTransformer

    from explain.models.architectures import build_architecture
    from explain.networks.prompted_vit import PromptedViT

    own = (_PROMPTS, "head.weight", "head.bias")
    missing = [key for key in own if key not in tensors]
    if missing:
        raise ModelError(f"“{request.name}” has class prompts but lacks {', '.join(missing)}. Save the whole model.")
    backbone = build_architecture(architecture, 0, preprocessing.channels, side)
    if not isinstance(backbone, VisionTransformer):
        raise ModelError(
            f"“{request.name}” has class prompts, which need a timm VisionTransformer, not {architecture}."
        )
    rest = {key: tensor for key, tensor in tensors.items() if key not in own}
    load_weights(backbone, _resize_positions(rest, backbone), request.name, str(architecture))
    prompts = tensors[_PROMPTS]
    depth, width = len(backbone.blocks), backbone.embed_dim
    if prompts.ndim != 3 or prompts.shape[0] not in (1, depth) or prompts.shape[2] != width or prompts.shape[1] < 1:
        raise ModelError(
            f"“{request.name}” has prompts of shape {tuple(prompts.shape)}; {architecture} takes "
            f"(1 or {depth}, classes, {width})."
        )
    count = int(prompts.shape[1])
    prompted = PromptedViT(backbone, count, variant="deep" if prompts.shape[0] > 1 else "shallow")
    parts = {"prompts": prompts, "score.weight": tensors["head.weight"], "score.bias": tensors["head.bias"]}
    load_prompts(prompted, parts, request.name)
    labels = choose_labels(request, count)
    if labels is None:
        notes = [*notes, "No class names were given, so the classes are numbered."]
    notes = [*notes, *note_assumed(request, preprocessing, side)]
    names = labels or number_classes(count)
    return finish_loading(request, prompted, prompted, f"{architecture}+prompts", preprocessing, names, notes, count)


def _resize_positions(tensors: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Interpolate a timm ViT's position embedding to the input size it is asked to work at."""
    resized = dict(tensors)
    wanted, found = module.state_dict().get("pos_embed"), tensors.get("pos_embed")
    grid = getattr(getattr(module, "patch_embed", None), "grid_size", None)
    if wanted is None or found is None or grid is None or found.shape == wanted.shape or found.ndim != 3:
        return resized
    from timm.layers import resample_abs_pos_embed

    prefix = wanted.shape[1] - math.prod(grid)
    side = round(max(found.shape[1] - prefix, 0) ** 0.5)
    if side * side + prefix == found.shape[1] and found.shape[2] == wanted.shape[2]:
        resized["pos_embed"] = resample_abs_pos_embed(found, new_size=list(grid), num_prefix_tokens=prefix)
    return resized
