"""Trained prompts, kept by name: one safetensors file each, whose header holds the card.

Importing this does not import torch.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from explain.errors import ModelError
from explain.models.checkpoint import open_checkpoint
from explain.models.judged import Judged
from explain.models.library import LONGEST_NAME, NAME, Library, Sentences
from explain.models.request import ModelRequest
from explain.models.settings_beside import complete_request
from explain.networks.prompt_variant import TENSORS, Variant
from explain.rights import need

if TYPE_CHECKING:
    from torch import Tensor


_BACKBONE = "backbone."


class PromptCard(BaseModel):
    """What is known of trained prompts.

    Attributes:
        name: key in the library, on the command line and in links.
        classes: a name for each class.
        backbone: the ViT they were trained on; bundled, of the hub, or a file whose weights are kept beside them.
        backbone_fingerprint: `LoadedModel.fingerprint` of the backbone.
        variant: where prompts enter: fresh ones at every block, at the first, or at the last.
        recipe: the settings of the training.
        accuracy: top-1 on pictures that were not learnt from, per cent.
        class_accuracy: the same of each class.
        judged: the same in counts, and how those pictures were kept apart; None in cards from before they were kept.
        pictures: how many the set held, in both splits.
        created: when the training ended.
        digest: SHA-256 over the tensors and the backbone's fingerprint; filled in when they are saved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=f"^{NAME.pattern}$")
    classes: tuple[str, ...] = Field(min_length=1)
    backbone: ModelRequest
    backbone_fingerprint: str
    variant: Variant
    recipe: dict[str, Any]
    accuracy: float = Field(ge=0, le=100)
    class_accuracy: tuple[float, ...]
    judged: Judged | None = None
    pictures: int = Field(ge=0)
    created: datetime
    digest: str = ""

    @model_validator(mode="after")
    def _check(self) -> PromptCard:
        if len(self.class_accuracy) != len(self.classes):
            raise ValueError("there must be one accuracy for each class")
        if self.judged is not None and len(self.judged.pictures) != len(self.classes):
            raise ValueError("there must be one count for each class")
        if self.backbone.source == "prompts":
            raise ValueError("prompts are trained on a network, not on other prompts")
        return self

    def describe_accuracy(self) -> str:
        """How often they are right, as far as it is known."""
        if self.judged is not None:
            return self.judged.describe()
        return (
            f"right on {self.accuracy:.1f} % of the pictures they were checked with; how many pictures it rests on was "
            "not kept"
        )

    def list_notes(self) -> list[str]:
        """What must be known to believe it, in sentences."""
        return [] if self.judged is None else self.judged.list_notes()

    @property
    def request(self) -> ModelRequest:
        """What loads the prompts of this name, whichever they are by then."""
        return ModelRequest(source="prompts", name=self.name)


_LIBRARY = Library(
    "prompts",
    PromptCard,
    Sentences(
        plain="prompts",
        named=f"Prompts are named with lower-case letters, digits and hyphens, at most {LONGEST_NAME}, such as "
        "garden-birds.",
        taken="There are prompts called “{}” already. Choose another name, or overwrite them.",
        unknown="There are no prompts “{}” on this computer.",
        none="Train some on the Studio page.",
        damaged="The file of the prompts “{}” is damaged. Train them again, or put the file back.",
        undeletable="The prompts “{}” cannot be deleted",
    ),
)

check_name = _LIBRARY.check_name
suggest_name = _LIBRARY.suggest_name
list_prompts = _LIBRARY.list_cards
read_card = _LIBRARY.read_card
encode_prompts = _LIBRARY.encode
delete_prompts = _LIBRARY.delete


def save_prompts(
    name: str,
    tensors: Mapping[str, Tensor],
    card: PromptCard,
    backbone_weights: bytes | None = None,
    *,
    overwrite: bool = False,
) -> PromptCard:
    """Keep prompts, whole or not at all.

    Args:
        name: lower-case letters, digits and hyphens.
        tensors: see `TENSORS`.
        card: its name and digest are filled in here.
        backbone_weights: the checkpoint's bytes, where the backbone is a file; kept as tensors, never as they are.
        overwrite: replace prompts of that name.

    Returns:
        The card as saved.

    Raises:
        ModelError: the name is taken or no plain word; the tensors do not fit the card; the checkpoint is unreadable.
        StorageError: the disk is full or cannot be written.
    """
    check_name(name, overwrite)
    own = {key: tensors[key].detach().cpu().float().contiguous() for key in TENSORS if key in tensors}
    _check_tensors(own, card, name)
    kept = dict(own)
    if card.backbone.source == "file":
        if backbone_weights is None:
            raise ModelError(f"The bytes of the backbone “{card.backbone.name}” are missing. Give the file again.")
        checkpoint = open_checkpoint(backbone_weights, card.backbone.name)
        weights = checkpoint.choose(card.backbone.weights).tensors
        # The tensors are kept without what the file says beside them.
        card = card.model_copy(update={"backbone": complete_request(card.backbone, checkpoint.settings).request})
        # Copied, because tensors of a checkpoint may share their memory, which a safetensors file cannot.
        kept |= {_BACKBONE + key: tensor.clone().contiguous() for key, tensor in weights.items()}
    card = card.model_copy(update={"name": name, "digest": _compute_digest(own, card.backbone_fingerprint)})
    _LIBRARY.save(name, kept, card)
    return card


