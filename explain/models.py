"""Models: the bundled ones, timm's on the hub, a person's own checkpoint, and prompts trained on any of them.

Importing this does not import torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field

from explain.errors import ModelError
from explain.geometry import Preprocessing
from explain.labels import imagenet_labels, known_labels, number_classes, read_labels

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer
    from torch import Tensor, nn

    from explain.layers import Layer
    from explain.promptcam import PromptedViT

# Read once, when huggingface_hub is first imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

MODELS_FOLDER = Path(__file__).resolve().parents[1] / "assets" / "models"

SECONDS_TO_REACH_HUB = 3.0

_HUB_FILES = ("model.safetensors", "open_clip_model.safetensors")


Source = Literal["bundled", "hub", "file", "prompts"]
"""Where a model comes from."""


class ModelRequest(BaseModel):
    """Which model, in words that can be written down: for the manifest, links and cache keys.

    Attributes:
        source: ships with CAMscope, is fetched from the hub, was handed over as a file, or is prompts trained here.
        name: `photo-cnn`, a timm name, what the file is called, or what the prompts are called.
        architecture: `timm/NAME` or `torchvision/NAME`; needed for files, known otherwise.
        labels: a known label set, `imagenet` or `cifar10`.
        label_names: the names themselves, from a label file.
        input_size: side of the model's square input in pixels; what is left out here keeps the model's own default.
        mean: one number, or one for each channel.
        std: as `mean`.
        channels: grey or RGB.
        fit: see `Preprocessing`.
        resize_size: see `Preprocessing`.
        interpolation: see `Preprocessing`.
        digest: SHA-256 of the checkpoint's bytes, or `PromptCard.digest`; files and prompts only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    name: str = Field(min_length=1, max_length=200)
    architecture: str | None = None
    labels: str | None = None
    label_names: tuple[str, ...] | None = None
    input_size: int | None = Field(default=None, ge=8, le=2048)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: Literal[1, 3] | None = None
    fit: Literal["crop", "squash", "pad"] | None = None
    resize_size: int | None = Field(default=None, ge=1, le=4096)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = None
    digest: str | None = None


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to be looked into. Read-only, shared by everyone.

    Attributes:
        request: what was asked for.
        module: in evaluation mode, its parameters without gradients; answers `(B, classes)`.
        preprocessing: how a picture becomes its input.
        labels: a name for each class.
        fingerprint: SHA-256 over architecture, preprocessing, and the name, type, shape and bytes of every tensor.
        layers: those that can be explained, in the order in which they run.
        prompted: the same network with Prompt-CAM's class prompts, where it has some.
        notes: sentences a person should read once.
        best_layer: name of the layer to explain by default, where that is known of this very model.
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

    @property
    def default_layer(self) -> Layer | None:
        """The layer explained unless another is asked for."""
        from explain.layers import default_layer

        return next((layer for layer in self.layers if layer.name == self.best_layer), default_layer(self.layers))


