"""Files that are given at once: which is the checkpoint, and what the others say of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from explain.errors import ModelError
from explain.models.given_files import gather_files
from explain.models.request import build_file_request

ROOT = Path(__file__).resolve().parents[3]
CONFIG = {
    "model_type": "vit",
    "architectures": ["ViTForImageClassification"],
    "hidden_size": 192,
    "num_hidden_layers": 12,
    "num_attention_heads": 3,
    "intermediate_size": 768,
    "patch_size": 16,
    "image_size": 224,
    "id2label": {"0": "leaf", "1": "rust"},
}
PROCESSOR = {"image_mean": [0.1, 0.2, 0.3], "size": {"height": 224, "width": 224}, "do_resize": True}


def dump(content: object) -> bytes:
    return json.dumps(content).encode()


def test_a_folder_of_hugging_face() -> None:
    given = gather_files(
        [
            ("folder/config.json", dump(CONFIG)),
            ("folder/preprocessor_config.json", dump(PROCESSOR)),
            ("folder/trainer_state.json", b"{}"),
            ("folder/README.md", b"# A card"),
            ("folder/training_args.bin", b"PK"),
            ("folder/pytorch_model.bin", b"older"),
            ("folder/model.safetensors", b"weights"),
        ]
    )
    assert (given.name, given.data, given.notes) == ("model.safetensors", b"weights", ())
    assert given.known["architecture"] == "timm/vit_tiny_patch16_224"
    assert given.known["label_names"] == ("leaf", "rust") and given.known["mean"] == (0.1, 0.2, 0.3)
    assert given.known["fit"] == "squash"
    assert given.reasons["mean"] == "preprocessor_config.json says so (image_mean)"
    assert build_file_request(b"x", "m", **given.known).input_size == 224


def test_class_names_and_a_recipe_beside_the_weights() -> None:
    named = gather_files([("w.pth", b"w"), ("labels.txt", b"cat\ndog"), ("config.json", dump(CONFIG))])
    assert named.known["label_names"] == ("cat", "dog"), "a file of names goes before config.json"
    assert named.reasons["label_names"] == "they stand in labels.txt"
    told = gather_files([("w.pth", b"w"), ("labels.txt", b"cat\ndog"), ("w.toml", b'labels = "cifar10"\nfit = "pad"')])
    assert told.known == {"labels": "cifar10", "fit": "pad"} and told.reasons["fit"] == "w.toml says so"
    odd = gather_files([("w.pth", b"w"), ("notes.json", b'{"a": 5}')])
    assert odd.known == {} and "“notes.json” was left out" in odd.notes[0]


def test_one_file_is_taken_for_the_weights_whatever_it_is() -> None:
    assert gather_files([("labels.txt", b"cat")]).data == b"cat"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("config.json", b"{}"), ("labels.txt", b"a\nb")], "no weights in “config.json”, “labels.txt”"),
        ([("a.pth", b"a"), ("b.pth", b"b")], "several checkpoints here: “a.pth”, “b.pth”"),
        ([("a.pth", b"a"), ("x.txt", b"a\nb"), ("y.csv", b"a\nb")], "Several files hold class names"),
        ([("a.pth", b"a"), ("config.json", b"[" * 100_000)], "“config.json” is no JSON object"),
        ([("a.pth", b"a"), ("r.toml", b"fit = ")], "“r.toml” is no TOML"),
        ([("m-1-of-2.safetensors", b"a"), ("config.json", b"{}")], "part 2 is missing"),
    ],
)
def test_what_is_not_one_model_is_a_sentence(files: list[tuple[str, bytes]], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        gather_files(files)


def test_telling_them_apart_needs_no_torch() -> None:
    code = "import sys; import components.choices.file_review; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr
