"""How a network was trained, said on the command line: every flag does what the same field does from Python."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explain.engine.engine import Engine
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.request import build_file_request

Run = Callable[[str], tuple[int, str, str]]
ARCHITECTURE = "timm/resnet10t"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "mine.pth"
    torch.save(build_architecture(parse_architecture(ARCHITECTURE), 3, 3, None).state_dict(), path)
    return path


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A picture three times as wide as high, with all that differs at its left."""
    pixels = np.full((60, 180, 3), 128, np.uint8)
    pixels[:, :60] = np.random.default_rng(0).integers(0, 256, (60, 60, 3))
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path)
    return path


def test_flags_are_the_fields_of_a_request(run: Run, weights: Path, wide: Path, tmp_path: Path) -> None:
    line = (
        f"show {wide} --model file:{weights} --arch {ARCHITECTURE} --methods grad-cam --input-size 96x160 "
        "--mean 127.5 --std 127.5"
    )
    for flags, fields in (
        ("--fit squash", {"fit": "squash"}),
        ("--fit pad --interpolation nearest", {"fit": "pad", "interpolation": "nearest"}),
        ("--resize-size 120x200 --global-pool max", {"resize_size": (120, 200), "global_pool": "max"}),
        ("--resize-size 180", {"resize_size": 180}),
    ):
        out = tmp_path / "-".join(fields)
        status, printed, error = run(f"{line} {flags} --out {out}")
        assert status == 0, error
        assert "divided by 255: 0.5, 0.5, 0.5" in printed
        data = weights.read_bytes()
        request = build_file_request(
            data,
            "mine.pth",
            architecture=ARCHITECTURE,
            input_size=(96, 160),
            mean=(127.5,),
            std=(127.5,),
            **fields,  # type: ignore[arg-type]
        )
        engine = Engine()
        model = engine.load(request, data)
        (alone,) = engine.explain(wide, model, ["grad-cam"]).pictures[0].maps
        with np.load(out / "maps.npz") as maps:
            (key,) = maps.files
            assert np.array_equal(maps[key], alone.values)
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["model"]["request"]["input_size"] == [96, 160]
        assert run(f"replay {out / 'manifest.json'}")[0] == 0


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ("--input-size 256y128", "The input size cannot be 256y128: write pixels as 224, or as height x width"),
        ("--input-size 4000", "a side has 8 to 2048 pixels"),
        ("--resize-size 20", "at least as large as the input"),
        ("--fit stretch", "Invalid value for '--fit'"),
        ("--channels 9", "The channels cannot be 9"),
        ("--mean 123,116,103 --std 0.2,0.2,0.2", "not in the same units"),
        ("--channels 4", "holds weights for 3 channels, not 4"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    run: Run, weights: Path, wide: Path, tmp_path: Path, flags: str, sentence: str
) -> None:
    status, _, error = run(f"show {wide} --out {tmp_path / 'out'} --model file:{weights} --arch {ARCHITECTURE} {flags}")
    assert status == 2 and sentence in error and "Traceback" not in error


def test_manifests_from_before_read_as_they_did() -> None:
    from explain.models.request import ModelRequest

    before = {
        "source": "file", "name": "mine.pt", "architecture": "timm/resnet18", "labels": None, "label_names": ["a", "b"],
        "input_size": 160, "mean": [0.5], "std": None, "channels": 3, "fit": "squash", "resize_size": None,
        "interpolation": None, "digest": "0" * 64,
    }  # fmt: skip
    request = ModelRequest.model_validate_json(json.dumps(before))
    assert request.input_size == 160 and request.global_pool is None
    assert {name: json.loads(request.model_dump_json())[name] for name in before} == before
