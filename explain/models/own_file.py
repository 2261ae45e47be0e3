"""A person's own checkpoint, on an architecture of timm or torchvision."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError
from explain.models.checkpoint import load_prompts, load_weights, open_checkpoint, refuse_misfit
from explain.models.fitting import Fitted, find_pooling, fit_to_network, take_normalisation
from explain.models.hugging_face import name_transformer
from explain.models.labels import number_classes
from explain.models.loaded import LoadedModel, choose_labels, finish_loading
from explain.models.preparation import note_assumed, override_preprocessing
from explain.models.replaced_head import rebuild_head
from explain.models.replaced_pooling import note_power, take_power
from explain.models.replaced_stem import check_stem, match_biases, match_step
from explain.models.request import ModelRequest
from explain.models.settings_beside import complete_request, take_what_is_said
from explain.models.unlabelled import leave_out_projections
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

    checkpoint = open_checkpoint(weights, request.name)
    chosen = checkpoint.choose(request.weights)
    completed = complete_request(request, checkpoint.settings)
    loaded = load_tensors(completed.request, chosen.tensors, chosen.versions, checkpoint.settings)
    notes = (*chosen.notes, *completed.notes, *loaded.notes)
    return replace(loaded, request=request, notes=tuple(dict.fromkeys(notes)))


def load_tensors(
    request: ModelRequest,
    everything: Mapping[str, Tensor],
    versions: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> LoadedModel:
    """The model of a file, from what was read of it. Its classes, channels and input size are told from the tensors,
    and so is what an author changed: another head, another first layer, another way of pooling.

    Args:
        request: says the architecture, and what else the tensors cannot say.
        everything: by name, as `read_checkpoint` gives them; a prefix is taken off, and what is beside it left out.
        versions: of the network's parts when the file was saved; None takes them to be today's.
        settings: what else stands in the file; see `Checkpoint`.

    Raises:
        ModelError: there is no such architecture, the tensors do not fit it, or the labels do not fit them.
    """
    if request.architecture is None:
        raise ModelError("A checkpoint needs its architecture: timm/NAME or torchvision/NAME, e.g. timm/resnet18.")

    from explain.models.architectures import (
        build_architecture,
        default_preprocessing,
        drop_training_only,
        find_places,
        parse_architecture,
        read_shapes,
        read_side,
    )

    architecture = parse_architecture(request.architecture)
    outline = build_architecture(architecture, 1000, 3, None, "meta", request.global_pool)
    fitted = fit_to_network(everything, outline)
    notes = []
    pooling = request.global_pool or find_pooling(fitted.tensors, outline.state_dict())
    if pooling != request.global_pool and architecture.family == "timm":
        outline = build_architecture(architecture, 1000, 3, None, "meta", pooling)
        fitted = fit_to_network(everything, outline)
        notes.append(f"The weights are of a network with {_POOLINGS.get(pooling or '', pooling)}, which was built so.")
    else:
        pooling = request.global_pool
    fitted = replace(fitted, tensors=drop_training_only(architecture, fitted.tensors))
    fitted, request, words = take_normalisation(fitted, request)
    notes += words
    preprocessing = default_preprocessing(architecture)
    told = read_side(fitted.tensors, outline) if request.input_size is None else None
    side = request.input_size or told
    preprocessing = override_preprocessing(preprocessing, request.model_copy(update={"input_size": side}))
    if _PROMPTS in fitted.tensors:
        notes += _note_left_out(fitted.beside, fitted.prefix)
        return _load_prompt_cam(request, architecture, fitted.tensors, preprocessing, side, notes)

    places = find_places(architecture, pooling)
    fitted, power = take_power(fitted, outline, request.name)
    notes += note_power(power)
    _require_network(fitted, outline, places.heads, request.name, str(architecture))
    fitted = leave_out_projections(fitted, places.heads, request.name)
    check_stem(fitted, outline, places.stem, request.name)
    head = rebuild_head(fitted, outline, places.heads, request.name)
    notes += [*head.notes, *_note_left_out(head.beside, fitted.prefix)]
    shapes = read_shapes(places, head.tensors)
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
    known = head.num_classes or shapes.num_classes
    request, words = take_what_is_said(request, settings or {}, everything, known)
    notes += words
    labels = choose_labels(request, known)
    if known == 0:
        raise ModelError(f"“{request.name}” has a head without classes. Choose another checkpoint.")
    count = known or (1 if request.outputs == "logit" else len(labels) if labels else 1000)
    module = build_architecture(architecture, count, channels, side, global_pool=pooling)
    head.put_into(module)
    if power is not None:
        from explain.networks.pooling import PowerMean

        module.set_submodule(power, PowerMean())
    bare = match_biases(module, head.tensors, (*places.heads, *([places.stem] if places.stem else [])))
    notes += [_NO_BIAS] if set(bare) & set(places.heads) else []
    stepped = match_step(module, head.tensors)
    notes += stepped
    tensors = _resize_positions(head.tensors, module)
    load_weights(module, tensors, request.name, str(architecture), versions)
    if labels is None:
        notes.append("No class names were given, so the classes are numbered.")
    notes += note_assumed(request, preprocessing, told)
    known_as = " ".join([str(architecture), *([pooling] if pooling else []), *(["MONAI"] if stepped else [])])
    names = labels or number_classes(count)
    return finish_loading(request, module, None, known_as, preprocessing, names, notes, count)


_LEAST_FOUND, _MOST_OWN = 0.85, 30
"""The share of a network's tensors that must be found before a changed head is thought of; an author's own layers."""

_NO_BIAS = (
    "The head has no bias, and is taken as a plain linear layer. If it compares directions, as the heads of ArcFace "
    "and CosFace do, the scores are others: in Python, give the network itself."
)
_TRAINING = re.compile(
    r"loss|criterion|metric|(^|[._])(aux|teacher|momentum|ema|queue|centers?|decoder)", re.IGNORECASE
)
"""Names of what a training alone uses."""

_T_TAME = re.compile(r"(^|\.)attn_mech\.")
"""Names of attention in the checkpoints of T-TAME's authors, which hold the network it is for as well, twice."""

