"""Masks with their error bars: overlaps counted pixel by pixel, in the manifest, and as files."""

import gzip
import io
import json
import zipfile
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image

from components.maps.masks import describe_mask
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation, PictureExplanation
from explain.engine.whole_volumes import VolumeExplanation
from explain.maps.mask import ASIDE, MaskSettings
from explain.maps.render import place
from explain.maps.volume_mask import MaskCut
from explain.pictures.picture import Placement
from explain.report.manifest import build_manifest, build_volume_manifest, read_manifest, write_manifest
from explain.report.mask_files import INSIDE, MaskFiles, encode_masks, encode_volume_masks
from explain.report.masks import find_masks, find_volume_masks, write_mask
from explain.volumes.planes import Plane
from tests.explain.report.scans.conftest import draw_map, open_series
from tests.support.engine import build_model, make_picture

SETTINGS = MaskSettings(share=0.4)


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    return Engine("cpu").explain(make_picture(), build_model("cnn"), ["grad-cam", "layer-cam"], target=[1, 2])


@pytest.fixture
def entry(explanation: Explanation) -> PictureExplanation:
    return explanation.pictures[0]


def plain(entry: PictureExplanation, number: int, share: float) -> np.ndarray:
    heatmap = entry.maps[number]
    drawn = np.nan_to_num(place(np.maximum(heatmap.values, 0), heatmap.box, entry.picture.size))
    high: np.ndarray = drawn / drawn.max() > np.float32(share)
    return high


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    pairs = [*zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)]
    return sum(a and b for a, b in pairs) / sum(a or b for a, b in pairs)


def test_beside_a_mask_stands_what_it_might_as_well_have_been(entry: PictureExplanation) -> None:
    found = find_masks(entry, SETTINGS)
    keys = [one.heatmap.key for one in found]
    assert keys == [heatmap.key for heatmap in entry.maps] and len(keys) == 4
    for number, one in enumerate(found):
        high, lower, higher = (plain(entry, number, share) for share in (0.4, 0.4 - ASIDE, 0.4 + ASIDE))
        assert np.array_equal(one.mask.pixels, high)
        assert one.mask.alike_aside == pytest.approx((overlap(high, lower), overlap(high, higher)))
        (other,) = (at for at, two in enumerate(entry.maps) if at != number and two.target == one.heatmap.target)
        assert one.others == pytest.approx({keys[other]: overlap(high, plain(entry, other, 0.4))})
        assert one.millimetres is None and one.sentence.startswith(
            f"High in {100 * high.mean():.0f} % of the picture ("
        )
    placed = replace(entry, picture=replace(entry.picture, placement=Placement((2.0, 3.0))))
    (first, *_) = find_masks(placed, SETTINGS)
    assert first.millimetres == pytest.approx(plain(entry, 0, 0.4).sum() * 6)
    assert f" of the picture, {first.millimetres:,.0f} mm² (" in first.sentence


def test_a_map_that_is_high_nowhere_has_no_mask(entry: PictureExplanation) -> None:
    blank = replace(entry.maps[0], values=-abs(entry.maps[0].values))
    assert [one.heatmap for one in find_masks(replace(entry, maps=(blank, entry.maps[1])), SETTINGS)] == [entry.maps[1]]
    assert find_masks(replace(entry, maps=(blank,)), SETTINGS) == []


def test_the_manifest_has_masks_where_they_were_asked_for(explanation: Explanation) -> None:
    entry = replace(explanation.pictures[0], masks=SETTINGS)
    manifest = build_manifest(replace(explanation, pictures=(entry,)))
    assert [made.mask for made in manifest.maps] == [
        write_mask(one) for one in find_masks(explanation.pictures[0], SETTINGS)
    ]
    assert read_manifest(write_manifest(manifest)) == manifest
    assert [made.mask for made in build_manifest(explanation).maps] == [None] * 4


