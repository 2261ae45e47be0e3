"""What `save` leaves in a folder, as the README's first Python lines call it."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from explain import Engine, save
from explain.bundled.pictures import bundled_pictures
from explain.maps.render import RenderSettings


def test_save_writes_all_that_the_readme_says(tmp_path: Path) -> None:
    picture = bundled_pictures()[0].path
    explanation = Engine("cpu").explain(str(picture))
    out = save(explanation, str(tmp_path / "new" / "out"))
    (entry,) = explanation.pictures
    assert out == tmp_path / "new" / "out"
    overlays = [f"01-{picture.stem}-{heatmap.key.replace('/', '-')}.png" for heatmap in entry.maps]
    assert {path.name for path in out.iterdir()} == {"figure.png", "maps.npz", "manifest.json", *overlays}
    manifest = json.loads((out / "manifest.json").read_text())
    with np.load(out / "maps.npz") as maps:
        for described, heatmap in zip(manifest["maps"], entry.maps, strict=True):
            np.testing.assert_array_equal(maps[described["key"]], heatmap.values)
    for name in overlays:
        assert Image.open(out / name).size[::-1] == entry.picture.size


def test_save_draws_with_the_view_it_is_given(tmp_path: Path) -> None:
    explanation = Engine("cpu").explain(bundled_pictures()[0].path, methods=["eigen-cam"])
    (heatmap,) = explanation.pictures[0].maps
    plain = save(explanation, tmp_path / "plain")
    clear = save(explanation, tmp_path / "clear", RenderSettings(opacity=0.0))
    (name,) = (path.name for path in plain.glob("01-*.png"))
    shown = np.asarray(Image.open(clear / name))
    left, top, right, bottom = map(round, heatmap.box)
    pixels = explanation.pictures[0].picture.pixels
    np.testing.assert_array_equal(shown[top:bottom, left:right], pixels[top:bottom, left:right])
    assert (np.asarray(Image.open(plain / name)) != shown).any()