_POOLINGS = {"avg": "average pooling", "token": "a class token"}


def _note_left_out(beside: Mapping[str, Tensor], prefix: str) -> list[str]:
    """A sentence on what stands beside the network and was not used."""
    if not beside:
        return []
    where = f"beside “{prefix}”" if prefix else "beside the network's"
    layer = next((key for key, tensor in beside.items() if tensor.ndim > 1 and not _TRAINING.search(key)), None)
    shown = layer or next(iter(beside))
    doubt = (
        " If its scores come by them, as by attention or a second input, they are others here: in Python, give the "
        "network itself."
    )
    if any(_T_TAME.search(key) for key in beside):
        doubt = (
            " They hold attention as T-TAME's authors keep it, which is not read: train some for this network in the "
            "Studio, or by train-attention."
        )
    if len(beside) == 1:
        return [f"1 tensor {where} was left out: {shown}.{doubt if layer else ''}"]
    return [f"{len(beside)} tensors {where} were left out, such as {shown}.{doubt if layer else ''}"]


def _require_network(fitted: Fitted, outline: nn.Module, heads: tuple[str, ...], name: str, architecture: str) -> None:
    """Refuse another architecture before its head is looked at.

    Raises:
        ModelError: many of the network's tensors are missing or of another shape, or there are many more.
    """
    outer = tuple(f"{head.partition('.')[0]}." for head in heads)
    expected = {k: v for k, v in outline.state_dict().items() if not k.startswith(outer) and v.ndim}
    found = sum(key in fitted.tensors and fitted.tensors[key].shape == wanted.shape for key, wanted in expected.items())
    own = sum(key not in expected and not key.startswith(outer) and t.ndim > 0 for key, t in fitted.tensors.items())
    if found < _LEAST_FOUND * len(expected) or own > (1 - _LEAST_FOUND) * len(expected) + _MOST_OWN:
        foreign = name_transformer([*fitted.tensors, *fitted.beside])
        if foreign is not None:
            raise ModelError(
                f"“{name}” holds a network of Hugging Face's transformers ({foreign}), and not {architecture}. Of "
                "these ViT, DeiT, BEiT, Swin, ConvNeXt and ResNet are read as timm's architecture of the same size: "
                "choose it, or train with timm."
            )
        refuse_misfit(outline, fitted.tensors, name, architecture)


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
    state = module.state_dict()
    for key, patches in (("pos_embed", "patch_embed"), ("encoder.pos_embedding", "")):
        wanted, found = state.get(key), tensors.get(key)
        if wanted is None or found is None or found.shape == wanted.shape or found.ndim != 3 or wanted.ndim != 3:
            continue
        grid = _read_grid(module, patches, int(wanted.shape[1]))
        if grid is None or found.shape[2] != wanted.shape[2]:
            continue
        from timm.layers import resample_abs_pos_embed

        prefix = wanted.shape[1] - math.prod(grid)
        side = round(max(found.shape[1] - prefix, 0) ** 0.5)
        if side * side + prefix == found.shape[1]:
            resized[key] = resample_abs_pos_embed(found, new_size=list(grid), num_prefix_tokens=prefix)
    return resized


def _read_grid(module: nn.Module, patches: str, places: int) -> tuple[int, int] | None:
    """Rows and columns of a network's patches."""
    grid = getattr(getattr(module, patches, None), "grid_size", None) if patches else None
    if grid is None and not patches:
        side = math.isqrt(places)
        grid = (side, side)
    return grid