class BundledModel(BaseModel):
    """A model that ships with CAMscope, as its JSON file in the models' folder describes it.

    Attributes:
        name: key on the command line and in links.
        title: what a person reads.
        architecture: name of its builder in `explain.bundled.architectures`.
        place: where it stands in the list; models of one place are in the order of their names.
        classes: a name for each class.
        preprocessing: how a picture becomes its input.
        weights: file beside the JSON.
        prompts: file with Prompt-CAM prompts, or None.
        variant: where the prompts enter, see `explain.promptcam.Variant`.
        accuracy: top-1 in per cent on the test set, as written into the weights by the training; None until trained.
        prompts_accuracy: the same of the prompts.
        layer: the layer to explain by default, where one was measured to be better than the last.
        card: the model card beside the JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    architecture: str
    place: int = 0
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    weights: str
    prompts: str | None = None
    variant: Literal["deep", "shallow", "last"] = "deep"
    layer: str | None = None
    accuracy: float | None = None
    prompts_accuracy: float | None = None
    card: str


@dataclass(frozen=True)
class HubModel:
    """A pretrained timm model; `cached` ones work offline."""

    name: str
    cached: bool


def bundled_models() -> list[BundledModel]:
    """What ships with CAMscope, in the order shown."""
    models = []
    for path in MODELS_FOLDER.glob("*.json"):
        model = BundledModel.model_validate_json(path.read_bytes())
        scores = {"accuracy": _read_accuracy(model.weights), "prompts_accuracy": _read_accuracy(model.prompts)}
        models.append(model.model_copy(update=scores))
    return sorted(models, key=lambda model: (model.place, model.name))


def find_prompted_twin(labels: Sequence[str]) -> str | None:
    """Name of a bundled model with Prompt-CAM prompts that knows the same classes, if there is one."""
    for model in bundled_models():
        if model.prompts and set(model.classes) == set(labels) and (MODELS_FOLDER / model.prompts).is_file():
            return model.name
    return None


def search_hub(text: str, limit: int = 50) -> list[HubModel]:
    """Pretrained timm classifiers whose name holds every word of `text`; those that work offline first.

    Needs no network. The first call imports timm, which takes seconds; later ones take milliseconds.
    """
    words = text.casefold().replace(",", " ").split()
    folder = _cache_folder()
    downloaded = {entry.name for entry in folder.glob("models--*--*")} if folder.is_dir() else set()

    def rank(name: str) -> tuple[bool, bool, bool, int, str]:
        fetched = f"models--timm--{name}" in downloaded
        starts = bool(words) and name.startswith(words[0])
        return not fetched, name != text.casefold(), not starts, len(name), name

    found: list[HubModel] = []
    for name in sorted((n for n in _hub_names() if all(word in n for word in words)), key=rank):
        if len(found) == limit:
            break
        config = _hub_config(name)
        if config.hf_hub_id and config.num_classes:
            repository = config.hf_hub_id.partition("@")[0]
            is_here = f"models--{repository.replace('/', '--')}" in downloaded
            found.append(HubModel(name, is_here and _find_cached(config.hf_hub_id) is not None))
    return found


def parse_model(text: str) -> ModelRequest:
    """Read `photo-cnn`, `hub:resnet18.a1_in1k` (or a plain timm name), `file:NAME` or `prompts:NAME`. Loads nothing.

    Raises:
        ModelError: no name is given.
    """
    kind, colon, rest = text.strip().partition(":")
    source, name = (kind, rest.strip()) if colon and kind in get_args(Source) else ("", text.strip())
    if not name or len(name) > 200:
        raise ModelError("Name a model: a bundled one such as photo-cnn, a timm model, file:PATH or prompts:NAME.")
    if source == "prompts":
        return ModelRequest(source="prompts", name=name)
    if source == "file":
        return ModelRequest(source="file", name=Path(name).name or name)
    if source == "bundled" or (not source and any(name == model.name for model in bundled_models())):
        return ModelRequest(source="bundled", name=name)
    return ModelRequest(source="hub", name=name.removeprefix("hf-hub:").removeprefix("timm/"))


def build_file_request(
    data: bytes,
    name: str,
    *,
    architecture: str | None = None,
    labels: str | None = None,
    label_file: bytes | None = None,
    input_size: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    channels: int | None = None,
) -> ModelRequest:
    """The request for a person's own checkpoint, known by the digest of its bytes. Does not read the weights.

    Raises:
        ModelError: no architecture is given, or a value is out of its bounds.
    """
    from pydantic import ValidationError

    if not architecture:
        raise ModelError("A checkpoint needs its architecture: timm/NAME or torchvision/NAME, e.g. timm/resnet18.")
    try:
        return ModelRequest.model_validate(
            {
                "source": "file",
                "name": name[:200] or "checkpoint",
                "architecture": architecture,
                "labels": labels,
                "label_names": read_labels(label_file) if label_file is not None else None,
                "input_size": input_size,
                "mean": mean,
                "std": std,
                "channels": channels,
                "digest": hashlib.sha256(data).hexdigest(),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        field_name = str(first["loc"][0]).replace("_", " ")
        raise ModelError(f"The {field_name} cannot be {first['input']}: {first['msg'].lower()}.") from None


def pin_request(request: ModelRequest) -> ModelRequest:
    """The request for what a name stands for now: prompts may be trained anew under the same name.

    Raises:
        ModelError: there are no prompts of that name.
    """
    if request.source != "prompts" or request.digest is not None:
        return request
    from explain.prompt_library import read_card

    return request.model_copy(update={"digest": read_card(request.name).digest})


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
    if request.source == "hub":
        return _load_from_hub(request)
    if request.source == "prompts":
        return _load_trained_prompts(pin_request(request))
    return _load_file(request, weights)


def _load_bundled(request: ModelRequest) -> LoadedModel:
    known = {model.name: model for model in bundled_models()}
    if request.name not in known:
        raise ModelError(f"There is no bundled model “{request.name}”. Bundled: {', '.join(known) or 'none'}.")
    model = known[request.name]
    tensors = _read_bundled_weights(model.weights, model.name)

    from explain.bundled.architectures import BUILDERS
    from explain.checkpoint import load_weights
    from explain.promptcam import PromptedViT

    module: Any = BUILDERS[model.architecture](len(model.classes))
    load_weights(module, tensors, model.weights, model.name)
    prompted, notes = None, []
    if model.prompts and (MODELS_FOLDER / model.prompts).is_file():
        prompts = _read_bundled_weights(model.prompts, model.name)
        prompted = PromptedViT(module, len(model.classes), model.variant)
        _load_prompts(prompted, prompts, model.prompts)
    elif model.prompts:
        notes.append(
            f"The class prompts of {model.name} are missing from this installation; Prompt-CAM is not available."
        )
    labels = _choose_labels(request, len(model.classes)) or model.classes
    preprocessing = _override(model.preprocessing, request)
    loaded = _finish(request, module, prompted, model.architecture, preprocessing, labels, notes)
    return replace(loaded, best_layer=model.layer)


def _load_from_hub(request: ModelRequest) -> LoadedModel:
    """Only safetensors files are fetched. timm then reads the file itself: it knows how to rename and resize."""
    name = request.name
    _give_up_early(name)
    architectures = {known.partition(".")[0] for known in _hub_names()}
    if name not in _hub_names() and name not in architectures:
        names = [*(model.name for model in bundled_models()), *_hub_names()]
        near = get_close_matches(name, names, n=5, cutoff=0.5)
        hint = f"Did you mean {', '.join(near)}?" if near else "Search the hub for part of its name."
        raise ModelError(f"There is no model “{name}”, neither bundled nor among timm's pretrained ones. {hint}")
    config = _hub_config(name)
    if not config.hf_hub_id:
        raise ModelError(f"“{name}” is not published as safetensors. Choose another model.")
    if not config.num_classes:
        raise ModelError(f"“{name}” gives features and knows no classes, so no class can be explained. Choose another.")
    path = _find_cached(config.hf_hub_id) or _download(config.hf_hub_id, name)

    import timm

    from explain.architectures import build_for_size, read_timm_preprocessing

    channels = request.channels or 3
    try:
        module = build_for_size(
            lambda **size: timm.create_model(
                name,
                pretrained=True,
                pretrained_cfg_overlay={"file": str(path), "custom_load": False},
                in_chans=channels,
                **size,
            ),
            request.input_size,
        )
    except (RuntimeError, ValueError, TypeError, AssertionError, KeyError, OSError) as error:
        raise ModelError(f"“{name}” cannot be loaded with these settings. ({error})") from None
    preprocessing = _override(read_timm_preprocessing(config.to_dict()), request)
    count = int(config.num_classes)
    labels = _choose_labels(request, count) or tuple(config.label_names or ()) or imagenet_labels(count)
    architecture = f"timm/{config.architecture}"
    return _finish(request, module, None, architecture, preprocessing, labels or number_classes(count), [])


def _load_file(request: ModelRequest, weights: bytes | None) -> LoadedModel:
    if weights is None:
        raise ModelError(f"The bytes of “{request.name}” are missing. Give the file again.")
    if request.digest is None:
        raise ModelError(f"The request for “{request.name}” lacks the file's digest. Make it with build_file_request.")
    if request.digest != hashlib.sha256(weights).hexdigest():
        raise ModelError(f"“{request.name}” is not the file that was asked for: its bytes differ. Give the same file.")

    from explain.checkpoint import read_checkpoint

    return _load_tensors(request, read_checkpoint(weights, request.name))


def _load_tensors(request: ModelRequest, everything: Mapping[str, Tensor]) -> LoadedModel:
    """The model of a file, from what was read of it."""
    if request.architecture is None:
        raise ModelError("A checkpoint needs its architecture: timm/NAME or torchvision/NAME, e.g. timm/resnet18.")

    from explain.architectures import (
        build_architecture,
        default_preprocessing,
        drop_training_only,
        parse_architecture,
        read_shapes,
        read_side,
    )
    from explain.checkpoint import fit_names, load_weights

    architecture = parse_architecture(request.architecture)
    outline = build_architecture(architecture, 1000, 3, None, "meta")
    fit = fit_names(everything, outline.state_dict())
    tensors = drop_training_only(architecture, fit.tensors)
    notes = []
    if fit.left_out:
        notes.append(f"{len(fit.left_out)} tensors beside “{fit.prefix}” were left out, such as {fit.left_out[0]}.")
    preprocessing = default_preprocessing(architecture)
    side = request.input_size or read_side(tensors, outline)
    preprocessing = _override(preprocessing, request.model_copy(update={"input_size": side}))
    if _PROMPTS in tensors:
        return _load_prompt_cam(request, architecture, tensors, preprocessing, side, notes)

    shapes = read_shapes(architecture, tensors)
    channels = request.channels or (1 if shapes.channels == 1 else 3)
    if channels != preprocessing.channels:
        preprocessing = _override(preprocessing, request.model_copy(update={"channels": channels, "input_size": None}))
    labels = _choose_labels(request, shapes.num_classes)
    if shapes.num_classes == 0:
        raise ModelError(f"“{request.name}” has a head without classes. Choose another checkpoint.")
    count = shapes.num_classes or (len(labels) if labels else 1000)
    module = build_architecture(architecture, count, channels, side)
    tensors = _resize_positions(tensors, module)
    load_weights(module, tensors, request.name, str(architecture))
    if labels is None:
        notes.append("No class names were given, so the classes are numbered.")
    return _finish(request, module, None, str(architecture), preprocessing, labels or number_classes(count), notes)


_PROMPTS = "vpt.prompt_embeddings"


def _load_prompt_cam(
    request: ModelRequest,
    architecture: Any,
    tensors: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    side: int | None,
    notes: list[str],
) -> LoadedModel:
    """A checkpoint of Prompt-CAM's authors: a timm ViT, prompts `(N, C, D)` and one shared scoring layer."""
    from timm.models.vision_transformer import VisionTransformer

    from explain.architectures import build_architecture
    from explain.checkpoint import load_weights
    from explain.promptcam import PromptedViT

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
    _load_prompts(prompted, parts, request.name)
    labels = _choose_labels(request, count)
    if labels is None:
        notes = [*notes, "No class names were given, so the classes are numbered."]
    names = labels or number_classes(count)
    return _finish(request, prompted, prompted, f"{architecture}+prompts", preprocessing, names, notes)


