"""What a person's file says of itself before anyone is asked: the architecture and all else, each with its reason.

Nothing is decided here that loading would decide otherwise: what is found is what a request without it comes to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError
from explain.models.architectures import Family
from explain.models.checkpoint import Checkpoint, open_checkpoint
from explain.models.guess import SURE, Candidate, guess_architecture, is_sure
from explain.models.own_file import load_tensors
from explain.models.request import ModelRequest, write_size
from explain.models.settings_beside import OPTIONS, complete_request, find_labels
from explain.models.weight_sets import Weights
from explain.percent import write_percent
from explain.pictures.geometry import Preprocessing
from explain.pictures.volume_preprocessing import VolumePreprocessing

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel

_NAMING = ("arch", "architecture", "model", "model_name", "backbone", "encoder", "timm_model", "network", "net")
_LISTED = 3


@dataclass(frozen=True)
class Finding:
    """One thing found in a file.

    Attributes:
        subject: `architecture`, `weights`, `wrapper`, `classes`, `head`, `channels`, `input size` …
        found: what it is, in words.
        reason: what it was told from, in words.
        field: the field of `ModelRequest` that changes it; None where nothing does.
        value: of that field, as it is written in a recipe.
        is_assumed: neither the file nor a person says so; it is the architecture's default.
    """

    subject: str
    found: str
    reason: str
    field: str | None = None
    value: Any = None
    is_assumed: bool = False


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is in a file.

    Attributes:
        request: with all that was found filled in, ready to be loaded; what is only a default is left open.
        candidates: architectures that it may be of, best first; none where it was named.
        findings: in the order in which a person would ask.
        problem: why it cannot be used as it is; None where it can.
        loaded: the model, where it can.
        notes: sentences a person should read once.
    """

    request: ModelRequest
    candidates: tuple[Candidate, ...]
    findings: tuple[Finding, ...]
    problem: str | None
    loaded: LoadedModel | None
    notes: tuple[str, ...] = ()


class UnknownNetworkError(ModelError):
    """A file holds weights, and its architecture has to be named."""


@dataclass(frozen=True, eq=False)
class _Opened:
    """A file and what was guessed of it."""

    checkpoint: Checkpoint
    chosen: Weights
    candidates: tuple[Candidate, ...]
    named: str | None


def settle_request(request: ModelRequest, weights: bytes) -> tuple[ModelRequest, tuple[str, ...]]:
    """The request with the architecture filled in that the weights are of, and sentences on how that was told.

    Args:
        request: of a file; one that names an architecture comes back as it is.
        weights: the file's bytes.

    Raises:
        ModelError: the file holds no weights, or its architecture cannot be told for sure.
    """
    if request.architecture is not None:
        return request, ()
    opened = _open(request, weights)
    if not opened.candidates:
        raise ModelError(_say_unknown(request.name))
    if not is_sure(opened.candidates):
        raise ModelError(_say_unsure(request.name, opened.candidates))
    best = opened.candidates[0]
    notes = [f"The architecture was guessed: {best.architecture}. {_explain_architecture(best, opened.named)}"]
    names = find_labels(opened.checkpoint.settings, best.num_classes)
    settled = request.model_copy(update={"architecture": best.architecture})
    if names is not None and request.labels is None and request.label_names is None:
        settled = settled.model_copy(update={"label_names": names[0]})
        notes.append(f"The class names stand in the file under “{names[1]}”.")
    return settled, tuple(notes)


def inspect_file(request: ModelRequest, weights: bytes) -> Inspection:
    """Look into a file.

    Args:
        request: as `build_file_request` makes it; what it says is taken for granted.
        weights: the file's bytes.

    Raises:
        UnknownNetworkError: no architecture comes near, and none is named.
        ModelError: the file holds no weights of a classifier.
    """
    opened = _open(request, weights)
    if not opened.candidates:
        if request.architecture is None:
            raise UnknownNetworkError(_say_unknown(request.name))
        # Loading says what does not fit.
        opened = replace(opened, candidates=(Candidate(request.architecture, 0.0),))
    best = opened.candidates[0]
    findings = [*_find_wrapping(opened), _describe_architecture(request, opened)]
    problem, loaded, settled = None, None, request
    notes: tuple[str, ...] = ()
    try:
        settled, notes = settle_request(request, weights)
        loaded = _load(settled, opened)
    except ModelError as error:
        problem = str(error)
        if request.architecture is None and not _has_head(best, opened.chosen):
            raise ModelError(
                f"“{request.name}” holds the body of {best.architecture} without a head, so it knows no classes. "
                "Choose a file that was saved after training for classes."
            ) from None
    findings += _find_head(best, opened.chosen)
    if loaded is not None:
        rows = [finding.found for finding in findings if finding.subject == "classes"]
        findings += _describe_loaded(settled, loaded, opened, rows)
        notes = (*notes, *loaded.notes)
    return Inspection(settled, opened.candidates, tuple(findings), problem, loaded, tuple(dict.fromkeys(notes)))