def test_masks_are_pictures_and_the_manifest_tells_of_them(explanation: Explanation) -> None:
    entry = explanation.pictures[0]
    with zipfile.ZipFile(io.BytesIO(encode_masks(explanation, SETTINGS))) as archive:
        names = archive.namelist()
        assert names[0] == "01-picture-grad-cam-layer4-1.mask.png" or names[0].endswith("-1.mask.png")
        assert len(names) == 5 and names[-1] == "manifest.json"
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(names[0]))))
        assert np.array_equal(pixels, plain(entry, 0, 0.4) * INSIDE)
        told = json.loads(archive.read("manifest.json"))["maps"][0]["mask"]
    assert told["area"] == plain(entry, 0, 0.4).mean() and told["settings"]["share"] == 0.4


def test_masks_of_slices_lie_where_the_slices_do(explanation: Explanation) -> None:
    volume, files = open_series(), MaskFiles()
    slices = [volume.slice(3), volume.slice(4)]
    entries = [
        replace(explanation.pictures[0], picture=one, maps=(draw_map(one, seed, "grad-cam"),), masks=SETTINGS)
        for seed, one in enumerate(slices)
    ]
    assert files.take(explanation, replace(entries[0], masks=None), {}, 1) == {}
    written = [files.take(explanation, one, {}, number) for number, one in enumerate(entries, 1)]
    assert [len(some) for some in written] == [1, 1]
    ((name, data),) = files.finish().items()
    assert name.startswith("slice-4-to-5-grad-cam") and name.endswith(".mask.nii.gz")
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    inside = np.asarray(image.dataobj)
    masks = [find_masks(one, SETTINGS)[0].mask.pixels for one in entries]
    assert set(np.unique(inside)) == {0, 1} and inside.sum() == sum(mask.sum() for mask in masks)
    placement = slices[0].placement
    assert placement is not None and placement.pitch is not None
    sizes = sorted(np.linalg.norm(np.asarray(image.affine)[:3, :3], axis=0))
    assert sorted(placement.pitch)[0] == pytest.approx(sizes[0])
    assert files.finish() and not MaskFiles().finish()


def test_of_a_volume_explained_whole_masks_are_cuts_of_one(volume_answer: VolumeExplanation) -> None:
    volume = volume_answer.volume
    cut = volume_answer.lay_on(volume.slice(3))
    found = find_masks(cut, SETTINGS)
    assert len(found) == len(volume_answer.maps)
    wholes = find_volume_masks(replace(volume_answer, masks=SETTINGS))
    assert find_volume_masks(volume_answer) == []
    for one, whole in zip(found, wholes, strict=True):
        assert one.whole is not None and np.array_equal(one.whole.voxels, whole.mask.voxels)
        assert np.array_equal(one.mask.pixels, whole.mask.voxels[3]) and dict(one.others) == dict(whole.others)
        assert one.sentence.startswith(f"{whole.mask.describe()}; ") and "mm³" in one.sentence
    explanation = Explanation(volume_answer.model, (cut,))
    with zipfile.ZipFile(io.BytesIO(encode_masks(explanation, SETTINGS))) as archive:
        written = read_manifest(archive.read("manifest.json"))
        names = {name for name in archive.namelist() if name.endswith(".nii.gz")}
    assert names == set(encode_volume_masks(replace(volume_answer, masks=SETTINGS))) and len(names) == len(found)
    entries = [made.volume_mask for made in build_volume_manifest(replace(volume_answer, masks=SETTINGS)).maps]
    assert [made.volume_mask for made in written.maps] == entries and None not in entries
    row = describe_mask(found[0])
    assert row["Of the volume"] and row["mm³"] and " × " in row["Extent in mm"] and "Box" not in row
    # The numbers are those of the slices that can be looked at, in the plane that is.
    planes: tuple[Plane, ...] = ("stack", "coronal")
    for plane in planes:
        some = find_masks(volume_answer.lay_on(volume.slice(volume.count(plane) // 2, plane)), SETTINGS)
        shown = some[0].mask
        assert isinstance(shown, MaskCut) and shown.whole is not None
        high = [at for at in volume.list_there(plane) if shown.whole.cut(plane, at).pixels.any()]
        assert describe_mask(some[0])["Slices"] == f"{high[0] + 1} to {high[-1] + 1}"
