"""Things trained here, kept by name: one safetensors file each, whose header holds a card.

Importing this does not import torch.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from explain.errors import ModelError, StorageError
from explain.models.checkpoint import read_checkpoint
from explain.networks.weight_file import read_metadata
from explain.rights import need
from explain.storage import find_data_folder, remove_leftovers, write_atomically

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_NAME = 64
NAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{LONGEST_NAME - 1}}}")

_CARD = "camscope-card"

_log = logging.getLogger(__name__)

Card = TypeVar("Card", bound=BaseModel)


def is_name(text: str) -> bool:
    """Whether a thing can have this name: lower-case letters, digits and hyphens."""
    return NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class Sentences:
    """What is said of a library's things; `{}` stands for a name.

    Attributes:
        plain: what they are called, as the beginning of a name.
        named: how they may be named.
        taken: there is one of that name.
        unknown: there is none.
        none: what to do where there is none at all.
        damaged: its file cannot be used.
        undeletable: it cannot be deleted; the reason follows.
    """

    plain: str
    named: str
    taken: str
    unknown: str
    none: str
    damaged: str
    undeletable: str


@dataclass(frozen=True)
class Library(Generic[Card]):
    """The things of one kind. A name is checked before it becomes part of a path.

    Attributes:
        folder: in the data folder.
        card: what is known of each; has a field `name`.
        sentences: what is said of them.
    """

    folder: str
    card: type[Card]
    sentences: Sentences

    def find_file(self, name: str) -> Path:
        """Where the thing of that name is kept. The name is checked here, so that it can be no way to elsewhere.

        Raises:
            ModelError: it is no plain word.
        """
        if not is_name(name):
            raise ModelError(self.sentences.named)
        return self._find_folder() / f"{name}.safetensors"

    def check_name(self, name: str, overwrite: bool = False) -> None:
        """Refuse a name that nothing can be saved under.

        Raises:
            ModelError: it is no plain word, or is taken and not to be overwritten.
        """
        path = self.find_file(name)
        if not overwrite and path.exists():
            raise ModelError(self.sentences.taken.format(name))

    def suggest_name(self, text: str) -> str:
        """A free name that is like what a person wrote: `My birds (2)` becomes `my-birds-2`."""
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        base = re.sub("[^a-z0-9]+", "-", plain).strip("-")[: LONGEST_NAME - 5].strip("-") or self.sentences.plain
        name, number = base, 1
        while self.find_file(name).exists():
            number += 1
            name = f"{base}-{number}"
        return name

    def save(self, name: str, tensors: Mapping[str, Tensor], card: Card) -> None:
        """Keep a thing, whole or not at all.

        Raises:
            ModelError: the name is no plain word.
            StorageError: the disk is full or cannot be written.
            RightsError: whoever acts may keep nothing.
        """
        need("prompts")
        path = self.find_file(name)
        remove_leftovers(path.parent)
        write_atomically(path, pack(tensors, card))

    def list_cards(self) -> list[Card]:
        """The cards of all things kept, by name. What is damaged is left out and said in the log."""
        cards = []
        try:
            paths = sorted(self._find_folder().glob("*.safetensors"))
        except (StorageError, OSError) as error:
            _log.warning("What is kept in %s cannot be listed: %s", self.folder, error)
            return []
        for path in paths:
            if not is_name(path.stem):
                continue
            try:
                cards.append(read_kept_card(path, self.card))
            except (OSError, ValueError) as error:
                _log.warning("%s/%s is left out: %s", self.folder, path.name, error)
        return cards

    def read_card(self, name: str) -> Card:
        """The card of the thing of that name.

        Raises:
            ModelError: there is none, or its file is damaged.
        """
        path = self.find_file(name)
        try:
            return read_kept_card(path, self.card)
        except FileNotFoundError:
            raise self.refuse_unknown(name) from None
        except (OSError, ValueError):
            raise self.refuse_damaged(name) from None

    def read_tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of the thing of that name.

        Raises:
            ModelError: there is none, or its file is damaged.
        """
        return read_checkpoint(self.encode(name), f"{self.folder}:{name}")

    def encode(self, name: str) -> bytes:
        """The file of the thing of that name, card and all, to be taken along.

        Raises:
            ModelError: there is none.
        """
        try:
            return self.find_file(name).read_bytes()
        except OSError:
            raise self.refuse_unknown(name) from None

    def read_given(self, data: bytes) -> tuple[Card, dict[str, Tensor]]:
        """The card and the tensors in a file that `encode` gave, here or elsewhere.

        Raises:
            ModelError: it is no such file, or is damaged.
            RightsError: whoever acts may keep nothing.
        """
        need("prompts")
        try:
            card = parse_card(read_metadata(data).get(_CARD), self.card)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"This is no file of {self.folder} that CAMscope wrote: {error}. Choose one taken along there."
            ) from None
        return card, read_checkpoint(data, f"{self.folder}:{card.model_dump()['name']}")

    def delete(self, name: str) -> None:
        """Forget the thing of that name.

        Raises:
            ModelError: there is none.
            StorageError: it cannot be deleted.
            RightsError: whoever acts may keep nothing, and so delete nothing.
        """
        need("prompts")
        try:
            self.find_file(name).unlink()
        except FileNotFoundError:
            raise self.refuse_unknown(name) from None
        except OSError as error:
            raise StorageError(f"{self.sentences.undeletable.format(name)} ({error.strerror or error}).") from None

    def refuse_unknown(self, name: str) -> ModelError:
        """That there is none of that name, and which there are."""
        near = [str(card.model_dump()["name"]) for card in self.list_cards()]
        known = f"There are: {', '.join(near[:10])}." if near else self.sentences.none
        return ModelError(f"{self.sentences.unknown.format(name)} {known}")

    def refuse_damaged(self, name: str) -> ModelError:
        """That its file cannot be used."""
        return ModelError(self.sentences.damaged.format(name))

    def _find_folder(self) -> Path:
        return find_data_folder() / self.folder


def pack(tensors: Mapping[str, Tensor], card: BaseModel) -> bytes:
    """A safetensors file with a card in its header."""
    import safetensors.torch

    return safetensors.torch.save(dict(tensors), {_CARD: card.model_dump_json()})


def read_kept_card(path: Path, kind: type[Card]) -> Card:
    """The card in a file's header, without reading its tensors.

    Raises:
        OSError: the file cannot be read.
        ValueError: there is no card, or it is not this file's.
    """
    # A copy under another name is that thing under that name.
    return parse_card(read_metadata(path).get(_CARD), kind).model_copy(update={"name": path.stem})


def parse_card(text: str | None, kind: type[Card]) -> Card:
    """The card that stands in a file's header.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    if text is None:
        raise ValueError("there is no card in the header")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"the card is damaged ({error.error_count()} faults)") from None