def _open(request: ModelRequest, weights: bytes) -> _Opened:
    checkpoint = open_checkpoint(weights, request.name)
    chosen = checkpoint.choose(request.weights)
    named = _find_name(checkpoint.settings)
    shapes = {name: tuple(tensor.shape) for name, tensor in chosen.tensors.items()}
    args = checkpoint.settings.get("args")
    is_timm = (isinstance(args, Mapping) and "model" in args) or any("timm_model." in name for name in shapes)
    prefer: Family = "timm" if is_timm else "torchvision"
    asked = request.architecture
    candidates = guess_architecture(shapes, asked or named, "timm" if asked and asked.startswith("timm/") else prefer)
    return _Opened(checkpoint, chosen, candidates, named)


def _load(settled: ModelRequest, opened: _Opened) -> LoadedModel:
    completed = complete_request(settled, opened.checkpoint.settings)
    loaded = load_tensors(completed.request, opened.chosen.tensors, opened.chosen.versions, opened.checkpoint.settings)
    return replace(loaded, notes=(*opened.chosen.notes, *completed.notes, *loaded.notes))


def _find_name(settings: Mapping[str, Any]) -> str | None:
    """What the training script wrote of the architecture, where it did."""
    places = [settings, *(settings[key] for key in OPTIONS if isinstance(settings.get(key), Mapping))]
    for place in reversed(places):
        for key in _NAMING:
            if isinstance(place.get(key), str) and 0 < len(place[key]) <= 100:
                return place[key]
    return None


def _find_wrapping(opened: _Opened) -> list[Finding]:
    """Where in the file the weights stand, and what stands around their names."""
    chosen, checkpoint = opened.chosen, opened.checkpoint
    found = []
    averaged = [weights for weights in checkpoint.candidates if weights.averaged]
    raw = [weights for weights in checkpoint.candidates if not weights.averaged]
    if averaged and raw:
        which = "averaged" if chosen.averaged else "raw"
        other = raw[0] if chosen.averaged else averaged[0]
        found.append(
            Finding(
                "weights",
                f"{which}: {chosen}",
                f"the other ones, {other}, are in the file too; trainers report the averaged ones' accuracy",
                "weights",
                which,
            )
        )
    else:
        what = "averaged over the training" if chosen.averaged else "one set"
        found.append(Finding("weights", f"{what}, {len(chosen.tensors):,} tensors", f"they stand {_say_place(chosen)}"))
    prefix = opened.candidates[0].prefix if opened.candidates else ""
    wrapped = [part for part in ("module", "_orig_mod") if any(f".{part}." in f".{name}" for name in chosen.tensors)]
    around = [f"“{part}.”" for part in (*wrapped, *([prefix.rstrip(".")] if prefix else []))]
    if around:
        found.append(Finding("wrapper", f"{', '.join(around)} is taken off", "it stands in the names of the tensors"))
    return found


def _say_place(weights: Weights) -> str:
    return f"under “{weights.path}”" if weights.path else "at the top of the file"


def _describe_architecture(request: ModelRequest, opened: _Opened) -> Finding:
    best = opened.candidates[0]
    if request.architecture is not None:
        at = next((c for c in opened.candidates if request.architecture in (c.architecture, *c.alike)), None)
        share = f"though {best.architecture} agrees better"
        if at is not None:
            share = f"{write_percent(at.share)} of names and shapes agree"
        return Finding("architecture", request.architecture, f"as told; {share}", "architecture", request.architecture)
    found = best.architecture if is_sure(opened.candidates) else f"{best.architecture}?"
    return Finding("architecture", found, _explain_architecture(best, opened.named), "architecture", best.architecture)


def _explain_architecture(best: Candidate, named: str | None) -> str:
    """Why this one, how sure that is, and from what it cannot be told."""
    share = "all names" if best.share >= SURE else f"{write_percent(best.share)} of the names"
    agree = f"{share} and shapes agree"
    said = bool(named) and named.rpartition("/")[2].partition(".")[0] == best.architecture.partition("/")[2]  # type: ignore[union-attr]
    start = f"The file says so, and {agree}." if said else f"{agree[0].upper()}{agree[1:]}."
    if not best.alike:
        return start
    others = ", ".join(best.alike[:_LISTED]) + (" …" if len(best.alike) > _LISTED else "")
    return f"{start} Those of {others} look the same: name the architecture if it is one of these."


