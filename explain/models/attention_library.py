"""Trained attention (T-TAME), kept by name: one safetensors file each, whose header holds the card. Some ships.

Importing this does not import torch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from explain.bundled.models import ATTENTION_FOLDER
from explain.errors import MethodError, ModelError
from explain.models.attention_report import AttentionReport
from explain.models.checkpoint import read_checkpoint
from explain.models.library import LONGEST_NAME, NAME, Library, Sentences, is_name, read_kept_card
from explain.models.request import ModelRequest
from explain.networks.attention_layers import MOST_LAYERS
from explain.networks.layer import Layer

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.networks.trained_attention import TrainedAttention

KNOWN = "known/"
"""What names of tensors begin with that describe the pictures learnt from, see `explain.faithfulness.unlike`."""

_KEPT_OPEN = 4  # networks held in memory, of the modules used last


class AttentionCard(BaseModel):
    """What is known of trained attention.

    Attributes:
        name: key in the library, on the command line and in links.
        backbone: the classifier that it was trained for.
        backbone_fingerprint: `LoadedModel.fingerprint` of it.
        layers: whose features are read.
        channels: of each of them.
        grid: rows and columns of its maps.
        classes: a name for each map.
        recipe: the settings of the training.
        report: what its maps are worth.
        pictures: how many it learnt from.
        created: when the training ended.
        digest: SHA-256 over the tensors and the backbone's fingerprint; filled in when it is saved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=f"^{NAME.pattern}$")
    backbone: ModelRequest
    backbone_fingerprint: str
    layers: tuple[str, ...] = Field(min_length=1, max_length=MOST_LAYERS)
    channels: tuple[int, ...]
    grid: tuple[int, ...] = Field(min_length=2, max_length=2)
    classes: tuple[str, ...] = Field(min_length=2)
    recipe: dict[str, Any]
    report: AttentionReport
    pictures: int = Field(ge=0)
    created: datetime
    digest: str = ""

    @model_validator(mode="after")
    def _check(self) -> AttentionCard:
        if len(self.channels) != len(self.layers):
            raise ValueError("there must be one number of channels for each layer")
        return self

    def find_layers(self, loaded: LoadedModel) -> tuple[Layer, ...]:
        """The layers of a model whose features it reads.

        Raises:
            MethodError: the model is another one than it was trained for.
        """
        at = {layer.name: layer for layer in loaded.layers}
        if loaded.fingerprint != self.backbone_fingerprint or any(name not in at for name in self.layers):
            raise MethodError(
                f"“{self.name}” was trained for {self.backbone.name} as it was then, and “{loaded.request.name}” is "
                "another network. Train one for it in the Studio, or by train-attention."
            )
        return tuple(at[name] for name in self.layers)


LIBRARY = Library(
    "attention",
    AttentionCard,
    Sentences(
        plain="attention",
        named=f"Trained attention is named with lower-case letters, digits and hyphens, at most {LONGEST_NAME}, such "
        "as garden-birds.",
        taken="There is trained attention called “{}” already. Choose another name.",
        unknown="There is no trained attention “{}” on this computer.",
        none="Train some in the Studio, or by train-attention.",
        damaged="The file of the trained attention “{}” is damaged. Train it again, or put the file back.",
        undeletable="The trained attention “{}” cannot be deleted",
    ),
)


def list_attention(fingerprint: str | None = None) -> list[AttentionCard]:
    """The cards of all trained attention, or of that for one model: the newest first, then what ships."""
    own = sorted(LIBRARY.list_cards(), key=lambda card: card.created, reverse=True)
    taken = {card.name for card in own}
    cards = [*own, *(card for card in _list_shipped() if card.name not in taken)]
    return [card for card in cards if fingerprint in (None, card.backbone_fingerprint)]


def find_attention(loaded: LoadedModel, name: str = "") -> AttentionCard:
    """The card of that name; without one, of what was trained for a model last, or ships with it.

    Raises:
        MethodError: there is none, or it was trained for another model.
    """
    if not name:
        cards = list_attention(loaded.fingerprint)
        if not cards:
            raise MethodError(
                f"T-TAME needs attention trained for this very model, and there is none for “{loaded.request.name}”. "
                "Train some in the Studio, or by train-attention."
            )
        return cards[0]
    shipped = _find_shipped(name)
    try:
        kept = is_name(name) and LIBRARY.find_file(name).exists()
        card = read_kept_card(shipped, AttentionCard) if shipped and not kept else LIBRARY.read_card(name)
    except ModelError as error:
        raise MethodError(str(error)) from None
    card.find_layers(loaded)
    return card


