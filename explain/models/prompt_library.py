"""Trained prompts, kept by name: one safetensors file each, whose header holds the card.

Importing this does not import torch.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from explain.errors import ModelError, StorageError
from explain.models.checkpoint import open_checkpoint, read_checkpoint
from explain.models.judged import Judged
from explain.models.request import ModelRequest
from explain.models.settings_beside import complete_request
from explain.networks.prompt_variant import TENSORS, Variant
from explain.networks.weight_file import read_metadata
from explain.storage import find_data_folder, remove_leftovers, write_atomically

if TYPE_CHECKING:
    from torch import Tensor


_LONGEST_NAME = 64
_NAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{_LONGEST_NAME - 1}}}")
_BACKBONE = "backbone."
_CARD = "camscope-card"

_log = logging.getLogger(__name__)


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

    name: str = Field(pattern=f"^{_NAME.pattern}$")
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


def is_name(text: str) -> bool:
    """Whether prompts can have this name: lower-case letters, digits and hyphens."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str, overwrite: bool = False) -> None:
    """Refuse a name that prompts cannot be saved under.

    Raises:
        ModelError: it is no plain word, or is taken and not to be overwritten.
    """
    path = _find_file(name)
    if not overwrite and path.exists():
        raise ModelError(f"There are prompts called “{name}” already. Choose another name, or overwrite them.")


def suggest_name(text: str) -> str:
    """A free name that is like what a person wrote: `My birds (2)` becomes `my-birds-2`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    base = re.sub("[^a-z0-9]+", "-", plain).strip("-")[: _LONGEST_NAME - 5].strip("-") or "prompts"
    name, number = base, 1
    while _find_file(name).exists():
        number += 1
        name = f"{base}-{number}"
    return name


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
    import safetensors.torch

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
    remove_leftovers(_find_folder())
    write_atomically(_find_file(name), safetensors.torch.save(kept, {_CARD: card.model_dump_json()}))
    return card


def list_prompts() -> list[PromptCard]:
    """The cards of all prompts kept, by name. What is damaged is left out and said in the log."""
    cards = []
    try:
        paths = sorted(_find_folder().glob("*.safetensors"))
    except (StorageError, OSError) as error:
        _log.warning("The kept prompts cannot be listed: %s", error)
        return []
    for path in paths:
        if not is_name(path.stem):
            continue
        try:
            cards.append(_read_kept_card(path))
        except (OSError, ValueError) as error:
            _log.warning("The prompts in %s are left out: %s", path.name, error)
    return cards


def read_card(name: str) -> PromptCard:
    """The card of the prompts of that name.

    Raises:
        ModelError: there are none, or their file is damaged.
    """
    path = _find_file(name)
    try:
        return _read_kept_card(path)
    except FileNotFoundError:
        raise ModelError(_say_unknown(name)) from None
    except (OSError, ValueError):
        raise ModelError(_say_damaged(name)) from None


def read_prompts(name: str) -> tuple[PromptCard, dict[str, Tensor], dict[str, Tensor]]:
    """The card, the tensors of the prompts, and those of the backbone where it was a file.

    Raises:
        ModelError: there are none, or their file is damaged.
    """
    card = read_card(name)
    try:
        everything = read_checkpoint(_find_file(name).read_bytes(), f"prompts:{name}")
    except OSError:
        raise ModelError(_say_unknown(name)) from None
    own = {key: everything[key] for key in TENSORS if key in everything}
    _check_tensors(own, card, name)
    if _compute_digest(own, card.backbone_fingerprint) != card.digest:
        raise ModelError(_say_damaged(name))
    backbone = {key.removeprefix(_BACKBONE): value for key, value in everything.items() if key.startswith(_BACKBONE)}
    return card, own, backbone


def encode_prompts(name: str) -> bytes:
    """The file of the prompts of that name, card and all, to be taken along.

    Raises:
        ModelError: there are none.
    """
    try:
        return _find_file(name).read_bytes()
    except OSError:
        raise ModelError(_say_unknown(name)) from None


def encode_card(name: str) -> bytes:
    """The card of the prompts of that name as JSON for people to read, with what its figures are worth in words.

    Raises:
        ModelError: there are none, or their file is damaged.
    """
    card = read_card(name)
    words = {"in words": [card.describe_accuracy(), *card.list_notes()]}
    return json.dumps(card.model_dump(mode="json") | words, indent=2, ensure_ascii=False).encode()


def delete_prompts(name: str) -> None:
    """Forget the prompts of that name.

    Raises:
        ModelError: there are none.
        StorageError: they cannot be deleted.
    """
    try:
        _find_file(name).unlink()
    except FileNotFoundError:
        raise ModelError(_say_unknown(name)) from None
    except OSError as error:
        raise StorageError(f"The prompts “{name}” cannot be deleted ({error.strerror or error}).") from None


def _find_folder() -> Path:
    return find_data_folder() / "prompts"


def _find_file(name: str) -> Path:
    """Where prompts of that name are kept. The name is checked here, so that it can be no way to elsewhere."""
    if not is_name(name):
        raise ModelError(
            f"Prompts are named with lower-case letters, digits and hyphens, at most {_LONGEST_NAME}, such as "
            "garden-birds."
        )
    return _find_folder() / f"{name}.safetensors"


def _read_kept_card(path: Path) -> PromptCard:
    """The card in a file's header, without reading its tensors.

    Raises:
        OSError: the file cannot be read.
        ValueError: there is no card, or it is not this file's.
    """
    text = read_metadata(path).get(_CARD)
    if text is None:
        raise ValueError("there is no card in the header")
    try:
        card = PromptCard.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"the card is damaged ({error.error_count()} faults)") from None
    # A copy under another name is these prompts under that name.
    return card.model_copy(update={"name": path.stem})


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


def _say_unknown(name: str) -> str:
    near = [card.name for card in list_prompts()]
    known = f"There are: {', '.join(near[:10])}." if near else "Train some on the Studio page."
    return f"There are no prompts “{name}” on this computer. {known}"


def _say_damaged(name: str) -> str:
    return f"The file of the prompts “{name}” is damaged. Train them again, or put the file back."