def _find_head(best: Candidate, chosen: Weights) -> list[Finding]:
    """The head: of the architecture's own kind, or another that was put in its place; and its number of classes."""
    if best.num_classes is not None:
        weight = next((name for name in best.heads if name.endswith("weight")), best.heads[0])
        return [
            Finding("head", f"{best.architecture.partition('/')[2]}'s own, “{weight.rpartition('.')[0]}”", "its names"),
            Finding("classes", f"{best.num_classes:,}", f"“{weight}” has {_count_rows(best.num_classes)}"),
        ]
    layers = _list_replaced(best, chosen)
    if not layers:
        return [Finding("head", "none found", f"{best.heads[0] if best.heads else 'a head'} is missing")]
    widths = [layers[0][1][1], *(shape[0] for _, shape in layers)]
    kind = "one linear layer" if len(layers) == 1 else f"{len(layers)} linear layers"
    return [
        Finding(
            "head",
            f"another: {kind}, {' → '.join(map(str, widths))}",
            f"“{layers[0][0]}” stands in place of “{best.heads[0] if best.heads else 'the head'}”",
        ),
        Finding("classes", f"{widths[-1]:,}", f"“{layers[-1][0]}” has {_count_rows(widths[-1])}"),
    ]


def _count_rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _list_replaced(best: Candidate, chosen: Weights) -> list[tuple[str, tuple[int, int]]]:
    """Names and shapes of linear layers that the architecture does not know, in the order of the file."""
    roots = {name.partition(".")[0] for name in best.heads}
    strange = {name for name in best.extra if name.endswith("weight")}
    layers = []
    for name, tensor in chosen.tensors.items():
        if tensor.ndim != 2 or not name.endswith("weight"):
            continue
        inside = name.removeprefix(best.prefix)
        if inside in strange or (best.prefix and not name.startswith(best.prefix)) or inside.partition(".")[0] in roots:
            layers.append((name, (int(tensor.shape[0]), int(tensor.shape[1]))))
    return layers


def _has_head(best: Candidate, chosen: Weights) -> bool:
    return best.num_classes is not None or bool(_list_replaced(best, chosen))


def _describe_loaded(settled: ModelRequest, loaded: LoadedModel, opened: _Opened, rows: list[str]) -> list[Finding]:
    """What the model that comes of it takes, with where each value is from."""
    completed = complete_request(settled, opened.checkpoint.settings).request
    preprocessing = loaded.preprocessing
    best = opened.candidates[0]

    def reason(field: str, otherwise: str) -> str:
        if getattr(settled, field) is not None:
            return "as told"
        return "the options of the training stand in the file" if getattr(completed, field) is not None else otherwise

    published = f"what {settled.architecture} was published with; the file does not say"
    height, width = preprocessing.input_size
    size = write_size(height if height == width else (height, width))
    findings = [
        Finding(
            "channels",
            {1: "1, grey", 3: "3, colour"}.get(preprocessing.channels, f"{preprocessing.channels} bands"),
            reason("channels", "the first convolution takes so many" if best.channels else published),
            "channels",
            preprocessing.channels,
        ),
        Finding(
            "input size", f"{size} pixels", reason("input_size", _explain_size(opened) or published), "input_size",
            height if height == width else [height, width],
        ),
    ]  # fmt: skip
    fields: tuple[str, ...] = ("interpolation", "mean", "std")
    if isinstance(preprocessing, VolumePreprocessing):
        fields = ("mean", "std")
        findings += _describe_volume(preprocessing, lambda field: reason(field, published))
    else:
        findings += _describe_fit(preprocessing, size, lambda field: reason(field, published))
    for field in fields:
        value = getattr(preprocessing, field)
        words = value if isinstance(value, str) else ", ".join(f"{number:g}" for number in value)
        given = value if isinstance(value, str) else list(value)
        findings.append(Finding(field, words, reason(field, published), field, given))
    inside = find_labels(opened.checkpoint.settings, len(loaded.labels))
    named = settled.labels or settled.label_names or completed.label_names or inside
    shown = ", ".join(loaded.labels[:5]) + (" …" if len(loaded.labels) > 5 else "")
    where = reason("labels" if settled.labels else "label_names", "the file names none: give names with --labels")
    if inside is not None and inside[0] == loaded.labels:
        where = f"they stand in the file under “{inside[1]}”"
    findings.append(
        Finding(
            "class names",
            shown if named else f"numbered, {len(loaded.labels):,}",
            where,
            "labels" if settled.labels else "label_names",
            settled.labels or (list(loaded.labels) if named else None),
        )
    )
    findings.append(_describe_outputs(settled, loaded, rows))
    return [replace(entry, is_assumed=entry.is_assumed or entry.reason == published) for entry in findings]


