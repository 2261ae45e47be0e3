"""What is asked for: names of models, and that a request belongs to its bytes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from explain.errors import ModelError
from explain.models.load import load_model
from explain.models.request import ModelRequest, build_file_request, name_model, parse_model
from tests.support.checkpoints import save

ROOT = Path(__file__).resolve().parents[3]


def test_listing_models_needs_no_torch() -> None:
    code = (
        "import sys; from explain.models import load, request; request.parse_model('x'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr


def test_names() -> None:
    assert parse_model("photo-cnn") == ModelRequest(source="bundled", name="photo-cnn")
    for text in ("hub:resnet18.a1_in1k", "resnet18.a1_in1k", " timm/resnet18.a1_in1k ", "hf-hub:timm/resnet18.a1_in1k"):
        assert parse_model(text) == ModelRequest(source="hub", name="resnet18.a1_in1k"), text
    assert parse_model("file:/some/where/mine.pt") == ModelRequest(source="file", name="mine.pt")
    for text in ("", "  ", "hub:", "file:", "x" * 300):
        with pytest.raises(ModelError, match="Name a model"):
            parse_model(text)
    request = ModelRequest(source="hub", name="resnet18.a1_in1k", mean=(0.5,), label_names=("a", "b"))
    assert ModelRequest.model_validate_json(request.model_dump_json()) == request and hash(request)


def test_a_model_is_named_by_a_word_a_path_or_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(b"x")
    request = build_file_request(b"x", "mine.pt", outputs="value")
    for named in (path, f"file:{path}", f" file:{path}"):
        assert name_model(named, outputs="value") == (request, b"x"), named
    assert name_model("photo-cnn", outputs="value") == (parse_model("photo-cnn"), None)
    assert name_model(request, b"x") == (request, b"x")
    assert name_model(1.5) == (1.5, None)
    with pytest.raises(ModelError, match=r"none\.pt"):
        name_model(tmp_path / "none.pt")


def test_a_request_belongs_to_its_bytes() -> None:
    data = save({"a": torch.ones(1)})
    request = build_file_request(data, "mine.pt", architecture="timm/resnet18")
    assert request.digest == hashlib.sha256(data).hexdigest()
    with pytest.raises(ModelError, match="its bytes differ"):
        load_model(request, data + b"x")
    with pytest.raises(ModelError, match=r"bytes of “mine\.pt” are missing"):
        load_model(request)
    with pytest.raises(ModelError, match="lacks the file's digest"):
        load_model(ModelRequest(source="file", name="mine.pt", architecture="timm/resnet18"), data)