def read_prompts(name: str) -> tuple[PromptCard, dict[str, Tensor], dict[str, Tensor]]:
    """The card, the tensors of the prompts, and those of the backbone where it was a file.

    Raises:
        ModelError: there are none, or their file is damaged.
    """
    card = read_card(name)
    own, backbone = _part(_LIBRARY.read_tensors(name))
    _check_tensors(own, card, name)
    if _compute_digest(own, card.backbone_fingerprint) != card.digest:
        raise _LIBRARY.refuse_damaged(name)
    return card, own, backbone


def take_prompts(data: bytes) -> PromptCard:
    """Keep prompts that somebody took along by `encode_prompts`, under their name or a free one like it.

    Args:
        data: the file's bytes, of which nothing is believed that can be checked.

    Returns:
        The card as kept; of prompts that are here already, theirs.

    Raises:
        ModelError: it is no such file, or is damaged.
        StorageError: the disk is full or cannot be written.
        RightsError: whoever acts may keep nothing; or a backbone from a file is in it, and they may use none.
    """
    card, everything = _LIBRARY.read_given(data)
    if card.backbone.source == "file":
        need("models")
    same = next((kept for kept in list_prompts() if kept.digest == card.digest), None)
    if same is not None:
        return same
    own, backbone = _part(everything)
    _check_tensors(own, card, card.name)
    whole = bool(backbone) == (card.backbone.source == "file")
    if not whole or _compute_digest(own, card.backbone_fingerprint) != card.digest:
        raise _LIBRARY.refuse_damaged(card.name)
    card = card.model_copy(update={"name": suggest_name(card.name)})
    _LIBRARY.save(card.name, own | {_BACKBONE + key: value for key, value in backbone.items()}, card)
    return card


def _part(everything: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of the prompts, and those of the backbone."""
    own = {key: everything[key] for key in TENSORS if key in everything}
    return own, {key.removeprefix(_BACKBONE): one for key, one in everything.items() if key.startswith(_BACKBONE)}


def encode_card(name: str) -> bytes:
    """The card of the prompts of that name as JSON for people to read, with what its figures are worth in words.

    Raises:
        ModelError: there are none, or their file is damaged.
    """
    card = read_card(name)
    words = {"in words": [card.describe_accuracy(), *card.list_notes()]}
    return json.dumps(card.model_dump(mode="json") | words, indent=2, ensure_ascii=False).encode()


def _check_tensors(tensors: Mapping[str, Tensor], card: PromptCard, name: str) -> None:
    """Refuse what cannot be the tensors that the card describes."""
    missing = [key for key in TENSORS if key not in tensors]
    if missing:
        raise ModelError(f"The prompts “{name}” lack {', '.join(missing)}. Train them again.")
    prompts = tensors["prompts"]
    fits = (
        prompts.ndim == 3
        and prompts.shape[1] == len(card.classes)
        and (card.variant == "deep" or len(prompts) == 1)
        and tensors["score.weight"].shape == (1, prompts.shape[2])
        and tensors["score.bias"].shape == (1,)
    )
    if not fits:
        raise ModelError(
            f"The prompts “{name}” are of shape {tuple(prompts.shape)}, which does not fit {len(card.classes):,} "
            f"classes ({card.variant}). Train them again."
        )
    if not all(math.isfinite(float(tensor.sum())) for tensor in tensors.values()):
        raise ModelError(
            f"The prompts “{name}” hold values that are not numbers. Train them with a lower learning rate."
        )


def _compute_digest(tensors: Mapping[str, Tensor], fingerprint: str) -> str:
    digest = hashlib.sha256(f"{fingerprint}\n".encode())
    for key in TENSORS:
        digest.update(f"{key} {tuple(tensors[key].shape)}\n".encode())
        digest.update(tensors[key].numpy().tobytes())
    return digest.hexdigest()
