"""The line on the report makes the very same maps again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explain import Engine
from explain.commands.flags import read_mask
from explain.engine.explanation import Explanation
from explain.maps.mask import MaskSettings
from explain.models.request import ModelRequest
from explain.report.one_page.command import PICTURE, can_be_made_again, write_command
from explain.volumes.reading import read_volumes
from tests.support.dicom_files import make_series, ramp, write


def test_the_line_makes_the_same_maps(run: Callable[[str], tuple[int, str, str]], tmp_path: Path) -> None:
    for number, one in enumerate(make_series(ramp(6, 40, 48))):
        (tmp_path / "series").mkdir(exist_ok=True)
        (tmp_path / "series" / f"{number}.dcm").write_bytes(write(one))
    volume = read_volumes([tmp_path / "series"]).series[0].open()
    picture = volume.slice(21, "coronal", "3000/9000")
    answer = Engine("cpu").explain(
        picture,
        "photo-cnn",
        ["grad-cam", "cf-cam"],
        layer="stages.0",
        target=[3, 5],
        settings={"cf-cam": {"sigma": 2.0, "drop_noise": True}},
        score="probability",
        augmentation="flip",
    )
    line = write_command(answer, answer.pictures[0])
    assert can_be_made_again(answer, answer.pictures[0]) == ""
    called = line.removeprefix("python -m explain ").replace(PICTURE, f"'{tmp_path / 'series'}'")
    assert run(called.replace("--out out", f"--out '{tmp_path / 'out'}'"))[0] == 0
    with np.load(tmp_path / "out" / "maps.npz") as made:
        assert len(made.files) == 4
        for heatmap in answer.pictures[0].maps:
            np.testing.assert_array_equal(made[f"0/{heatmap.key}"], heatmap.values)


def test_what_was_chosen_for_masks_is_on_the_line(scan: Explanation) -> None:
    entry = replace(scan.pictures[0], masks=MaskSettings(share=0.35, pieces="largest", edges=True))
    words = write_command(scan, entry).split()
    given = [words[place + 1] for place, word in enumerate(words) if word == "--mask"]
    assert read_mask(given) == entry.masks and "--without" not in words


def test_what_no_line_makes_again_is_said(scan: Explanation, photo: Explanation) -> None:
    entry = scan.pictures[0]
    assert "--slice 21 --plane sagittal" in write_command(scan, entry)
    assert entry.picture.section is not None
    inverted = replace(entry.picture, section=replace(entry.picture.section, inverted=True))
    assert "inverted" in can_be_made_again(scan, replace(entry, picture=inverted))
    module = replace(scan.model, request=ModelRequest(source="module", name="Net"))
    assert "Python" in can_be_made_again(replace(scan, model=module), entry)
    altered = replace(photo.pictures[0].picture, source="")
    assert "altered" in can_be_made_again(photo, replace(photo.pictures[0], picture=altered))
    old = replace(photo.pictures[0].picture, rules=1)
    assert "older rules" in can_be_made_again(photo, replace(photo.pictures[0], picture=old))


@pytest.mark.parametrize(
    ("source", "word"),
    [("file", "file:CHECKPOINT"), ("hub", "hub:net"), ("prompts", "prompts:net"), ("bundled", "net")],
)
def test_models_are_named_as_the_flag_takes_them(photo: Explanation, source: str, word: str) -> None:
    model = replace(photo.model, request=ModelRequest(source=source, name="net"))  # type: ignore[arg-type]
    assert f"--model {word} " in write_command(replace(photo, model=model), photo.pictures[0])
