"""Recipes: written and read back exactly, kept by digest, and never believed."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from explain.errors import ModelError
from explain.models.recipes import decode_recipe, encode_recipe, forget_recipe, recall_recipe, remember_recipe
from explain.models.request import build_file_request

DIGEST = "ab" * 32


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"architecture": "timm/resnet18", "input_size": 224, "mean": [0.5, 1e-05, 0.1 + 0.2], "flag": True},
        {"input_size": [256, 128], "label_names": ["a" * 150, "b"]},
        {
            "label_names": [
                '“quoted” "twice"',
                "back\\slash",
                "tab\tand\nline",
                "\x00\x1f\x7f",
                "日本 🐱",
                "# no comment",
            ]
        },
    ],
)
def test_what_is_written_is_read_back(fields: dict[str, Any]) -> None:
    data = encode_recipe(fields)
    assert decode_recipe(data) == fields == tomllib.loads(data.decode())
    assert decode_recipe(data.replace(b"\n", b"\r\n")) == fields


def test_what_is_assumed_is_written_but_not_said() -> None:
    data = encode_recipe({"architecture": "timm/resnet18"}, {"fit": "crop", "mean": [0.5]})
    assert decode_recipe(data) == {"architecture": "timm/resnet18"}
    assert b'# fit = "crop"' in data
    assert decode_recipe(data.replace(b"# fit", b"fit")) == {"architecture": "timm/resnet18", "fit": "crop"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe", "is no TOML"),
        (b"mean = [0.5", "is no TOML"),
        (b"[model]\nname = 1", "has a table “model”"),
        (b"a = " + b"[" * 5000, "is no TOML"),
    ],
)
def test_what_is_no_recipe_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        decode_recipe(data)


def test_a_recipe_is_kept_until_it_is_forgotten(home: Path) -> None:
    assert recall_recipe(DIGEST) is None and recall_recipe(None) is None
    assert remember_recipe(DIGEST, {"fit": "squash"})
    assert not remember_recipe(DIGEST, {"fit": "squash"}), "nothing new"
    assert recall_recipe(DIGEST) == {"fit": "squash"}
    assert [path.name for path in home.rglob("*.toml")] == [f"{DIGEST}.toml"]
    next(home.rglob("*.toml")).write_bytes(b"\x00")
    assert recall_recipe(DIGEST) is None, "damaged"
    assert forget_recipe(DIGEST) and not forget_recipe(DIGEST)
    assert not list(home.rglob("*.toml"))


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "AB" * 32, DIGEST + "\n"])
def test_a_digest_is_no_way_to_elsewhere(digest: str) -> None:
    with pytest.raises(ModelError):
        remember_recipe(digest, {})
    assert recall_recipe(digest) is None


def test_a_request_takes_a_recipe_and_what_is_given_goes_first() -> None:
    recipe = encode_recipe(
        {"architecture": "timm/resnet18", "labels": "imagenet", "input_size": [64, 64], "fit": "pad"}
    )
    request = build_file_request(b"x", "mine.pt", recipe=recipe, fit="squash", label_names=("a", "b"))
    assert (request.architecture, request.input_size, request.fit) == ("timm/resnet18", 64, "squash")
    assert request.labels is None and request.label_names == ("a", "b")
    assert decode_recipe(encode_recipe(request.recipe)) == request.recipe
    again = build_file_request(b"x", "mine.pt", recipe=encode_recipe(request.recipe))
    assert again == request
    for wrong, words in (("colour = 1", "A recipe has no “colour”"), ('fit = "stretch"', "The fit cannot be stretch")):
        with pytest.raises(ModelError, match=words):
            build_file_request(b"x", "mine.pt", recipe=wrong.encode())


def test_a_file_is_known_again_by_its_bytes() -> None:
    request = build_file_request(b"x", "mine.pt", architecture="timm/resnet18", fit="squash")
    assert request.digest is not None
    remember_recipe(request.digest, request.recipe)
    assert build_file_request(b"x", "mine.pt") == request
    assert build_file_request(b"y", "mine.pt").architecture is None
    assert build_file_request(b"x", "mine.pt", fit="pad").fit == "pad"
    named = build_file_request(b"x", "mine.pt", architecture="timm/resnet34")
    assert named.fit is None, "whoever names the architecture says all"


@pytest.mark.parametrize("names", [{"labels": "cifar10"}, {"label_names": ("a finding", "another, with a comma")}])
@pytest.mark.parametrize("outputs", ["findings", "classes"])
def test_names_and_what_the_numbers_mean_survive(names: dict[str, Any], outputs: Any) -> None:
    """Written down, remembered by the file's bytes, and with one of them said anew."""
    said: dict[str, Any] = {"architecture": "timm/resnet18", "outputs": outputs, **names}
    request = build_file_request(b"x", "mine.pt", **said)
    recipe = encode_recipe(request.recipe)
    again = build_file_request(b"another file", "other.pt", recipe=recipe)
    assert {name: getattr(again, name) for name in said} == said
    assert request.digest is not None
    remember_recipe(request.digest, request.recipe)
    known = build_file_request(b"x", "mine.pt")
    assert {name: getattr(known, name) for name in said} == said
    renamed = build_file_request(b"x", "mine.pt", label_names=("p", "q"))
    assert (renamed.labels, renamed.label_names, renamed.outputs) == (None, ("p", "q"), outputs)
    meant = build_file_request(b"x", "mine.pt", recipe=recipe, outputs="value")
    assert {name: getattr(meant, name) for name in said} == {**said, "outputs": "value"}
