"""`show` with many pictures: one after the other, what cannot be read left out, folders, and where results go."""

import json
import os
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.commands.show import list_pictures
from explain.engine.engine import Engine
from explain.errors import DeviceError, ExplainError
from explain.pictures import decode as decoding

Run = Callable[[str], tuple[int, str, str]]

BROKEN = b"\xff\xd8\xff broken"


def paint(path: Path, seed: int, size: tuple[int, int] = (40, 50)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path, "PNG")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three pictures."""
    for number in range(3):
        paint(tmp_path / "photos" / f"{number}.png", number)
    return tmp_path / "photos"


def read_manifest(out: Path) -> dict[str, list[dict[str, str]]]:
    return json.loads((out / "manifest.json").read_text())


def test_one_that_cannot_be_read_is_named_and_left_out(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "1b.jpg").write_bytes(BROKEN)
    out = tmp_path / "out"
    named = [photos / "0.png", photos / "1b.jpg", photos / "gone.png", photos / "2.png"]
    status, printed, error = run(f"show {' '.join(map(str, named))} --out {out} --methods grad-cam,eigen-cam")
    assert status == 1
    assert "left out: “1b.jpg”" in error and "gone.png cannot be read" in error
    assert "2 of 4 pictures left out" in error
    assert "0.png" in printed and "2.png" in printed and "Traceback" not in error
    assert [entry["name"] for entry in read_manifest(out)["pictures"]] == ["0.png", "2.png"]
    assert len([path for path in out.glob("*.png") if path.name != "figure.png"]) == 4
    assert run(f"replay {out / 'manifest.json'}")[0] == 0


def test_where_none_can_be_read_it_is_refused(run: Run, tmp_path: Path) -> None:
    bad = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in bad:
        path.write_bytes(BROKEN)
    status, _, error = run(f"show {bad[0]} {bad[1]} --out {tmp_path / 'out'}")
    assert status == 2 and "None of the 2 files" in error and "“a.jpg”" in error
    assert not (tmp_path / "out").exists()


def test_a_folder_is_all_the_pictures_in_it(run: Run, photos: Path, tmp_path: Path) -> None:
    paint(photos / "deeper" / "4.png", 4)
    paint(photos / ".hidden.png", 5)
    (photos / "notes.txt").write_text("no picture, and nobody said it was")
    paint(photos / "scan", 6)  # without an extension, as DICOM files are
    status, _, error = run(f"show {photos} --out {photos / 'out'} --methods eigen-cam")
    assert status == 0, error
    names = [entry["name"] for entry in read_manifest(photos / "out")["pictures"]]
    assert names == ["0.png", "1.png", "2.png", "4.png", "scan"]
    assert "notes.txt" not in error
    # Once more: what the first run wrote there is not explained.
    run(f"show {photos} --out {photos / 'out'} --methods eigen-cam")
    assert [entry["name"] for entry in read_manifest(photos / "out")["pictures"]] == names
    assert run(f"replay {photos / 'out' / 'manifest.json'}")[0] == 0


def test_an_empty_folder_is_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, _, error = run(f"show {tmp_path / 'empty'} --out {tmp_path / 'out'}")
    assert status == 2 and "holds no pictures" in error


def test_home_is_known(run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    status, _, error = run("show '~/photos/0.png' '~/photos' --out '~/out' --methods eigen-cam")
    assert status == 0, error
    assert (tmp_path / "out" / "manifest.json").is_file() and not Path("~").exists()
    assert len(read_manifest(tmp_path / "out")["pictures"]) == 4
    assert [file.path for file in list_pictures([Path("~/photos/0.png")], tmp_path)] == [photos / "0.png"]


@pytest.mark.parametrize(
    "command", ["show {cat}", "traits {cat}", "surgery {cat} --box 1,1,9,9", "gallery {folder} --class cat"]
)
@pytest.mark.parametrize("kind", ["a file", "below a file", "proc"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_work(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, kind: str
) -> None:
    (tmp_path / "taken").write_text("a file")
    out = {"a file": tmp_path / "taken", "below a file": tmp_path / "taken" / "out", "proc": Path("/proc/results")}[
        kind
    ]
    if kind == "proc" and not Path("/proc").is_dir():
        pytest.skip("needs Linux's /proc")

    def work(*_: object, **__: object) -> None:
        raise AssertionError("worked for nothing")

    monkeypatch.setattr(Engine, "load", work)
    status, _, error = run(f"{command.format(cat=photos / '0.png', folder=photos)} --out {out}")
    assert status == 2
    assert f"Nothing can be written to {out}" in error and "Traceback" not in error


def test_a_folder_that_is_checked_is_not_left_behind(run: Run, photos: Path, tmp_path: Path) -> None:
    status, _, _ = run(f"show {photos / '0.png'} --out {tmp_path / 'new' / 'out'} --methods score-kam")
    assert status == 2 and not (tmp_path / "new").exists()


def test_a_disk_that_is_full_is_a_sentence(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("explain.report.export.encode_png", refuse)
    status, _, error = run(f"show {photos} --out {tmp_path / 'out'} --methods eigen-cam")
    assert status == 2 and "No space left on device" in error and "Traceback" not in error


def test_pictures_are_let_go_one_after_the_other(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, none is held while the next is read."""
    for number in range(21):
        paint(photos / f"{number}.png", number, size=(600, 500))
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0
    real = decoding.decode

    def decode(data: bytes, name: str, white: int | None) -> object:
        nonlocal most
        most = max(most, sum(ref() is not None for ref in alive))
        picture = real(data, name, white)
        alive.append(weakref.ref(picture.pixels))
        return picture

    monkeypatch.setattr("explain.commands.show.decode", decode)
    status, _, error = run(f"show {photos} --out {tmp_path / 'out'} --methods eigen-cam --augmentation flip")
    assert status == 0, error
    assert len(alive) == 21 and most == 0
    # The figure goes on in a second one.
    assert {path.name for path in (tmp_path / "out").glob("figure*")} == {"figure.png", "figure-2.png"}
    assert len(read_manifest(tmp_path / "out")["maps"]) == 21


