"""`train-attention`: a flat folder of pictures becomes a method's maps, and its report says what they are worth."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from explain.methods.rise import RiseSettings
from explain.models.attention_library import list_attention
from tests.support.attention import make_pictures

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("explain.training.attention_judging._RISE", RiseSettings(masks=20))
    path = tmp_path / "pictures"
    path.mkdir()
    for number, example in enumerate(make_pictures(14, 0).examples):
        (path / f"{number}.png").write_bytes(example.data)
    return path


def test_a_flat_folder_becomes_maps(run: Run, folder: Path, tmp_path: Path) -> None:
    asked = f"train-attention {folder} --out mine --model photo-cnn --epochs 1 --judged 1 --batch 8"
    status, printed, error = run(asked)
    assert status == 0, error
    assert "epoch 1/1: loss" in error and "Judging it on picture 1 of 1" in error
    for said in ("T-TAME", "Grad-CAM", "Layer-CAM", "RISE", "Centre", "it was never asked what the first one used"):
        assert said in printed
    assert "--set t-tame.module=mine" in printed
    (card,) = [one for one in list_attention() if one.name == "mine"]
    assert card.layers == ("stages.0", "stages.1.0", "stages.1") and card.pictures == 10 and len(card.classes) == 10
    status, printed, error = run(
        f"show {folder / '0.png'} --model photo-cnn --methods t-tame --set t-tame.module=mine --out {tmp_path / 'out'}"
    )
    assert status == 0, error
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (entry,) = manifest["maps"]
    assert entry["method"] == "t-tame" and entry["settings"] == {"module": "mine"}
    status, printed, error = run(f"{asked} --json")
    assert json.loads(printed)["name"] == "mine-2"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--judged 0", "Judged on cannot be 0"),
        ("--layers nowhere", "nowhere"),
        ("--preset mine", "There is: published"),
        ("--resume", "no unfinished training"),
        ("--model phantom-3d", "reads volumes"),
    ],
)
def test_what_cannot_be_is_a_sentence(flags: str, said: str, run: Run, folder: Path) -> None:
    status, _, error = run(f"train-attention {folder} --out mine --model photo-cnn {flags}")
    assert status == 2 and said in error and "Traceback" not in error


def test_one_picture_is_too_few(run: Run, folder: Path) -> None:
    for path in [*folder.iterdir()][1:]:
        path.unlink()
    status, _, error = run(f"train-attention {folder} --out mine --model photo-cnn")
    assert status == 2 and "one picture only" in error
    for path in folder.iterdir():
        path.unlink()
    status, _, error = run(f"train-attention {folder} --out mine --model photo-cnn")
    assert status == 2 and "holds no pictures" in error


def start(asked: str) -> subprocess.Popen[str]:
    """A command in a process of its own, which computes in one thread: more of them round in another order."""
    return subprocess.Popen(
        [sys.executable, "-m", "explain", *asked.split()],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_one_that_is_killed_goes_on_and_ends_the_same_to_the_bit(folder: Path) -> None:
    asked = f"train-attention {folder} --model photo-cnn --epochs 12 --judged 1 --batch 8 --out"
    killed = start(f"{asked} killed")
    assert killed.stderr is not None
    while "epoch 3/12" not in (line := killed.stderr.readline()):
        assert line, "it ended before it was killed"
    killed.kill()
    assert killed.wait() == -signal.SIGKILL and not any(card.name == "killed" for card in list_attention())
    again, whole = start(f"{asked} killed --resume"), start(f"{asked} whole")
    told = again.communicate()[1]
    whole.communicate()
    assert (again.returncode, whole.returncode) == (0, 0) and "epoch 12/12" in told
    assert len({card.digest for card in list_attention() if card.name in ("killed", "whole")}) == 1
    assert {card.name for card in list_attention()} >= {"killed", "whole"}