def _describe_fit(preprocessing: Preprocessing, size: str, reason: Callable[[str], str]) -> list[Finding]:
    """How a picture of another shape becomes the input's."""
    resize = preprocessing.resize_size
    fit = {
        "crop": f"shorter side to {write_size(resize) or size}, then the middle {size}",
        "squash": "both sides resized, whatever the aspect ratio",
        "pad": "the whole picture, with borders",
    }[preprocessing.fit]
    findings = [Finding("fit", f"{preprocessing.fit}: {fit}", reason("fit"), "fit", preprocessing.fit)]
    if preprocessing.fit == "crop" and resize is not None:
        value = list(resize) if isinstance(resize, tuple) else resize
        findings.append(Finding("resize", f"{write_size(resize)} pixels", reason("resize_size"), "resize_size", value))
    return findings


def _describe_volume(preprocessing: VolumePreprocessing, reason: Callable[[str], str]) -> list[Finding]:
    """How a volume becomes the input."""
    spacing, window = preprocessing.spacing, preprocessing.window
    steps = "the whole volume, stretched" if spacing is None else " × ".join(f"{step:g}" for step in spacing) + " mm"
    values = "the volume's own range" if window is None else f"{window[0]:g} to {window[1]:g}"
    towards = ", ".join(preprocessing.orientation)
    return [
        Finding("depth", f"{preprocessing.depth} slices", reason("depth"), "depth", preprocessing.depth),
        Finding("spacing", steps, reason("spacing"), "spacing", None if spacing is None else list(spacing)),
        Finding("orientation", f"towards {towards}", reason("orientation"), "orientation", preprocessing.orientation),
        Finding("window", values, reason("window"), "window", None if window is None else list(window)),
    ]


def _describe_outputs(settled: ModelRequest, loaded: LoadedModel, rows: list[str]) -> Finding:
    """What its numbers are taken to mean: told, or as their count and the names say."""
    meant = loaded.outputs
    if settled.outputs is not None:
        return Finding("outputs", meant, "as told", "outputs", meant)
    named = settled.labels or settled.label_names
    if meant == "findings" or (meant == "logit" and not named):
        return Finding("outputs", meant, "a loss or a task that stands in the file says so", "outputs", meant)
    if meant == "logit":
        return Finding("outputs", meant, "one number with two names", "outputs", meant)
    if meant == "value" and "1" in rows:
        return Finding("outputs", "one number", "a logit of yes or no, or a value: only you can tell", "outputs", None)
    why = "several numbers are taken so: say findings where a picture may show several of them"
    return Finding("outputs", meant, why, "outputs", meant, is_assumed=True)


_POSITIONS = ("pos_embed", "pos_embedding", "position_embeddings")


def _explain_size(opened: _Opened) -> str | None:
    """How the size follows from a position grid and the patches; None where the file has none."""
    tensors = opened.chosen.tensors
    table = next((name for name in tensors if name.endswith(_POSITIONS) and tensors[name].ndim == 3), None)
    patches = next(
        (t for n, t in tensors.items() if t.ndim == 4 and n.endswith(("proj.weight", "projection.weight"))), None
    )
    if table is None or patches is None:
        return None
    places, patch = int(tensors[table].shape[1]), int(patches.shape[-1])
    for extra in (1, 0, 2, 5, 4):
        side = round(max(places - extra, 0) ** 0.5)
        if side > 1 and side * side + extra == places:
            return f"the position grid is {side} × {side} patches of {patch} pixels"
    return None


def _say_unknown(name: str) -> str:
    return (
        f"“{name}” holds weights, but no network of timm or torchvision is made of tensors of such names and shapes. "
        "Name its architecture, e.g. torchvision/resnet18; of a network of your own, give the module from Python."
    )


def _say_unsure(name: str, candidates: tuple[Candidate, ...]) -> str:
    likely = ", ".join(
        f"{c.architecture} ({write_percent(c.share)} of names and shapes agree)" for c in candidates[:_LISTED]
    )
    return (
        f"The architecture of “{name}” cannot be told for sure, so it was not guessed. Name it, with --arch on the "
        f"command line. Nearest: {likely}."
    )
