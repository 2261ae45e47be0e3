"""The command line, run in this process through its own `main`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file

from explain.bundled.pictures import bundled_pictures
from explain.faithfulness.unlike import FEWEST, SENTENCE_OF_REFERENCES
from explain.methods import all_methods
from explain.models.load import load_model
from explain.models.prompt_library import PromptCard, save_prompts
from explain.models.request import parse_model
from tests.support.data_sets import draw, fill

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    skimage_data = pytest.importorskip("skimage.data")
    path = tmp_path / "chelsea.png"
    Image.fromarray(skimage_data.chelsea()).save(path)
    return path


def test_show_on_the_cnn_writes_three_maps_and_a_clear_word(run: Run, cat: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, printed, _ = run(f"show {cat} --model photo-cnn --out {out}")
    assert status == 0
    assert "Prompt-CAM   not available: Prompt-CAM needs a ViT with trained class prompts" in printed
    assert "--model photo-vit" in printed
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["pictures"][0]["predictions"][0]["label"] == "cat"
    assert [entry["method"] for entry in manifest["maps"]] == ["grad-cam", "eigen-cam", "cf-cam"]
    assert "prompt-cam" in manifest["pictures"][0]["unavailable"]
    with np.load(out / "maps.npz") as maps:
        assert set(maps.files) == {entry["key"] for entry in manifest["maps"]}
        assert all(maps[key].shape == (8, 8) and maps[key].dtype == np.float32 for key in maps.files)
    overlay = np.asarray(Image.open(out / "01-chelsea-grad-cam-stages.1-3.png"))
    assert overlay.shape == np.asarray(Image.open(cat)).shape
    assert (out / "figure.png").exists()


def test_verdicts_are_printed_kept_and_replayed(run: Run, tmp_path: Path) -> None:
    hens = next(picture.path for picture in bundled_pictures() if picture.name == "hens")
    status, printed, _ = run(f"show {hens} --model photo-cnn --methods grad-cam,eigen-cam --verdicts --out {tmp_path}")
    assert status == 0 and "same for other classes: The method does not ask for the class" in printed
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    first, second = (entry["verdict"]["marks"][0] for entry in manifest["maps"])
    assert first["measure"] == "hiding" and first["count"] in (62, 124) and -1 <= first["value"] <= 1
    assert second["word"] == "same for other classes"
    status, printed, _ = run(f"replay {path}")
    assert status == 0 and printed.count("the verdict is the same") == 2
    manifest["maps"][0]["verdict"]["marks"][0]["value"] += 0.001
    del manifest["maps"][1]["verdict"]["rules"]  # as it was before there were others
    path.write_text(json.dumps(manifest))
    status, printed, _ = run(f"replay {path}")
    assert status == 1 and "Grad-CAM: the verdict is another one now" in printed
    assert "Eigen-CAM: the verdict was found by older rules" in printed


def test_a_picture_unlike_the_references_is_said_to_be(run: Run, tmp_path: Path) -> None:
    hens = next(picture.path for picture in bundled_pictures() if picture.name == "hens")
    folder, asked = (
        tmp_path / "like",
        f"show {hens} --model photo-cnn --methods fem --out {tmp_path / 'out'} --references",
    )
    for path, data in fill("noise", count=FEWEST - 1):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "notes.txt").write_text("passed over")
    status, _, said = run(f"{asked} {folder}")
    assert status == 2 and f"{FEWEST - 1} reference pictures are too few" in said
    (folder / "one-more.png").write_bytes(draw(FEWEST))
    status, printed, _ = run(f"{asked} {folder}")
    assert status == 0 and SENTENCE_OF_REFERENCES in printed
    (entry,) = json.loads((tmp_path / "out" / "manifest.json").read_text())["pictures"]
    assert entry["caution"] == SENTENCE_OF_REFERENCES and entry["unlike"]["count"] == FEWEST
    assert entry["unlike"]["value"] > entry["unlike"]["bound"]
    status, _, said = run(f"{asked} {tmp_path / 'nowhere'}")
    assert status == 2 and "There is no folder" in said


def test_show_on_the_vit_writes_four_maps_and_sees_a_cat(run: Run, cat: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, _, _ = run(f"show {cat} --model photo-vit --out {out}")
    assert status == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["pictures"][0]["predictions"][0]["label"] == "cat"
    assert [entry["method"] for entry in manifest["maps"]] == list(all_methods())[:4]
    assert manifest["pictures"][0]["unavailable"] == {}


def test_replay_is_bit_for_bit_and_notices_a_changed_map(run: Run, cat: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(f"show {cat} --model photo-cnn --out {out} --set cf-cam.eps=2 --target dog --score probability")
    status, printed, _ = run(f"replay {out / 'manifest.json'}")
    assert status == 0
    assert "3 of 3 maps are the same, bit for bit." in printed

    with np.load(out / "maps.npz") as maps:
        changed = {key: maps[key].copy() for key in maps.files}
    grad_cam = changed["0/grad-cam/stages.1/5"]
    grad_cam[0, 0] = np.nextafter(grad_cam[0, 0], np.float32(np.inf))
    np.savez(out / "maps.npz", **changed)
    status, printed, _ = run(f"replay {out / 'manifest.json'}")
    assert status == 1
    assert "chelsea.png, Grad-CAM: differs by up to" in printed
    assert "2 of 3 maps are the same" in printed


def test_replay_knows_a_picture_by_its_bytes_not_its_name(run: Run, cat: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(f"show {cat} --out {out} --methods grad-cam")
    moved = tmp_path / "elsewhere" / "renamed.png"
    moved.parent.mkdir()
    cat.rename(moved)
    status, _, error = run(f"replay {out / 'manifest.json'}")
    assert status == 2
    assert "The picture chelsea.png was not found" in error
    status, _, _ = run(f"replay {out / 'manifest.json'} --pictures {moved.parent}")
    assert status == 0
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(cat)  # another picture under the old name
    status, _, error = run(f"replay {out / 'manifest.json'}")
    assert status == 2
    assert "is not what it was" in error


def test_bundled_pictures_replay_without_being_named(run: Run, tmp_path: Path) -> None:
    bundled = bundled_pictures()[0]
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(bundled.path.read_bytes())
    run(f"show {copy} --out {tmp_path / 'out'} --methods eigen-cam")
    copy.unlink()
    status, _, _ = run(f"replay {tmp_path / 'out' / 'manifest.json'}")
    assert status == 0


def test_a_patients_name_is_written_nowhere_unless_asked_for(run: Run, tmp_path: Path) -> None:
    scan = tmp_path / "in" / "DOE_JOHN.dcm"
    scan.parent.mkdir()
    scan.write_bytes(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes())
    out = tmp_path / "out"
    status, printed, _ = run(f"show {scan} --model photo-cnn --methods eigen-cam --out {out}")
    assert status == 0
    assert "DOE_JOHN.dcm, written as Picture 1 · 3dd31e: " in printed
    assert "Caution: photo-cnn knows everyday things, not CT slices." in printed
    assert "DOE" not in (out / "manifest.json").read_text() and not list(out.glob("*DOE*"))
    assert list(out.glob("01-Picture-1-3dd31e-eigen-cam-*.png"))
    status, _, error = run(f"replay {out / 'manifest.json'}")
    assert status == 2 and "The picture Picture 1 · 3dd31e was not found" in error
    status, _, _ = run(f"replay {out / 'manifest.json'} --pictures {scan.parent} --out {tmp_path / 'again'}")
    assert status == 0 and not list((tmp_path / "again").rglob("*DOE*"))
    run(f"show {scan} --model photo-cnn --methods eigen-cam --out {tmp_path / 'shown'} --names shown")
    assert json.loads((tmp_path / "shown" / "manifest.json").read_text())["pictures"][0]["name"] == "DOE_JOHN.dcm"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("show {cat} --out {out} --model no-such-model", "no-such-model"),
        ("show {cat} --out {out} --layer layer9", "layer9"),
        ("show {cat} --out {out} --target tomato", "no class “tomato”"),
        ("show {cat} --out {out} --target 1000", "There is no class 1000: this model knows classes 0 to 999."),
        ("show {cat} --out {out} --methods grad-cam,score-kam", "There is no method “score-kam”"),
        ("show {cat} --out {out} --set cf-cam.eps=900", "CF-CAM does not take eps = '900'"),
        ("show {cat} --out {out} --set cf-cam.epsilon=9", "CF-CAM does not take epsilon"),
        ("show {cat} --out {out} --set eps", "--set takes METHOD.SETTING=VALUE"),
        ("show {cat} --out {out} --preset cf-cam=best", "no preset “best”"),
        ("show {cat} --out {out} --view opacity=7", "--view does not take opacity=7"),
        ("show {cat} --out {out} --score rank", "Invalid value for '--score'"),
        ("show {cat} --out {out} --mean 0.5,0.5,0.5", "only applies to --model file:PATH"),
        ("show {cat}.gone --out {out}", "No such file"),
        ("show {cat} --out {out} --model file:{cat}.gone --arch timm/resnet18", "No such file"),
        ("show {cat} --out {out} --model file:{cat} --arch timm/resnet18 --mean a", "--mean takes numbers"),
        ("replay {cat}", "This is no manifest"),
        ("layers no-such-model", "no-such-model"),
        ("show {cat} --out {out} --model prompts:nobodys", "There are no prompts “nobodys” on this computer"),
        ("show {cat} --out {out} --model prompts:../../x", "Prompts are named with lower-case letters"),
        ("show {cat} --out {out} --model prompts:x --labels cifar10", "prompts:x knows its own"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, cat: Path, tmp_path: Path, line: str, sentence: str) -> None:
    status, _, error = run(line.format(cat=cat, out=tmp_path / "out"))
    assert status == 2
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PromptCard:
    """Prompts called `birds` in a library of its own."""
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "kept"))
    backbone = load_model(parse_model("photo-vit"))
    card = PromptCard(
        name="birds",
        classes=("robin", "wren", "crow"),
        backbone=backbone.request,
        backbone_fingerprint=backbone.fingerprint,
        variant="deep",
        recipe={},
        accuracy=75,
        class_accuracy=(50, 75, 100),
        pictures=30,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return save_birds(card, seed=0)


def save_birds(card: PromptCard, seed: int) -> PromptCard:
    torch.manual_seed(seed)
    tensors = {"prompts": torch.randn(6, 3, 128), "score.weight": torch.randn(1, 128), "score.bias": torch.zeros(1)}
    return save_prompts("birds", tensors, card, overwrite=True)


def test_trained_prompts_are_shown_listed_and_replayed(run: Run, cat: Path, tmp_path: Path, birds: PromptCard) -> None:
    _, printed, _ = run("models")
    assert "prompts:birds  3 classes on photo-vit (deep), right on 75.0 % of the pictures" in printed
    _, printed, _ = run("models --json")
    assert [PromptCard.model_validate(entry) for entry in json.loads(printed)["prompts"]] == [birds]
    _, printed, _ = run("layers prompts:birds")
    assert "(default)" in printed
    out = tmp_path / "out"
    status, printed, _ = run(
        f"show {cat} --out {out} --model prompts:birds --methods prompt-cam,grad-cam --target wren"
    )
    assert status == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["model"]["request"]["digest"] == birds.digest
    assert {entry["label"] for entry in manifest["maps"]} == {"wren"}
    status, printed, _ = run(f"replay {out / 'manifest.json'}")
    assert status == 0 and "2 of 2 maps are the same" in printed
    save_birds(birds, seed=1)
    status, _, error = run(f"replay {out / 'manifest.json'}")
    assert status == 2 and "“birds” were trained anew" in error


def test_settings_reach_the_manifest(run: Run, cat: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(f"show {cat} --out {out} --methods cf-cam --preset cf-cam=published --set cf-cam.sigma=2")
    entry = json.loads((out / "manifest.json").read_text())["maps"][0]
    published = all_methods()["cf-cam"].presets["published"].model_dump(mode="json")
    assert entry["settings"] == {**published, "sigma": 2.0}


def test_masks_are_written_printed_and_told(run: Run, tmp_path: Path) -> None:
    hens = next(picture.path for picture in bundled_pictures() if picture.name == "hens")
    asked = f"show {hens} --model photo-cnn --methods grad-cam,eigen-cam --out {tmp_path}"
    status, printed, _ = run(f"{asked} --mask share=0.4 --mask pieces=largest")
    assert status == 0 and printed.count("High in ") == 2 and "  The model says “" in printed
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["pictures"][0]["sentence"]["text"] in printed
    (mask, other) = (entry["mask"] for entry in manifest["maps"])
    assert mask["settings"] == {"threshold": "fixed", "share": 0.4, "pieces": "largest", "edges": False}
    pixels = np.asarray(Image.open(next(tmp_path.glob("*grad-cam*.mask.png"))))
    assert set(np.unique(pixels)) == {0, 255} and (pixels > 0).mean() == pytest.approx(mask["area"], abs=0.002)
    assert [*mask["others"].values()] == [*other["others"].values()]
    for wrong in ("share=2", "sharp=1", "threshold=high"):
        status, _, said = run(f"{asked} --mask {wrong}")
        assert status == 2 and said.startswith("--mask does not take ") and "threshold, share, pieces, edges" in said


def test_what_happens_without_the_place_is_in_the_sentence(run: Run, tmp_path: Path) -> None:
    bird = next(picture.path for picture in bundled_pictures() if picture.name == "barred-tit")
    asked = f"show {bird} --model birds-cnn --methods grad-cam --out {tmp_path} --without"
    status, printed, _ = run(f"{asked} --mask share=0.5")
    assert status == 0 and "Painted over, “barred tit” is left with " in printed
    assert "without 19 other places of its shape, with " in printed and "No place stands out." not in printed
    told = json.loads((tmp_path / "manifest.json").read_text())["pictures"][0]["sentence"]
    assert told["text"] in printed and any(figure == 0.5 for figure in told["figures"])