def _load_trained_prompts(request: ModelRequest) -> LoadedModel:
    """Prompts of the library on their backbone, with the backbone's own preprocessing."""
    from explain.prompt_library import read_prompts
    from explain.promptcam import PromptedViT

    card, prompts, weights = read_prompts(request.name)
    if request.digest != card.digest:
        raise ModelError(
            f"The prompts “{request.name}” were trained anew and are not those that were asked for. Choose them again."
        )
    from_file = card.backbone.source == "file"
    backbone = _load_tensors(card.backbone, weights) if from_file else load_model(card.backbone)
    if backbone.fingerprint != card.backbone_fingerprint:
        raise ModelError(
            f"The prompts “{request.name}” were trained on another {card.backbone.name} than is here now: its weights "
            "or its preprocessing differ. Train them again."
        )
    # What is no ViT is refused there.
    prompted = PromptedViT(cast("VisionTransformer", backbone.module), len(card.classes), variant=card.variant)
    _load_prompts(prompted, prompts, request.name)
    labels = _choose_labels(request, len(card.classes)) or card.classes
    known_as = f"{backbone.fingerprint}+{card.variant} prompts"
    return _finish(request, prompted, prompted, known_as, backbone.preprocessing, labels, [])


def _load_prompts(prompted: PromptedViT, tensors: Mapping[str, Tensor], name: str) -> None:
    own = {key: tensor for key, tensor in prompted.state_dict().items() if not key.startswith("backbone.")}
    wrong = [key for key, wanted in own.items() if key not in tensors or tensors[key].shape != wanted.shape]
    if wrong:
        raise ModelError(
            f"The class prompts in “{name}” do not fit the network: {', '.join(wrong)}. Get the file again."
        )
    prompted.load_state_dict({key: tensors[key] for key in own}, strict=False)


