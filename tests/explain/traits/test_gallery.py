"""A class's field guide, against every picture and head gone through one by one."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.errors import Cancelled, MethodError, PictureError, TargetError
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from explain.pictures.picture import Picture
from explain.traits.gallery import Gallery, collect_gallery
from explain.traits.traits import look_with_eyes_of
from tests.support.network import make_picture
from tests.support.prompted import build_small, wrap_model

PICTURES = 12


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    """Its scores hang on the picture: the prompts are faint and the patches loud."""
    model = build_small("last", seed=2)
    model.prompts.mul_(0.1)
    model.backbone.patch_embed.proj.weight.mul_(20)
    return wrap_model(model, "small")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [make_picture(seed, 32) for seed in range(PICTURES)]


@pytest.fixture(scope="module")
def target(loaded: LoadedModel, pictures: list[Picture]) -> int:
    """The class that is the likeliest in some of the pictures and not in others."""
    engine = Engine("cpu")
    likeliest = [look_with_eyes_of(engine, picture, loaded).predictions[0].index for picture in pictures]
    found = max(set(likeliest), key=likeliest.count)
    assert 1 <= likeliest.count(found) < PICTURES
    return found


@pytest.fixture(scope="module")
def gallery(loaded: LoadedModel, pictures: list[Picture], target: int) -> Gallery:
    return collect_gallery(Engine("cpu"), pictures, loaded, target, traits=3, crops=5)


def test_heads_by_mean_rank_and_pictures_by_attention(
    gallery: Gallery, loaded: LoadedModel, pictures: list[Picture], target: int
) -> None:
    engine = Engine("cpu")
    views = [look_with_eyes_of(engine, picture, loaded, [target]) for picture in pictures]
    seen = [view.classes[0] for view in views]
    right = [view.predictions[0].index == target for view in views]
    mean_ranks = {head: np.mean([1 + one.ranking.order.index(head) for one in seen]) for head in range(6)}
    assert [trait.head for trait in gallery.traits] == sorted(mean_ranks, key=lambda head: mean_ranks[head])[:3]
    assert (gallery.pictures, gallery.right, gallery.heads) == (PICTURES, sum(right), 6)
    for trait in gallery.traits:
        assert trait.mean_rank == pytest.approx(mean_ranks[trait.head])
        highest = [float(one.attention[trait.head].max()) for one in seen]
        order = sorted(range(PICTURES), key=lambda number: (not right[number], -highest[number]))[:5]
        assert [crop.name for crop in trait.crops] == [pictures[number].name for number in order]
        for number, crop in zip(order, trait.crops, strict=True):
            assert (crop.digest, crop.right) == (pictures[number].digest, right[number])
            assert crop.attention == highest[number]
            assert crop.probability == pytest.approx(seen[number].probability)
            left, top, end, bottom = crop.place
            np.testing.assert_array_equal(crop.pixels, pictures[number].pixels[top:bottom, left:end])
            row, column = np.unravel_index(seen[number].attention[trait.head].argmax(), (4, 4))
            assert crop.peak == (8 * column + 4, 8 * row + 4)
            assert left <= crop.peak[0] <= end and top <= crop.peak[1] <= bottom
            assert (end - left, bottom - top) == (11, 11)  # 35 % of 32 pixels


def test_one_pass_a_picture_and_the_same_picture_counts_once(
    loaded: LoadedModel, pictures: list[Picture], target: int, gallery: Gallery
) -> None:
    engine = Engine("cpu")
    again = collect_gallery(engine, [*pictures, *pictures[:3]], loaded, target, traits=3, crops=5)
    assert engine.passes == Passes(PICTURES, 0)
    assert again.as_data() == gallery.as_data()


def test_pictures_are_read_one_by_one_and_progress_is_told(loaded: LoadedModel, target: int) -> None:
    told: list[tuple[float, str]] = []
    alive = 0

    def read() -> Iterator[Picture]:
        nonlocal alive
        for seed in range(4):
            alive += 1
            assert alive == len(told) + 1, "the next picture is read before this one is done"
            yield make_picture(seed, 32)

    found = collect_gallery(
        Engine("cpu"), read(), loaded, target, progress=lambda share, text: told.append((share, text)), total=4
    )
    assert told == [(number / 4, f"picture {number}") for number in range(4)]
    assert found.pictures == 4


def test_large_pictures_leave_small_crops(loaded: LoadedModel, target: int) -> None:
    found = collect_gallery(Engine("cpu"), [make_picture(0, 2000)], loaded, target, traits=1)
    crop = found.traits[0].crops[0]
    assert crop.place[2] - crop.place[0] == 700
    assert crop.pixels.shape == (256, 256, 3)


def test_cancel_and_bad_questions(loaded: LoadedModel, pictures: list[Picture]) -> None:
    stopped = threading.Event()

    def stop(share: float, _text: str) -> None:
        if share > 0.4:
            stopped.set()

    engine = Engine("cpu")
    with pytest.raises(Cancelled):
        collect_gallery(engine, pictures, loaded, 0, progress=stop, cancel=stopped)
    assert 0 < engine.passes.forward < PICTURES
    with pytest.raises(PictureError, match="no picture of “class 0”"):
        collect_gallery(engine, [], loaded, 0)
    with pytest.raises(TargetError, match="no class 99"):
        collect_gallery(engine, pictures, loaded, 99)
    with pytest.raises(MethodError, match="at least one"):
        collect_gallery(engine, pictures, loaded, 0, crops=0)


def test_the_sheet_and_the_zip(gallery: Gallery) -> None:
    sheet = cv2.imdecode(np.frombuffer(gallery.to_png(), np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[1] == 2 * 32 + 5 * 384 + 4 * 24
    data = gallery.to_zip()
    assert data == gallery.to_zip()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        told = json.loads(archive.read("gallery.json"))
        files = [crop["file"] for trait in told["traits"] for crop in trait["crops"]]
        assert sorted(archive.namelist()) == sorted([*files, "gallery.png", "gallery.json"])
        assert len(files) == 15
        crop = cv2.imdecode(np.frombuffer(archive.read("trait-2/01.png"), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(crop, gallery.traits[1].crops[0].pixels)
    assert told["ranking"] == "mean rank over the pictures"
    assert told["traits"][0]["mean_rank"] <= told["traits"][1]["mean_rank"]
