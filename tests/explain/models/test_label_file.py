"""Label files as they lie about: read in the order of the classes, or refused in a sentence; never shifted."""

import json
from typing import Any

import pytest

from explain.errors import ModelError
from explain.models.label_file import order_names, read_labels
from explain.models.labels import tell_apart
from tests.support.checkpoints import open_file

FLOWERS = ("daisy", "dandelion", "rose", "tulip")
BY_NUMBER = {str(index): name for index, name in enumerate(FLOWERS)}
BY_NAME = {name: index for index, name in enumerate(FLOWERS)}
FOLDERS = sorted(str(number) for number in range(1, 13))
"""ImageFolder's order of folders that are called 1 … 12: 1, 10, 11, 12, 2, …"""


def encode(content: Any, **options: Any) -> bytes:
    return json.dumps(content, **options).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"daisy\ndandelion\n\nrose\ntulip\n",
        b"daisy\rdandelion\rrose\rtulip",
        b"label\ndaisy\ndandelion\nrose\ntulip\n",
        b"0 daisy\n1 dandelion\n2 rose\n3 tulip\n",
        b"1 daisy\n2 dandelion\n3 rose\n4 tulip\n",
        b"2 rose\n0 daisy\n3 tulip\n1 dandelion\n",
        b"0: daisy\n1: dandelion\n2: rose\n3: tulip\n",
        b"001.daisy\n002.dandelion\n003.rose\n004.tulip\n",
        b"0,daisy\n1,dandelion\n2,rose\n3,tulip\n",
        b"rose,2\ndaisy,0\ntulip,3\ndandelion,1\n",
        b"name,id\nrose,2\ndaisy,0\ntulip,3\ndandelion,1\n",
        b"class,label\nrose,2\ndaisy,0\ntulip,3\ndandelion,1\n",
        b"index,name,latin\n0,daisy,Bellis\n1,dandelion,Taraxacum\n2,rose,Rosa\n3,tulip,Tulipa\n",
        b"0\tdaisy\n1\tdandelion\n2\trose\n3\ttulip\n",
        b"0;daisy\n1;dandelion\n2;rose\n3;tulip\n",
        b"names:\n  0: daisy\n  1: dandelion\n  2: rose\n  3: tulip\n",
        b"names:\n- daisy\n- dandelion\n- rose\n- tulip\n",
        b"path: ../data\ntrain: train\nnc: 4\nnames: ['daisy', 'dandelion', 'rose', 'tulip']\n",
        b"# flowers\npath: ../x # root\nnames:\n  0: daisy\n  1: dandelion\n  2: rose\n  3: tulip\ndownload: no\n",
        b'lr = 1\nclass_names = ["daisy", "dandelion", "rose", "tulip"]\n',
        b"rose 2\ndaisy 0\ntulip 3\ndandelion 1\n",
        b"rose=2\ndaisy=0\ntulip=3\ndandelion=1\n",
        b"0 - daisy\n1 - dandelion\n2 - rose\n3 - tulip\n",
        b"(2) rose\n(0) daisy\n(3) tulip\n(1) dandelion\n",
        b'"daisy",\n"dandelion",\n"rose",\n"tulip"\n',
        b"n01 daisy\n".replace(b"n01 ", b"n00000001 ") + b"n00000002 dandelion\nn00000003 rose\nn00000004 tulip\n",
        encode(BY_NUMBER),
        encode(BY_NUMBER, indent=4),
        encode(dict(reversed(BY_NUMBER.items()))),
        encode(BY_NAME),
        encode(list(FLOWERS), indent=1),
        encode({"model_type": "vit", "id2label": BY_NUMBER, "label2id": BY_NAME}),
        encode({"architecture": "resnet18", "label_names": list(FLOWERS)}),
        encode({str(index): [f"n0000000{index}", name] for index, name in enumerate(FLOWERS)}),
        encode({"categories": [{"id": index + 1, "name": name} for index, name in enumerate(FLOWERS)]}),
        repr(dict(enumerate(FLOWERS))).encode(),
        repr(list(FLOWERS)).encode(),
        "\n".join(FLOWERS).encode("utf-8-sig"),
        "\n".join(FLOWERS).encode("utf-16"),
        "\n".join(FLOWERS).encode("utf-16-le"),
        "\n".join(FLOWERS).encode("utf-16-be"),
    ],
)
def test_all_forms_say_the_same(data: bytes) -> None:
    assert read_labels(data) == FLOWERS