def _resize_positions(tensors: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Interpolate a timm ViT's position embedding to the input size it is asked to work at."""
    resized = dict(tensors)
    wanted, found = module.state_dict().get("pos_embed"), tensors.get("pos_embed")
    grid = getattr(getattr(module, "patch_embed", None), "grid_size", None)
    if wanted is None or found is None or grid is None or found.shape == wanted.shape or found.ndim != 3:
        return resized
    from timm.layers import resample_abs_pos_embed

    prefix = wanted.shape[1] - grid[0] * grid[1]
    side = round(max(found.shape[1] - prefix, 0) ** 0.5)
    if side * side + prefix == found.shape[1] and found.shape[2] == wanted.shape[2]:
        resized["pos_embed"] = resample_abs_pos_embed(found, new_size=list(grid), num_prefix_tokens=prefix)
    return resized


def _finish(
    request: ModelRequest,
    module: nn.Module,
    prompted: PromptedViT | None,
    architecture: str,
    preprocessing: Preprocessing,
    labels: Sequence[str],
    notes: Sequence[str],
) -> LoadedModel:
    """Freeze the network, find its layers, take its fingerprint."""
    from explain.layers import find_layers

    for part in (module, prompted):
        if part is not None:
            part.eval().requires_grad_(False)
    try:
        layers = find_layers(module, preprocessing.channels, preprocessing.input_size)
    except (RuntimeError, AssertionError, ValueError) as error:
        height, width = preprocessing.input_size
        raise ModelError(f"“{request.name}” cannot work on an input of {height}×{width} pixels. ({error})") from None
    if not layers:
        notes = [*notes, "No layer of this model lies on the picture, so it can classify but nothing can be explained."]
    fingerprint = _fingerprint(architecture, preprocessing, prompted if prompted is not None else module, module)
    return LoadedModel(request, module, preprocessing, tuple(labels), fingerprint, layers, prompted, tuple(notes))


def _fingerprint(architecture: str, preprocessing: Preprocessing, *modules: nn.Module) -> str:
    import torch

    digest = hashlib.sha256(f"{architecture}\n{preprocessing.model_dump_json()}\n".encode())
    for module in dict.fromkeys(modules):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _choose_labels(request: ModelRequest, count: int | None) -> tuple[str, ...] | None:
    """The names a request gives, checked against the number of classes; None where it gives none."""
    if request.label_names is not None:
        labels, source = request.label_names, "The label file"
    elif request.labels is not None:
        labels, source = known_labels(request.labels), f"The label set {request.labels}"
    else:
        return None
    if count is not None and len(labels) != count:
        raise ModelError(
            f"{source} has {len(labels):,} names, but the model has {count:,} classes. Give one name a class."
        )
    return labels


def _override(preprocessing: Preprocessing, request: ModelRequest) -> Preprocessing:
    """A preprocessing with what a request changes. A new input size keeps the share that a crop cuts off."""
    changes: dict[str, Any] = {}
    if request.input_size is not None:
        changes["input_size"] = (request.input_size, request.input_size)
        if preprocessing.resize_size is not None:
            share = preprocessing.resize_size / min(preprocessing.input_size)
            changes["resize_size"] = round(request.input_size * share)
    for field_name in ("fit", "resize_size", "interpolation", "channels"):
        value = getattr(request, field_name)
        if value is not None:
            changes[field_name] = value
    channels = changes.get("channels", preprocessing.channels)
    for field_name in ("mean", "std"):
        values = getattr(request, field_name)
        given = values is not None
        values = values if given else getattr(preprocessing, field_name)
        if len(values) == 1:
            values = values * channels
        elif channels == 1 and not given:
            values = (round(sum(values) / len(values), 6),)
        if len(values) != channels:
            raise ModelError(f"The {field_name} has {len(values)} numbers for {channels} channels. Give one for each.")
        if not all(abs(value) < 1e6 for value in values) or (field_name == "std" and not all(v > 0 for v in values)):
            raise ModelError(f"The {field_name} cannot be {', '.join(map(str, values))}. It is in units of 0…1.")
        changes[field_name] = values
    changed = preprocessing.model_copy(update=changes)
    if changed.fit == "crop" and (changed.resize_size or max(changed.input_size)) < max(changed.input_size):
        raise ModelError(
            f"The picture cannot be resized to {changed.resize_size} pixels and then cropped to "
            f"{max(changed.input_size)}. Make the resize at least as large as the input."
        )
    return changed


def _read_bundled_weights(file: str, name: str) -> dict[str, Tensor]:
    from explain.checkpoint import read_checkpoint

    path = MODELS_FOLDER / file
    try:
        return read_checkpoint(path.read_bytes(), file)
    except OSError:
        raise ModelError(
            f"The weights of {name} ({file}) are missing from this installation. Get the complete repository again."
        ) from None


def _read_accuracy(file: str | None) -> float | None:
    """Top-1 in per cent from the header of a bundled weight file."""
    if file is None:
        return None
    try:
        with (MODELS_FOLDER / file).open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
    except (OSError, ValueError):
        return None
    top1 = header.get("__metadata__", {}).get("top1")
    return None if top1 is None else float(top1)


@lru_cache(maxsize=1)
def _hub_names() -> tuple[str, ...]:
    from explain.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    import timm

    return tuple(timm.list_models(pretrained=True))


@lru_cache(maxsize=4096)
def _hub_config(name: str) -> Any:
    """timm's `PretrainedCfg` of a pretrained model."""
    import timm

    return timm.models.get_pretrained_cfg(name)


def is_downloaded(name: str) -> bool:
    """Whether a hub model has been fetched before, as far as its folder tells. Imports no timm."""
    return (_cache_folder() / f"models--timm--{name}").is_dir()


def _cache_folder() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _find_cached(repository: str) -> Path | None:
    """The weights of a repository in the hub's cache on this machine."""
    from huggingface_hub import try_to_load_from_cache

    name, _, revision = repository.partition("@")
    for file in _HUB_FILES:
        found = try_to_load_from_cache(name, file, cache_dir=_cache_folder(), revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


def _download(repository: str, name: str) -> Path:
    """Fetch a repository's safetensors file, after a short knock at the hub's door: its own retries take minutes."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    _require_hub(name)
    repository, _, revision = repository.partition("@")
    for file in _HUB_FILES:
        try:
            return Path(
                hf_hub_download(
                    repository, file, revision=revision or None, cache_dir=_cache_folder(), etag_timeout=5, token=False
                )
            )
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ModelError(
                f"“{name}” could not be fetched from the hub. Try again, or choose another. ({reason})"
            ) from None
    raise ModelError(f"“{name}” is not published as safetensors. Choose another model.")


def _give_up_early(name: str) -> None:
    """Where nothing was ever fetched and the hub is out of reach, say so without importing timm, which takes longer
    than all the rest.
    """
    if "timm" not in sys.modules and not any(_cache_folder().glob("models--*")):
        _require_hub(name)


def _require_hub(name: str) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or not _reach_hub(constants.ENDPOINT):
        host = constants.ENDPOINT.split("://")[-1]
        raise ModelError(
            f"“{name}” is not on this computer yet and {host} cannot be reached. Connect to the internet once to fetch "
            "it, or choose a bundled model or one that works offline."
        )


def _reach_hub(endpoint: str) -> bool:
    """Whether the hub answers at all. In a thread of its own, because looking up a name has no time limit."""
    from huggingface_hub import get_session

    answered = threading.Event()

    def knock() -> None:
        try:
            get_session().head(endpoint, timeout=SECONDS_TO_REACH_HUB)
            answered.set()
        except Exception:  # whatever goes wrong here, the answer is no
            return
        finally:
            done.set()

    done = threading.Event()
    threading.Thread(target=knock, daemon=True, name="reach-hub").start()
    done.wait(SECONDS_TO_REACH_HUB)
    return answered.is_set()
