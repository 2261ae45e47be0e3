"""From picture to input and back: against torchvision, timm, ramps that name their places, and planted squares."""

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from explain.maps.render import place
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing, find_box, prepare
from explain.pictures.picture import Picture

declare_missing_operators()

from timm.data import create_transform  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

SIZES = [(100, 75), (75, 100), (33, 47), (64, 64), (65, 64), (1, 1), (1, 9), (211, 31), (480, 641), (50, 50)]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_picture(pixels: np.ndarray, model_pixels: np.ndarray | None = None) -> Picture:
    return Picture("test", pixels, pixels if model_pixels is None else model_pixels, "0")


def make_noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Smooth colours with noise on them, `(H, W, 3)` uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    waves = [127 + 90 * np.sin(x / (7 + c) + c) * np.cos(y / (11 - c)) for c in range(3)]
    return np.clip(np.stack(waves, 2) + rng.normal(0, 20, (*size, 3)), 0, 255).astype(np.uint8)


def assert_same_input(ours: torch.Tensor, theirs: torch.Tensor, interpolation: str = "bilinear") -> None:
    """Equal to a level of 255 or so; a shift by one pixel of the noise would change the mean by 10 levels and more.

    Pillow rounds and clips between its two passes, whose order depends on the sizes: a level for a filter that does not
    overshoot, a few at single pixels for one that does. Nearest may choose the other neighbour at a tie.
    """
    assert ours.shape[1:] == theirs.shape
    off = (ours[0] - theirs).abs() * torch.tensor(STD)[:, None, None] * 255
    if interpolation == "nearest":
        assert (off > 0.01).float().mean() < 0.05
        return
    assert off.mean() < 0.35
    assert off.max() <= (1.01 if interpolation == "bilinear" else 8)
    assert (off > 1.01).float().mean() < 0.01


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest"])
@pytest.mark.parametrize("size", [*SIZES, (200, 3001)])
def test_crop_is_torchvisions(size: tuple[int, int], interpolation: str) -> None:
    pixels = make_noise(size)
    transform = v2.Compose(
        [
            v2.Resize(73, v2.InterpolationMode(interpolation)),
            v2.CenterCrop(64),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    preprocessing = Preprocessing(input_size=(64, 64), resize_size=73, interpolation=interpolation)
    ours = prepare(make_picture(pixels), preprocessing).tensor
    assert_same_input(ours, transform(Image.fromarray(pixels)), interpolation)


def test_crop_of_a_very_tall_picture_is_torchvisions() -> None:
    pixels = make_noise((8000, 200))
    transform = v2.Compose([v2.Resize(73), v2.CenterCrop(64), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    preprocessing = Preprocessing(input_size=(64, 64), resize_size=73, mean=(0, 0, 0), std=(1, 1, 1))
    ours = prepare(make_picture(pixels), preprocessing).tensor[0]
    assert (ours - transform(Image.fromarray(pixels))).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("input_size", [(64, 64), (48, 80), (57, 33)])
@pytest.mark.parametrize("size", SIZES[:5])
def test_crop_of_any_shape_is_torchvisions(size: tuple[int, int], input_size: tuple[int, int]) -> None:
    pixels = make_noise(size, 1)
    transform = v2.Compose(
        [v2.Resize(97), v2.CenterCrop(input_size), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    )
    preprocessing = Preprocessing(input_size=input_size, resize_size=97, mean=(0, 0, 0), std=(1, 1, 1))
    ours = prepare(make_picture(pixels), preprocessing).tensor[0]
    assert (ours - transform(Image.fromarray(pixels))).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES)
def test_crop_is_timms(size: tuple[int, int], interpolation: str) -> None:
    pixels = make_noise(size, 2)
    transform = create_transform((3, 64, 64), interpolation=interpolation, crop_pct=0.9, mean=MEAN, std=STD)
    preprocessing = Preprocessing(input_size=(64, 64), resize_size=int(64 / 0.9), interpolation=interpolation)
    ours = prepare(make_picture(pixels), preprocessing).tensor
    assert_same_input(ours, transform(Image.fromarray(pixels)), interpolation)


@pytest.mark.parametrize("size", SIZES)
def test_squash_is_torchvisions(size: tuple[int, int]) -> None:
    pixels = make_noise(size, 3)
    transform = v2.Compose(
        [v2.Resize((48, 80)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    )
    prepared = prepare(make_picture(pixels), Preprocessing(input_size=(48, 80), fit="squash"))
    assert prepared.box == (0, 0, size[1], size[0])
    assert_same_input(prepared.tensor, transform(Image.fromarray(pixels)))


@pytest.mark.parametrize("size", [*SIZES, (8000, 200)])
def test_padding_is_the_mean_and_nothing_else_is(size: tuple[int, int]) -> None:
    """On a picture whose colours are all far from the mean, exactly the pixels outside it are zero."""
    white = np.full((*size, 3), 255, np.uint8)
    preprocessing = Preprocessing(input_size=(48, 80), fit="pad")
    prepared = prepare(make_picture(white), preprocessing)
    left, top, right, bottom = prepared.box
    x = left + (np.arange(80) + 0.5) * (right - left) / 80
    y = top + (np.arange(48) + 0.5) * (bottom - top) / 48
    inside = torch.from_numpy(((y >= 0) & (y <= size[0]))[:, None] & ((x >= 0) & (x <= size[1])))
    bright = ((1 - torch.tensor(MEAN)) / torch.tensor(STD))[:, None]
    assert torch.allclose(prepared.tensor[0][:, inside], bright, atol=1e-5)
    assert (prepared.tensor[0][:, ~inside] == 0).all()
    assert inside.any()
    assert left <= 0 <= size[1] <= right
    assert top <= 0 <= size[0] <= bottom
    # The picture lies in the middle, as nearly as whole input pixels allow.
    assert abs(left + right - size[1]) * 80 / (right - left) <= 1.001
    assert abs(top + bottom - size[0]) * 48 / (bottom - top) <= 1.001


def make_ramp(size: tuple[int, int], axis: int) -> Picture:
    """A float picture in which every pixel holds the coordinate of its centre along an axis, as a share of the side."""
    share = (np.arange(size[axis]) + 0.5) / size[axis]
    ramp = np.broadcast_to(share[:, None] if axis == 0 else share[None, :], size)[..., None].astype(np.float32)
    return make_picture(np.zeros((*size, 3), np.uint8), ramp)


@pytest.mark.parametrize("seed", range(24))
def test_every_input_pixel_shows_the_place_its_box_says(seed: int) -> None:
    """Linear filters keep a ramp a ramp, so that the value of an input pixel names the place in the picture it shows.

    Within a tenth of an original pixel, or a hundredth of an input pixel where that is more, away from the picture's
    edges (there a filter runs out of picture). Lanczos alone needs it that wide: it bends a ramp a little.
    """
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(20, 400)), int(rng.integers(20, 400)))
    input_size = (int(rng.integers(16, 90)), int(rng.integers(16, 90)))
    fit = ("crop", "squash", "pad")[seed % 3]
    interpolation = ("bilinear", "bicubic", "lanczos")[seed // 3 % 3]
    preprocessing = Preprocessing(
        input_size=input_size,
        fit=fit,
        resize_size=max(input_size) + int(rng.integers(0, 12)),
        interpolation=interpolation,
        channels=1,
        mean=(0,),
        std=(1,),
    )
    for axis in (0, 1):
        prepared = prepare(make_ramp(size, axis), preprocessing)
        start, stop = prepared.box[1 - axis], prepared.box[3 - axis]
        scale = (stop - start) / input_size[axis]
        margin = 3.1 * max(scale, 1)
        shown = prepared.tensor[0, 0].numpy()
        other = find_middle(prepared.box, size, input_size, 1 - axis)
        line = shown[:, other] if axis == 0 else shown[other]
        checked = 0
        for index in range(input_size[axis]):
            place_ = start + (index + 0.5) * scale
            if margin < place_ < size[axis] - margin:
                assert abs(line[index] * size[axis] - place_) <= max(0.1, 0.01 * scale)
                checked += 1
        assert checked or size[axis] - 2 * margin < 2 * scale


def find_middle(
    box: tuple[float, float, float, float], size: tuple[int, int], input_size: tuple[int, int], axis: int
) -> int:
    """The input's row or column that shows the middle of the picture."""
    start, stop = box[1 - axis], box[3 - axis]
    return int((size[axis] / 2 - start) / (stop - start) * input_size[axis])


def draw_square(
    size: tuple[int, int], centre: tuple[float, float], side: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """A dark picture with a bright square; the square's true centre as x, y."""
    pixels = np.full((*size, 3), 30, np.uint8)
    left, top = round(centre[0] - side / 2), round(centre[1] - side / 2)
    pixels[top : top + side, left : left + side] = 230
    return pixels, (left + side / 2, top + side / 2)


def find_square(tensor: torch.Tensor) -> tuple[float, float]:
    """Centre of what is brighter than the background, as shares of the input's width and height."""
    plane = tensor[0].mean(0).numpy().astype(np.float64)
    bright = np.maximum(plane - (plane.min() + np.ptp(plane) * 0.05), 0)
    rows, columns = np.indices(plane.shape) + 0.5
    return (
        float((bright * columns).sum() / bright.sum() / plane.shape[1]),
        float((bright * rows).sum() / bright.sum() / plane.shape[0]),
    )


def to_picture(box: tuple[float, float, float, float], x: float, y: float) -> tuple[float, float]:
    return box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])


PLANTS = list(itertools.product([(240, 240), (180, 320), (333, 201), (97, 400)], ["crop", "squash", "pad"]))


def choose_centres(size: tuple[int, int], side: int) -> list[tuple[float, float]]:
    """Nine places, as x and y, in the middle square that a crop keeps too."""
    reach = min(size) * 0.4 - side
    middle = size[1] / 2, size[0] / 2
    return [(middle[0] + dx * reach, middle[1] + dy * reach) for dx in (-1, 0, 0.63) for dy in (-0.81, 0.1, 1)]


@pytest.mark.parametrize(("size", "fit"), PLANTS)
def test_planted_square_is_found_where_it_was_planted(size: tuple[int, int], fit: str) -> None:
    """Within one original pixel, for up to five original pixels an input pixel: no sampling limit is needed."""
    preprocessing = Preprocessing(input_size=(80, 80), resize_size=91, fit=fit, mean=(0.13,) * 3, std=(0.3,) * 3)
    side = 18
    for wanted in choose_centres(size, side):
        pixels, centre = draw_square(size, wanted, side)
        prepared = prepare(make_picture(pixels), preprocessing)
        tensor = prepared.tensor
        if fit == "pad":  # The padding's own brightness is no square.
            tensor = torch.where(tensor == 0, tensor.min(), tensor)
        x, y = to_picture(prepared.box, *find_square(tensor))
        assert abs(x - centre[0]) <= 1
        assert abs(y - centre[1]) <= 1


@pytest.mark.parametrize(("size", "fit"), PLANTS)
def test_hot_cell_lies_on_the_square(size: tuple[int, int], fit: str) -> None:
    """A map with one hot cell, where the model sees the square, is laid on the square by `place`."""
    preprocessing = Preprocessing(input_size=(80, 80), resize_size=91, fit=fit)
    grid = 10
    for wanted in choose_centres(size, 12):
        _, centre = draw_square(size, wanted, 12)
        box = find_box(size, preprocessing)
        across = (centre[0] - box[0]) / (box[2] - box[0]) * grid
        down = (centre[1] - box[1]) / (box[3] - box[1]) * grid
        values = np.zeros((grid, grid), np.float32)
        values[int(down), int(across)] = 1
        placed = place(values, box, size)
        hottest = np.unravel_index(np.nanargmax(placed), placed.shape)
        cell = (box[2] - box[0]) / grid, (box[3] - box[1]) / grid
        assert abs(hottest[1] + 0.5 - centre[0]) <= cell[0]  # the outermost cells are held up to the edge
        assert abs(hottest[0] + 0.5 - centre[1]) <= cell[1]
        # Bilinear by definition: what is left falls off by the distance from the cell's centre, in cells.
        x, y = int(centre[0]), int(centre[1])
        dx = abs(np.clip((x + 0.5 - box[0]) / cell[0], 0.5, grid - 0.5) - (int(across) + 0.5))
        dy = abs(np.clip((y + 0.5 - box[1]) / cell[1], 0.5, grid - 0.5) - (int(down) + 0.5))
        assert placed[y, x] == pytest.approx(max(0, 1 - dx) * max(0, 1 - dy), abs=1e-4)


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_planted_square_survives_every_exif_orientation(orientation: int, fit: str) -> None:
    upright, centre = draw_square((200, 260), (90, 130), 24)
    # The operation that a camera of this orientation undoes: stored pixels, once turned upright, are `upright`.
    stored = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(file, "JPEG", quality=95, exif=exif)
    picture = decode(file.getvalue(), "turned.jpg")
    assert picture.size == (200, 260)
    prepared = prepare(picture, Preprocessing(input_size=(80, 80), resize_size=91, fit=fit, mean=(0.13,) * 3))
    tensor = prepared.tensor
    if fit == "pad":
        tensor = torch.where(tensor == 0, tensor.min(), tensor)
    x, y = to_picture(prepared.box, *find_square(tensor))
    assert abs(x - centre[0]) <= 1
    assert abs(y - centre[1]) <= 1


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_deep_pictures_keep_their_levels(fit: str) -> None:
    """A 16-bit picture gives what its 8-bit version gives, but for the levels in between, which 8 bits lose."""
    coarse = make_noise((90, 70))[..., :1]
    preprocessing = Preprocessing(input_size=(40, 40), fit=fit, mean=(0.4,) * 3, std=(0.2,) * 3)
    shallow = prepare(make_picture(np.repeat(coarse, 3, 2), coarse), preprocessing).tensor
    fine = (coarse / 255).astype(np.float32)
    deep = prepare(make_picture(np.repeat(coarse, 3, 2), fine), preprocessing).tensor
    assert (shallow - deep).abs().max() <= 1e-5
    lifted = prepare(make_picture(np.repeat(coarse, 3, 2), fine + np.float32(1 / 65535)), preprocessing).tensor
    lift = ((lifted - deep) * 0.2)[deep != 0]
    assert torch.allclose(lift, torch.tensor(1 / 65535), atol=2e-7)


def test_grey_picture_into_colour_model_gives_three_equal_channels() -> None:
    grey = make_noise((50, 60))[..., :1]
    preprocessing = Preprocessing(input_size=(32, 32), mean=(0, 0, 0), std=(1, 1, 1))
    alone = prepare(make_picture(np.repeat(grey, 3, 2), grey), preprocessing).tensor
    as_colour = prepare(make_picture(np.repeat(grey, 3, 2)), preprocessing).tensor
    assert alone.shape == (1, 3, 32, 32)
    assert torch.equal(alone[:, 0], alone[:, 1])
    assert torch.equal(alone[:, 0], alone[:, 2])
    assert (alone - as_colour).abs().max() <= 1.01 / 255


def test_colour_picture_into_grey_model_is_pillows_luminance() -> None:
    pixels = make_noise((50, 60))
    preprocessing = Preprocessing(input_size=(32, 32), channels=1, mean=(0.5,), std=(0.25,))
    ours = prepare(make_picture(pixels), preprocessing).tensor
    theirs = Image.fromarray(pixels).convert("L").resize((38, 32), Image.Resampling.BILINEAR).crop((3, 0, 35, 32))
    assert ours.shape == (1, 1, 32, 32)
    assert (ours[0, 0] * 0.25 + 0.5 - torch.from_numpy(np.asarray(theirs) / 255)).abs().max() <= 2 / 255
    deep = prepare(make_picture(pixels, (pixels / 255).astype(np.float32)), preprocessing).tensor
    assert (ours - deep).abs().max() <= 1e-5


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("seed", range(8))
def test_box_and_input_of_any_picture(fit: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (int(np.exp(rng.uniform(0, 6.5))), int(np.exp(rng.uniform(0, 6.5))))
    input_size = (int(rng.integers(8, 70)), int(rng.integers(8, 70)))
    preprocessing = Preprocessing(input_size=input_size, fit=fit, resize_size=max(input_size))
    colour = rng.integers(0, 256, 3, dtype=np.uint8)
    prepared = prepare(make_picture(np.broadcast_to(colour, (*size, 3)).copy()), preprocessing)
    left, top, right, bottom = prepared.box
    assert prepared.tensor.shape == (1, 3, *input_size)
    assert prepared.tensor.dtype == torch.float32
    assert prepared.box == find_box(size, preprocessing)
    per_x, per_y = input_size[1] / (right - left), input_size[0] / (bottom - top)
    if fit == "crop":
        assert left >= -1e-6 and top >= -1e-6 and right <= size[1] + 1e-6 and bottom <= size[0] + 1e-6
    if fit != "squash":  # Nothing is stretched by more than the rounding of a side to whole input pixels.
        shown = sorted((min(size[1], right - left) * per_x, min(size[0], bottom - top) * per_y))[0]
        assert abs(per_x / per_y - 1) <= 1.001 / shown
    expected = (torch.from_numpy(colour / 255).float() - torch.tensor(MEAN)) / torch.tensor(STD)
    inside = (prepared.tensor != 0).any(1)[0]
    assert inside.any()
    assert torch.allclose(prepared.tensor[0][:, inside], expected[:, None], atol=1e-4)


def test_preparing_changes_nothing_of_the_picture() -> None:
    pixels = make_noise((40, 30))
    before = pixels.copy()
    pixels.setflags(write=False)
    for fit in ("crop", "squash", "pad"):
        first = prepare(make_picture(pixels), Preprocessing(input_size=(16, 16), fit=fit)).tensor
        again = prepare(make_picture(pixels), Preprocessing(input_size=(16, 16), fit=fit)).tensor
        first.add_(1)
        assert torch.equal(first - 1, again) or (first - 1 - again).abs().max() < 1e-6
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize(
    "given",
    [
        {"channels": 1},
        {"channels": 3, "mean": (0.5,)},
        {"channels": 3, "std": (0.5, 0.5)},
        {"std": (0.2, 0.0, 0.2)},
        {"mean": (0.2, float("nan"), 0.2)},
        {"input_size": (0, 64)},
    ],
)
def test_preprocessing_that_cannot_be_is_refused(given: dict) -> None:
    """A mean of three numbers on a grey input would silently make three channels of one."""
    with pytest.raises(ValidationError):
        Preprocessing(**{"input_size": (64, 64), **given})


def test_a_model_of_enlarged_pictures_sees_no_finer_detail_than_its_training() -> None:
    """Stripes of one pixel, which 32 pixels cannot show, vanish; the place of things does not change."""
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:, ::2] = 255
    picture = Picture("stripes", pixels, pixels, "digest")
    sharp = Preprocessing(input_size=(64, 64), resize_size=64, interpolation="bicubic", mean=(0,) * 3, std=(1,) * 3)
    coarse = sharp.model_copy(update={"enlarged": 2})
    assert prepare(picture, sharp).tensor.std() > 0.4
    seen = prepare(picture, coarse)
    assert seen.tensor.shape == (1, 3, 64, 64)
    assert seen.tensor[..., 4:-4].std() < 0.05
    assert seen.box == prepare(picture, sharp).box

    pixels = np.zeros((96, 160, 3), dtype=np.uint8)
    pixels[20:44, 90:114] = 255
    planted = prepare(Picture("square", pixels, pixels, "other"), coarse)
    rows, columns = np.nonzero(planted.tensor[0, 0].numpy() > 0.5)
    left, top, right, bottom = planted.box
    across, down = (right - left) / 64, (bottom - top) / 64
    found = (left + columns.min() * across, top + rows.min() * down)
    end = (left + (columns.max() + 1) * across, top + (rows.max() + 1) * down)
    assert np.allclose([*found, *end], [90, 20, 114, 44], atol=1.5)
