"""Names of classes: what it takes to know them."""

import subprocess
import sys
from pathlib import Path

import pytest

from explain.bundled.class_names import CLASSES
from explain.errors import ModelError
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.label_file import read_labels
from explain.models.labels import known_labels, shorten_descriptions
from tests.support.checkpoints import open_file

ROOT = Path(__file__).resolve().parents[3]


def test_the_names_of_cifar10_load_neither_torch_nor_what_made_the_models() -> None:
    code = (
        "import sys; from explain.models.labels import known_labels; print(*known_labels('cifar10')); "
        "print([n for n in sys.modules if n.startswith(('torch', 'timm', 'explain.bundled.making'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    names, loaded = done.stdout.splitlines()
    assert tuple(names.split()) == CLASSES == known_labels("cifar10")
    assert loaded == "[]"


def test_labels_of_files() -> None:
    weights = build_architecture(parse_architecture("torchvision/squeezenet1_1"), 3, 3, None).state_dict()
    model = open_file(weights, "torchvision/squeezenet1_1", label_file="\ufeffOne\n zwölf \n\nthree\n".encode())
    assert model.labels == ("One", "zwölf", "three")
    assert [note for note in model.notes if "assumed" not in note and "ReLU" not in note] == []
    with pytest.raises(ModelError, match="2 names, but the model has 3 classes"):
        open_file(weights, "torchvision/squeezenet1_1", label_file=b"a\nb")
    with pytest.raises(ModelError, match="imagenet has 1,000 names, but the model has 3"):
        open_file(weights, "torchvision/squeezenet1_1", labels="imagenet")
    with pytest.raises(ModelError, match="no known label set “pets”"):
        open_file(weights, "torchvision/squeezenet1_1", labels="pets")


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "no plain class"), (b"\xff\xfe\x00", "UTF-8"), (b"a\x00b", "no plain"), (b"x" * 300, "200 characters")],
)
def test_bad_label_files(data: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_labels(data)


def test_class_names_are_short_and_differ() -> None:
    texts = ["tench, Tinca tinca", "crane", "crane", "cardigan", "Cardigan, Welsh corgi"]
    short = shorten_descriptions(texts, ["n1", "n2", "n3", "n4", "n5"])
    assert short == ("tench", "crane (n2)", "crane (n3)", "cardigan (n4)", "Cardigan, Welsh corgi")
    labels = known_labels("imagenet")
    assert len({label.casefold() for label in labels}) == 1000 and labels[281] == "tabby"
    assert known_labels("cifar10") == CLASSES