def save_attention(name: str, tensors: Mapping[str, Tensor], card: AttentionCard) -> AttentionCard:
    """Keep trained attention, whole or not at all.

    Args:
        name: lower-case letters, digits and hyphens, not taken.
        tensors: of a `TrainedAttention`, and what describes the pictures that it learnt from, see `KNOWN`.
        card: its name and digest are filled in here.

    Returns:
        The card as saved.

    Raises:
        ModelError: the name is taken or no plain word; the tensors do not fit the card.
        StorageError: the disk is full or cannot be written.
    """
    LIBRARY.check_name(name)
    card = complete_card(name, tensors, card)
    LIBRARY.save(name, tensors, card)
    return card


def complete_card(name: str, tensors: Mapping[str, Tensor], card: AttentionCard) -> AttentionCard:
    """A card with the name and the digest of what it describes.

    Raises:
        ModelError: the tensors do not fit the card.
    """
    card = card.model_copy(update={"name": name, "digest": _compute_digest(tensors, card.backbone_fingerprint)})
    _build(tensors, card)
    return card


@lru_cache(maxsize=_KEPT_OPEN)
def load_attention(name: str, digest: str) -> TrainedAttention:
    """The network of that name, in evaluation mode and without gradients, on the CPU.

    Args:
        name: see `AttentionCard`.
        digest: of its card, so that another one of that name is another one.

    Raises:
        ModelError: there is none, or its file is damaged.
    """
    card, tensors = _read(name, digest)
    return _build(tensors, card)


@lru_cache(maxsize=_KEPT_OPEN)
def load_known(name: str, digest: str) -> dict[str, Tensor]:
    """What describes the pictures that it learnt from, see `explain.faithfulness.unlike.unpack_known`; empty where they
    were too few, or it was trained before this was kept. See `load_attention`.
    """
    _, tensors = _read(name, digest)
    return {key.removeprefix(KNOWN): tensor for key, tensor in tensors.items() if key.startswith(KNOWN)}


def _read(name: str, digest: str) -> tuple[AttentionCard, dict[str, Tensor]]:
    shipped = _find_shipped(name)
    if shipped is not None and not LIBRARY.find_file(name).exists():
        card, tensors = read_kept_card(shipped, AttentionCard), read_checkpoint(shipped.read_bytes(), name)
    else:
        card, tensors = LIBRARY.read_card(name), LIBRARY.read_tensors(name)
    if card.digest != digest or _compute_digest(tensors, card.backbone_fingerprint) != digest:
        raise LIBRARY.refuse_damaged(name)
    return card, tensors


def _build(tensors: Mapping[str, Tensor], card: AttentionCard) -> TrainedAttention:
    from explain.networks.trained_attention import TrainedAttention

    module = TrainedAttention(card.channels, len(card.classes), card.grid)
    wanted = {name: tensor.shape for name, tensor in module.state_dict().items()}
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(KNOWN)}
    if {name: tensor.shape for name, tensor in own.items()} != wanted:
        raise ModelError(f"The trained attention “{card.name}” does not fit its own card. Train it again.")
    if not all(math.isfinite(float(tensor.double().sum())) for tensor in tensors.values()):
        raise ModelError(f"The trained attention “{card.name}” holds values that are not numbers. Train it again.")
    module.load_state_dict(own)
    return module.eval().requires_grad_(False)


def _compute_digest(tensors: Mapping[str, Tensor], fingerprint: str) -> str:
    digest = hashlib.sha256(f"{fingerprint}\n".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _list_shipped() -> list[AttentionCard]:
    return [read_kept_card(path, AttentionCard) for path in sorted(ATTENTION_FOLDER.glob("*.safetensors"))]


def _find_shipped(name: str) -> Path | None:
    """The file that ships under a name; no other name becomes part of a path."""
    return next((path for path in ATTENTION_FOLDER.glob("*.safetensors") if path.stem == name), None)