def test_a_table_of_pictures_is_no_list_of_classes() -> None:
    with pytest.raises(ModelError, match="lists pictures, not classes"):
        read_labels(b"filename,label\na.jpg,rose\nb.jpg,daisy\n")


def test_names_stay_names() -> None:
    """Commas, numbers and signs that belong to a name are left there, and nothing is put into another order."""
    for names in (
        ("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark"),
        ("tench, Tinca tinca", "goldfish, Carassius auratus"),
        tuple(FOLDERS),
        ("1 star", "2 stars", "3 stars"),
        ("1 cent", "2 cent", "5 cent"),
        ("grade 0", "grade 1", "grade 2"),
        ("Boeing 737", "Boeing 747"),
        ("cat 1", "dog"),
        ("cat [wild]", "dog {tame}"),
        ("no label",),
    ):
        assert read_labels("\n".join(names).encode()) == names
        assert read_labels(encode(list(names))) == names
    assert read_labels(encode({name: index for index, name in enumerate(FOLDERS)})) == tuple(FOLDERS)
    assert read_labels(b"{0: 'tench, Tinca tinca',\n 1: \"grandfather's clock\", 2: 'it\\'s'}")[1:] == (
        "grandfather's clock",
        "it's",
    )
    assert read_labels("Gänseblümchen\nLöwenzahn\n".encode("cp1252")) == ("Gänseblümchen", "Löwenzahn")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"0 daisy\n2 rose\n3 tulip\n", "not from 0 without a gap: there are 3, numbered from 0 to 3"),
        (b"0,daisy\n0,rose\n", "0 comes twice"),
        (encode({str(number): f"flower {number}" for number in range(1, 103)}), "1, 10, 100 …"),
        ("\n".join(f"{number} thing {number}" for number in FOLDERS).encode(), "1, 10, 11 …"),
        (encode({"0": "1", "1": "0"}), "numbers on both sides"),
        (encode({"daisy": "Bellis"}), "neither its keys nor its values"),
        (b'{"0": "a", "0": "b"}', "“0” twice"),
        (b"{0: 'a', 0: 'b'}", "twice or not at all"),
        (b'{"0": "a", ', "neither JSON nor names"),
        (b"item {\n id: 1\n name: 'x'\n}\n", "neither JSON nor names"),
        (b"[" * 100_000, "neither JSON nor names"),
        (encode([1.5]), "no class name"),
        (encode([{"id": 0}]), "no class name"),
        (encode({"id2label": []}), "no plain class names"),
        (b"daisy\tBellis\nrose\tRosa\n", "none of which holds the numbers"),
        (b"a,b,label,name\n1,2,x,y\n", "several columns"),
        (b"id,index,name\n0,1,a\n1,0,b\n", "several columns of numbers"),
        (b"label\n", None),
        ("雏菊\n玫瑰\n".encode("gbk"), "UTF-8"),
        ("犬\nバラ\n".encode("shift-jis"), "UTF-8"),
    ],
)
def test_what_says_no_order_is_refused(data: bytes, words: str | None) -> None:
    if words is None:
        assert read_labels(data) == ("label",), "a lone word is a name, not a heading"
        return
    with pytest.raises(ModelError, match=words):
        read_labels(data)


def test_numbers_from_one_are_the_order_where_no_folder_could_be_meant() -> None:
    assert order_names({"2": "b", "1": "a", "3": "c"}) == ("a", "b", "c")
    in_order = {str(number): f"flower {number}" for number in range(12)}
    assert order_names(in_order) == tuple(in_order.values()), "from 0, ten and more are no folders' names"


def test_names_given_twice_are_kept_apart() -> None:
    from explain.models.architectures import build_architecture, parse_architecture

    assert tell_apart(("rose", "tulip", "rose")) == ("rose (class 0)", "tulip", "rose (class 2)")
    weights = build_architecture(parse_architecture("torchvision/squeezenet1_1"), 3, 3, None).state_dict()
    model = open_file(weights, "torchvision/squeezenet1_1", label_file=b"rose\ntulip\nrose\n")
    assert model.labels == ("rose (class 0)", "tulip", "rose (class 2)")
    assert any("several classes the same name (rose)" in note for note in model.notes)
    with pytest.raises(ModelError, match=r"4 names, but the model has 3 classes.*If “flowers” is a heading"):
        open_file(weights, "torchvision/squeezenet1_1", label_file=b"flowers\na\nb\nc\n")
