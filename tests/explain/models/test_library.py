"""Things kept by name, of whatever kind: another kind's card is none, and a name is never a way to elsewhere."""

import re
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel

from explain.errors import ModelError
from explain.models.library import Library, Sentences, pack


class Note(BaseModel):
    name: str
    text: str


class Figure(BaseModel):
    name: str
    number: int


SENTENCES = Sentences(
    plain="thing",
    named="Things are named plainly.",
    taken="There is a thing “{}” already.",
    unknown="There is no thing “{}”.",
    none="Make one.",
    damaged="The thing “{}” is damaged.",
    undeletable="The thing “{}” cannot be deleted",
)
NOTES = Library("things", Note, SENTENCES)
TENSORS = {"a": torch.arange(3.0)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    return tmp_path


def test_what_is_kept_is_found_listed_and_forgotten() -> None:
    assert NOTES.list_cards() == []
    NOTES.save("one", TENSORS, Note(name="one", text="first"))
    assert NOTES.list_cards() == [Note(name="one", text="first")] == [NOTES.read_card("one")]
    assert torch.equal(NOTES.read_tensors("one")["a"], TENSORS["a"])
    assert (
        NOTES.suggest_name("One!") == "one-2" and NOTES.suggest_name("é?") == "e" and NOTES.suggest_name("?") == "thing"
    )
    with pytest.raises(ModelError, match="There is a thing “one” already"):
        NOTES.check_name("one")
    with pytest.raises(ModelError, match=re.escape("There is no thing “two”. There are: one.")):
        NOTES.read_card("two")
    NOTES.delete("one")
    with pytest.raises(ModelError, match=re.escape("There is no thing “one”. Make one.")):
        NOTES.delete("one")


def test_a_card_of_another_kind_is_left_out_and_refused() -> None:
    NOTES.save("one", TENSORS, Note(name="one", text="first"))
    figures = Library("things", Figure, SENTENCES)
    assert figures.list_cards() == []
    with pytest.raises(ModelError, match="is damaged"):
        figures.read_card("one")


@pytest.mark.parametrize("name", ["", "../one", "One", "a/b", "a.b", "-a", "a" * 65])
def test_a_name_is_never_a_path(name: str, home: Path) -> None:
    (home / "one.safetensors").write_bytes(pack(TENSORS, Note(name="one", text="outside")))
    for ask in (NOTES.find_file, NOTES.read_card, NOTES.encode, NOTES.delete, NOTES.check_name):
        with pytest.raises(ModelError, match="named plainly"):
            ask(name)
