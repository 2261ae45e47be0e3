"""timm's models on the hub: searching them, what is on this machine already, and fetching one. Imports no timm."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from explain.bundled.models import bundled_models
from explain.errors import ModelError
from explain.models.labels import imagenet_labels, number_classes
from explain.models.loaded import LoadedModel, choose_labels, finish_loading
from explain.models.preparation import override_preprocessing
from explain.models.request import ModelRequest
from explain.rights import need

# Read once, when huggingface_hub is first imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

SECONDS_TO_REACH_HUB = 3.0
_HUB_FILES = ("model.safetensors", "open_clip_model.safetensors")


@dataclass(frozen=True)
class HubModel:
    """A pretrained timm model; `cached` ones work offline."""

    name: str
    cached: bool


def search_hub(text: str, limit: int = 50) -> list[HubModel]:
    """Pretrained timm classifiers whose name holds every word of `text`; those that work offline first. Before them
    torchvision's networks of volumes, where the text asks for such.

    Needs no network. The first call imports timm, which takes seconds; later ones take milliseconds.
    """
    words = text.casefold().replace(",", " ").split()
    folder = _cache_folder()
    downloaded = {entry.name for entry in folder.glob("models--*--*")} if folder.is_dir() else set()

    def rank(name: str) -> tuple[bool, bool, bool, int, str]:
        fetched = f"models--timm--{name}" in downloaded
        starts = bool(words) and name.startswith(words[0])
        return not fetched, name != text.casefold(), not starts, len(name), name

    found: list[HubModel] = _search_video_networks(words)
    for name in sorted((n for n in _hub_names() if all(word in n for word in words)), key=rank):
        if len(found) == limit:
            break
        config = _hub_config(name)
        if config.hf_hub_id and config.num_classes:
            repository = config.hf_hub_id.partition("@")[0]
            is_here = f"models--{repository.replace('/', '--')}" in downloaded
            found.append(HubModel(name, is_here and _find_cached(config.hf_hub_id) is not None))
    return found


def _search_video_networks(words: Sequence[str]) -> list[HubModel]:
    """torchvision's networks for clips, which read volumes, where somebody looks for such."""
    if not any(word.startswith(("torchvision", "video", "volume")) or "3d" in word for word in words):
        return []
    from explain.models.video_hub import PREFIX, is_fetched
    from explain.models.volume_architectures import list_video_networks

    names = [f"{PREFIX}{name}" for name in list_video_networks()]
    return [HubModel(name, is_fetched(name)) for name in names if all(w in f"{name} video volume" for w in words)]


def load_from_hub(request: ModelRequest) -> LoadedModel:
    """Load a pretrained timm model, and fetch it first where it is not on this computer yet.

    Only safetensors files are fetched. timm then reads the file itself: it knows how to rename and resize.

    Args:
        request: its name is timm's, with or without the tag of the pretraining; what else it says of input size,
            channels, labels and normalisation goes before what timm knows.

    Raises:
        ModelError: there is no such classifier, it is not published as safetensors, the hub is out of reach, or the
            model cannot be built with the request's settings.
        RightsError: it has to be fetched, and whoever acts may have nothing fetched.
    """
    name = request.name
    if "/" in name:
        raise ModelError(
            f"“{name}” is a repository of the hub, not one of timm's pretrained models, and is not fetched from here. "
            "Download its folder, with config.json and model.safetensors, and give it as file:FOLDER."
        )
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

    from explain.models.architectures import build_for_size, read_timm_preprocessing

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
    preprocessing = override_preprocessing(read_timm_preprocessing(config.to_dict()), request)
    count = int(config.num_classes)
    labels = choose_labels(request, count) or tuple(config.label_names or ()) or imagenet_labels(count)
    architecture = f"timm/{config.architecture}"
    labels = labels or number_classes(count)
    return finish_loading(request, module, None, architecture, preprocessing, labels, [], count)


@lru_cache(maxsize=1)
def _hub_names() -> tuple[str, ...]:
    from explain.networks.torchvision_operators import declare_missing_operators

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
    """Refuse what would have to be fetched and cannot be, or not for who acts: what is here already is everybody's."""
    need("models")
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