def test_what_was_done_is_whole_when_it_ends_early(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = Engine.explain, 0

    def explain(*args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        if count == 3:
            raise DeviceError("The memory of the device is too small for this.")
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "explain", explain)
    status, _, error = run(f"show {photos} --out {tmp_path / 'out'} --methods eigen-cam")
    assert status == 2 and "too small" in error
    assert [entry["name"] for entry in read_manifest(tmp_path / "out")["pictures"]] == ["0.png", "1.png"]
    monkeypatch.undo()
    assert run(f"replay {tmp_path / 'out' / 'manifest.json'}")[0] == 0


def test_one_that_fails_beside_others_costs_only_itself(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several go through the network at once on a GPU: each is then asked about alone."""
    monkeypatch.setattr(Engine, "batch", property(lambda _self: 3))
    real = Engine.explain

    def explain(self: Engine, pictures: list[object], **kwargs: object) -> object:
        for picture in pictures:
            if picture.name == "1.png":  # type: ignore[attr-defined]
                raise RuntimeError("the inside of it")
        return real(self, pictures, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "explain", explain)
    status, _, error = run(f"show {photos} --out {tmp_path / 'out'} --methods eigen-cam")
    assert status == 1 and "left out: “1.png” could not be explained" in error and "Traceback" not in error
    assert [entry["name"] for entry in read_manifest(tmp_path / "out")["pictures"]] == ["0.png", "2.png"]


def test_what_nobody_expected_is_a_sentence_and_the_log_has_the_story(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr("explain.commands.show.build_question", fail)
    line = f"show {photos} --out {tmp_path / 'out'} --methods eigen-cam"
    status, _, error = run(line)
    assert status == 1 and "did not expect: KeyError: 'inside'" in error and "Traceback" not in error
    monkeypatch.setenv("CAMSCOPE_LOG", str(tmp_path / "log.txt"))
    assert run(line)[0] == 1
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    monkeypatch.setenv("CAMSCOPE_LOG", os.path.join(tmp_path, "gone", "log.txt"))
    status, _, error = run(line)
    assert status == 2 and "CAMSCOPE_LOG" in error


def test_files_larger_than_any_picture_are_not_read(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.commands.show.MAX_BYTES", 10)
    status, _, error = run(f"show {paint(tmp_path / 'a.png', 0)} --out {tmp_path / 'out'}")
    assert status == 2 and "larger than" in error


def test_results_inside_a_folder_are_told_from_pictures(photos: Path) -> None:
    paint(photos / "out" / "01-a.png", 7)
    files = list_pictures([photos], photos / "out")
    assert [file.path.name for file in files] == ["0.png", "1.png", "2.png"]
    with pytest.raises(ExplainError, match="holds no pictures"):
        list_pictures([photos / "out"], photos / "out")
