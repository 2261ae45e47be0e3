"""torchvision's networks for clips with their published weights: what is on this machine, and fetching them."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from explain.errors import ModelError
from explain.models.architectures import Architecture, build_architecture, default_preprocessing, parse_architecture
from explain.models.checkpoint import load_weights, read_checkpoint
from explain.models.loaded import LoadedModel, choose_labels, finish_loading
from explain.models.preparation import override_preprocessing
from explain.models.request import ModelRequest
from explain.models.volume_architectures import list_video_networks
from explain.rights import need
from explain.storage import read_file

PREFIX = "torchvision/"
"""Before the name of one of these networks where a model of the hub is named."""

SECONDS_TO_REACH = 5.0
_MOST_BYTES = 1 << 30

_OF_CLIPS = (
    "Its weights learned what people do on 400 kinds of video clips. They never saw a scan: a map of a volume shows "
    "how the network works, and says nothing of the patient."
)


def load_video_network(request: ModelRequest) -> LoadedModel:
    """Load one of torchvision's networks for clips; its weights are fetched first where they are not here yet.

    Args:
        request: its name is `torchvision/r3d_18` and the like.

    Raises:
        ModelError: there is no such network, its weights are out of reach or damaged.
    """
    name = request.name.removeprefix(PREFIX)
    if name not in list_video_networks():
        raise ModelError(
            f"“{request.name}” is not fetched from here: of torchvision's own weights those that read volumes are: "
            f"{', '.join(list_video_networks())}. For pictures, take timm's of the same name."
        )
    import torchvision.models

    architecture: Architecture = parse_architecture(request.name)
    weights: Any = torchvision.models.get_model_weights(name).DEFAULT
    path = _find_cached(weights.url) or _download(weights.url, request.name)
    classes = tuple(str(label) for label in weights.meta["categories"])
    module = build_architecture(architecture, len(classes), 3, None)
    load_weights(module, read_checkpoint(read_file(path, ModelError), path.name), path.name, str(architecture))
    preprocessing = override_preprocessing(default_preprocessing(architecture), request)
    labels = choose_labels(request, len(classes)) or classes
    return finish_loading(request, module, None, str(architecture), preprocessing, labels, [_OF_CLIPS], len(classes))


def is_fetched(name: str) -> bool:
    """Whether the weights of a network lie on this machine."""
    import torchvision.models

    return _find_cached(torchvision.models.get_model_weights(name.removeprefix(PREFIX)).DEFAULT.url) is not None


def _folder() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _find_cached(url: str) -> Path | None:
    path = _folder() / url.rpartition("/")[2]
    return path if path.is_file() else None


def _download(url: str, name: str) -> Path:
    """Fetch a file whose name ends in the beginning of its SHA-256, as torchvision's do, where who acts may."""
    need("models")
    file = url.rpartition("/")[2]
    host = url.split("/")[2]
    try:
        with urllib.request.urlopen(url, timeout=SECONDS_TO_REACH) as answer:
            data = answer.read(_MOST_BYTES)
    except (urllib.error.URLError, OSError, ValueError):
        raise ModelError(
            f"“{name}” is not on this computer yet and {host} cannot be reached. Connect to the internet once to fetch "
            "it, give its weights as a file, or choose phantom-3d, which ships with CAMscope."
        ) from None
    expected = file.rpartition("-")[2].partition(".")[0]
    if not hashlib.sha256(data).hexdigest().startswith(expected):
        raise ModelError(f"What came from {host} for “{name}” is not what was published. Try again later.")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{file}.partial"
    partial.write_bytes(data)
    return partial.rename(folder / file)
