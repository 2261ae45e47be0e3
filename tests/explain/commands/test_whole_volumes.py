"""`show` with a model that reads volumes: a series in, maps with their places out; and what it refuses."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from explain.bundled.phantoms.draw import Phantom, draw_phantom
from explain.bundled.phantoms.files import encode_nifti, encode_series
from explain.bundled.phantoms.kinds import KINDS
from explain.commands.show import replay, show
from explain.commands.whole_volumes import TABLE
from explain.engine.engine import Engine
from explain.errors import ExplainError
from explain.faithfulness.verdict import SIGNS
from explain.report.manifest import VOLUME_MAPS
from explain.volumes.from_array import build_volume
from explain.volumes.reading import read_volumes


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(KINDS[2].name, 31)


@pytest.mark.parametrize("kind", ["nifti", "folder"])
def test_a_series_is_explained_whole(
    kind: str, phantom: Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ("phantom.nii.gz" if kind == "nifti" else "phantom")
    if kind == "nifti":
        file.write_bytes(encode_nifti(phantom))
    else:
        zipfile.ZipFile(io.BytesIO(encode_series(phantom))).extractall(file)
    out = tmp_path / "out"
    page = tmp_path / "page.html"
    show(
        [file], out, model="phantom-3d", methods="grad-cam,eigen-cam,legrad", target=["2"], report=page, export="nifti"
    )
    said = capsys.readouterr().out
    assert (
        f"explained: {KINDS[2].name}" in said
        and "highest at slice" in said
        and "mm left" in said.replace("right", "left")
    )
    assert "LeGrad" in said and "this model reads volumes" in said and "Not for diagnostic use" in said
    table = json.loads((out / TABLE).read_text())
    assert table["maps"][0]["shape"] == [8, 8, 8] and table["preprocessing"]["spacing"] == [2.5, 1.5, 1.5]
    with np.load(out / VOLUME_MAPS) as maps:
        values, affine = maps["eigen-cam/coarse/2"], maps["eigen-cam/coarse/2/affine"]
    # It lies where the map of the same numbers does that were never in a file.
    laid = np.eye(4)
    laid[:3, :3] = np.diag((2.5, 1.5, 1.5))[::-1]
    laid[:3, 3] = (-48, -48, -40)
    plain = Engine(device="cpu").explain_volume(build_volume(phantom.values, laid), "phantom-3d", "eigen-cam", target=2)
    place = affine @ (*np.unravel_index(values.argmax(), values.shape), 1)
    assert np.allclose(place[:3], plain.maps[0].peak or (), atol=1e-6)
    assert float(values.max()) == pytest.approx(float(plain.maps[0].values.max()), rel=1e-3)
    assert "Not for diagnostic use" in page.read_text()
    assert len([*out.glob("*.nii.gz")]) == 2, "a map of each method"
    drawn = {path.name.split("-")[-2] for path in out.glob("eigen-cam*.png")}
    assert {"axial", "coronal", "sagittal"} <= drawn
    assert str(tmp_path) not in (out / TABLE).read_text() + (out / "manifest.json").read_text()
    replay(out / "manifest.json", [file])
    assert "2 of 2 maps are the same, bit for bit." in capsys.readouterr().out


def test_a_volume_is_judged_and_its_masks_are_written(
    phantom: Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explain.engine.strangers.FEWEST_OTHERS", 2)  # drawing them takes longest
    file = tmp_path / "phantom.nii.gz"
    file.write_bytes(encode_nifti(phantom))
    out = tmp_path / "out"
    page = tmp_path / "page.html"
    show(
        [file],
        out,
        model="phantom-3d",
        methods="grad-cam",
        target=["2"],
        mask=["share=0.5"],
        verdicts=True,
        report=page,
    )
    said = capsys.readouterr().out
    (entry,) = json.loads((out / "manifest.json").read_text())["maps"]
    (mark, *_) = entry["verdict"]["marks"]
    assert f"{SIGNS[mark['word']]} {mark['word']}: {mark['sentence']}" in said and mark["sentence"] in page.read_text()
    mask = entry["volume_mask"]
    assert f"{mask['millimetres']:,.0f} mm³" in said and mask["settings"]["share"] == 0.5
    written = read_volumes([out / "volume-grad-cam-coarse-2.mask.nii.gz"]).series[0].open()
    assert written.stored.sum() * 2.5 * 1.5 * 1.5 == pytest.approx(mask["millimetres"])


@pytest.mark.slow
def test_a_whole_stack_is_the_cuts(phantom: Phantom, tmp_path: Path) -> None:
    file = tmp_path / "phantom.nii.gz"
    file.write_bytes(encode_nifti(phantom))
    out = tmp_path / "out"
    show([file], out, model="phantom-3d", methods="grad-cam", plane="axial", stack=True)
    assert len((out / "stack.csv").read_text().splitlines()) == 33


def test_what_a_volume_cannot_have_is_refused(phantom: Phantom, tmp_path: Path) -> None:
    file = tmp_path / "phantom.nii.gz"
    file.write_bytes(encode_nifti(phantom))
    with pytest.raises(ExplainError, match="A volume is explained as it is"):
        show([file], tmp_path / "out", model="phantom-3d", without=True)
    with pytest.raises(ExplainError, match="phantom-3d reads whole volumes: name a folder or zip"):
        picture = Path(__file__).parents[3] / "assets" / "pictures"
        show([next(picture.glob("*.jpg"))], tmp_path / "out", model="phantom-3d")
