"""Rendering against slow, plain references: loops over pixels, torch's own upsampling, Pillow reading back."""

import io
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from explain.maps.render import (
    COLOUR_TABLES,
    DIVERGING,
    PARTING,
    SHADES,
    RenderSettings,
    encode_png,
    format_number,
    is_flat,
    mark_unseen,
    normalise,
    overlay,
    place,
    shades,
    value_range,
)
from explain.pictures.geometry import Box


def slow_sample(values: np.ndarray, box: tuple[float, float, float, float], x: float, y: float) -> float:
    """The map's value at a point of the picture: four cells, weighed by hand; NaN outside the box."""
    left, top, right, bottom = box
    if not (left <= x < right and top <= y < bottom):
        return math.nan
    height, width = values.shape
    u = min(max((x - left) / (right - left) * width - 0.5, 0.0), width - 1.0)
    v = min(max((y - top) / (bottom - top) * height - 0.5, 0.0), height - 1.0)
    column, row = int(u), int(v)
    next_column, next_row = min(column + 1, width - 1), min(row + 1, height - 1)
    a, b = u - column, v - row
    return (
        float(values[row, column]) * (1 - a) * (1 - b)
        + float(values[row, next_column]) * a * (1 - b)
        + float(values[next_row, column]) * (1 - a) * b
        + float(values[next_row, next_column]) * a * b
    )


def slow_place(values: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, int]) -> np.ndarray:
    return np.array([[slow_sample(values, box, x + 0.5, y + 0.5) for x in range(size[1])] for y in range(size[0])])


def slow_overlay(
    pixels: np.ndarray,
    values: np.ndarray,
    box: tuple[float, float, float, float],
    low: float,
    high: float,
    settings: RenderSettings,
) -> np.ndarray:
    """Pixel by pixel; the colour is read off the straight line between two entries of the 256-entry table."""
    signed_table = DIVERGING if settings.style == "even" else PARTING
    table = signed_table if settings.signed else COLOUR_TABLES[settings.colour_table]
    cells = values if settings.signed else np.where(values > 0, values, 0)
    painted = np.zeros(pixels.shape)
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            value = slow_sample(cells, box, x + 0.5, y + 0.5)
            if math.isnan(value):
                grey = pixels[y, x] @ np.array([0.299, 0.587, 0.114])
                period = max(4, round(max(pixels.shape[:2]) / 56))
                on_line = (x + y) % period < max(1, period // 5)
                painted[y, x] = 0.45 * grey + 24 + 40 * on_line
                continue
            at = min(max((value - low) / (high - low), 0.0), 1.0) * 255
            first = min(int(at), 254)
            colour = table[first] + (at - first) * (table[first + 1].astype(float) - table[first])
            strength = abs(at / 255 * 2 - 1) if settings.signed else at / 255
            cover = settings.opacity * (1 if settings.style == "even" else strength)
            if strength < settings.threshold:
                cover = 0
            painted[y, x] = (1 - cover) * pixels[y, x] + cover * colour
    return painted


BOXES = [
    Box(0.0, 0.0, 37.0, 23.0),
    Box(7.0, 0.0, 30.0, 23.0),
    Box(3.3, 2.7, 31.2, 20.9),
    Box(-6.0, -4.5, 43.0, 27.5),
    Box(-5.0, 6.5, 42.0, 16.5),
]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 1), (2, 2), (5, 8), (40, 60)])
def test_place_equals_loops_over_pixels(box, shape):
    values = np.random.default_rng(shape[0]).normal(size=shape).astype(np.float32)
    placed = place(values, box, (23, 37))
    assert placed.dtype == np.float32
    np.testing.assert_allclose(placed, slow_place(values, box, (23, 37)), atol=2e-6)


@pytest.mark.parametrize("seed", range(4))
def test_place_over_the_whole_picture_is_torch_upsampling(seed):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(seed).normal(size=(7 + seed, 11)).astype(np.float32)
    size = (50 + 17 * seed, 91)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], size=size, mode="bilinear", align_corners=False
    )[0, 0].numpy()
    placed = place(values, Box(0.0, 0.0, float(size[1]), float(size[0])), size)
    np.testing.assert_allclose(placed, expected, atol=3e-6)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        (Box(0.0, 0.0, 200.0, 200.0), (200, 200)),
        (Box(100.0, 0.0, 500.0, 400.0), (400, 600)),
        (Box(0.0, 133.0, 401.0, 534.0), (700, 401)),
        (Box(-100.0, 0.0, 300.0, 400.0), (400, 200)),
    ],
)
@pytest.mark.parametrize(("row", "column"), [(2, 3), (4, 4), (5, 2)])
def test_a_planted_cell_lands_within_a_pixel(box, size, row, column):
    cells = 8
    values = np.zeros((cells, cells), dtype=np.float32)
    values[row, column] = 1
    placed = np.nan_to_num(place(values, box, size))
    y, x = np.unravel_index(placed.argmax(), size)
    brightest = x + 0.5, y + 0.5
    expected = (
        box[0] + (column + 0.5) * (box[2] - box[0]) / cells,
        box[1] + (row + 0.5) * (box[3] - box[1]) / cells,
    )
    assert np.abs(np.subtract(brightest, expected)).max() < 1


def test_what_the_box_leaves_out_is_nan_and_nothing_else():
    placed = place(np.ones((3, 3), dtype=np.float32), Box(10.0, 4.6, 20.0, 8.4), (12, 30))
    seen = np.zeros((12, 30), dtype=bool)
    seen[5:8, 10:20] = True  # rows whose centres 5.5, 6.5, 7.5 lie inside; 4.5 and 8.5 do not
    np.testing.assert_array_equal(~np.isnan(placed), seen)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_with_a_value_that_is_no_number_is_not_shown_at_all(bad):
    values = np.ones((3, 3), dtype=np.float32)
    values[1, 1] = bad
    assert np.isnan(place(values, Box(0.0, 0.0, 9.0, 9.0), (9, 9))).all()
    assert value_range([values, np.full((2, 2), 5.0)], signed=False) == (5.0, 5.0)


def test_value_range_own_and_shared():
    a = np.array([[-4.0, 1.0], [2.0, 3.0]], dtype=np.float32)
    b = np.array([[0.5, 7.0]], dtype=np.float32)
    assert value_range([a], signed=False) == (0.0, 3.0)
    assert value_range([b], signed=False) == (0.5, 7.0)
    assert value_range([a, b], signed=False) == (0.0, 7.0)
    assert value_range([a], signed=True) == (-4.0, 4.0)
    assert value_range([a, b], signed=True) == (-7.0, 7.0)
    assert value_range([-np.ones((2, 2))], signed=False) == (0.0, 0.0)
    assert value_range([], signed=True) == (0.0, 0.0)


def test_on_the_shared_scale_equal_values_get_equal_colours():
    pixels = np.full((8, 8, 3), 128, dtype=np.uint8)
    box = Box(0.0, 0.0, 8.0, 8.0)
    weak = np.array([[0.0, 1.0]], dtype=np.float32)
    strong = np.array([[0.0, 1.0], [1.0, 4.0]], dtype=np.float32)
    shared, settings = value_range([weak, strong], signed=False), RenderSettings(scale="shared", style="even")
    painted_weak = overlay(pixels, weak, box, *shared, settings)
    painted_strong = overlay(pixels, strong, box, *shared, settings)
    np.testing.assert_array_equal(painted_weak[0, -1], painted_strong[0, -1])
    own = overlay(pixels, weak, box, *value_range([weak], signed=False), settings)
    assert np.abs(own[0, -1].astype(int) - painted_weak[0, -1]).max() > 20


def test_normalise():
    values = np.array([[-1.0, 0.0, 1.0, 3.0, 9.0, np.nan]], dtype=np.float32)
    np.testing.assert_allclose(normalise(values, 0, 4), [[0, 0, 0.25, 0.75, 1, np.nan]])
    np.testing.assert_allclose(normalise(values, -4, 4, signed=True), [[0.375, 0.5, 0.625, 0.875, 1, np.nan]])


@pytest.mark.parametrize("level", [0.0, 1e-9, 0.3, 1e6])
def test_a_constant_map_with_rounding_noise_is_not_stretched(level):
    noise = np.random.default_rng(0).uniform(-1e-7, 1e-7, (5, 5))
    values = (level * (1 + noise)).astype(np.float32)
    low, high = value_range([values], signed=False)
    assert is_flat(low, high)
    assert (normalise(values, low, high) == 0).all()
    painted = overlay(np.full((6, 6, 3), 90, np.uint8), values, Box(0.0, 0.0, 6.0, 6.0), low, high, RenderSettings())
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 1


def test_a_faint_map_is_shown():
    values = np.array([[0.0, 1e-12], [2e-12, 3e-12]], dtype=np.float32)
    low, high = value_range([values], signed=False)
    np.testing.assert_allclose(normalise(values, low, high), [[0, 1 / 3], [2 / 3, 1]], atol=1e-6)


def test_a_blank_signed_map_lies_in_the_middle_of_the_table():
    blank = np.zeros((3, 3), dtype=np.float32)
    settings = RenderSettings(signed=True, opacity=1.0, style="even")
    painted = overlay(np.zeros((6, 6, 3), np.uint8), blank, Box(0.0, 0.0, 6.0, 6.0), 0.0, 0.0, settings)
    assert np.abs(painted.astype(int) - DIVERGING[127]).max() <= 1


@pytest.mark.parametrize("table", list(COLOUR_TABLES))
@pytest.mark.parametrize("style", ["fading", "even"])
@pytest.mark.parametrize(("opacity", "signed"), [(0.0, False), (0.55, False), (1.0, False), (0.7, True)])
def test_overlay_equals_loops_over_pixels(table, opacity, signed, style):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (23, 37, 3), dtype=np.uint8)
    values = rng.normal(size=(4, 6)).astype(np.float32)
    settings = RenderSettings(colour_table=table, opacity=opacity, signed=signed, style=style)
    low, high = value_range([values], signed)
    for box in BOXES:
        painted = overlay(pixels, values, box, low, high, settings)
        expected = slow_overlay(pixels, values, box, low, high, settings)
        # Half a level of rounding here, and the shades' own rounding; the grey of unseen pixels is in whole numbers.
        assert np.abs(painted - expected).max() <= 2.0


def test_overlay_in_bands_marks_unseen_pixels_as_for_the_whole_picture():
    pixels = np.random.default_rng(1).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    values = np.ones((3, 3), dtype=np.float32)
    painted = overlay(pixels, values, Box(100.0, 0.0, 200.0, 400.0), 0.0, 1.0, RenderSettings())
    np.testing.assert_array_equal(painted[:, :100], mark_unseen(pixels)[:, :100])
    np.testing.assert_array_equal(painted[:, 200:], mark_unseen(pixels)[:, 200:])


@pytest.mark.parametrize("level", [0, 255])
def test_the_mark_of_unseen_pixels_shows_on_black_and_on_white(level):
    marked = mark_unseen(np.full((100, 120, 3), level, np.uint8)).astype(int)
    assert np.ptp(marked) >= 30
    assert np.abs(marked - level).min() >= 20


def test_colour_tables_are_rgb_and_perceptual():
    assert tuple(COLOUR_TABLES["viridis"][0]) == (68, 1, 84)
    assert tuple(COLOUR_TABLES["viridis"][255]) == (253, 231, 37)
    assert tuple(COLOUR_TABLES["inferno"][0]) == (0, 0, 4)
    weights = np.array([0.2126, 0.7152, 0.0722])
    for name in ("viridis", "inferno", "cividis"):
        assert (np.diff(COLOUR_TABLES[name] @ weights) > -0.5).all(), name


def test_the_diverging_table_is_balanced_blue_against_orange():
    lightness = _oklab_lightness(DIVERGING)
    np.testing.assert_allclose(lightness, lightness[::-1], atol=0.02)
    assert (np.diff(lightness[128:]) > -0.005).all()
    assert DIVERGING[0, 2] > DIVERGING[0, 0] + 100
    assert DIVERGING[255, 0] > DIVERGING[255, 2] + 100


def _oklab_lightness(table: np.ndarray) -> np.ndarray:
    """From sRGB forwards, as published (B. Ottosson, 2020); the table was built backwards."""
    encoded = table / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    cone = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        ).T
    )
    return cone @ np.array([0.2104542553, 0.7936177850, -0.0040720468])


def test_neighbouring_shades_differ_by_at_most_a_level():
    for table in [*COLOUR_TABLES.values(), DIVERGING]:
        drawn_out = shades(table).astype(int)
        assert drawn_out.shape == (SHADES, 3)
        assert np.abs(np.diff(drawn_out, axis=0)).max() <= 1
        np.testing.assert_array_equal(drawn_out[[0, -1]], table[[0, -1]])


def test_normalise_twice_is_the_order_of_pytorch_grad_cam():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(5).normal(size=(6, 9)).astype(np.float32)
    small = np.maximum(values, 0)
    small = (small - small.min()) / (small.max() - small.min())
    large = torch.nn.functional.interpolate(
        torch.from_numpy(small)[None, None], size=(41, 77), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    large = (large - large.min()) / (large.max() - large.min())
    positive = np.maximum(values, 0)
    ours = normalise(positive, float(positive.min()), float(positive.max()))
    ours = place(ours, Box(0.0, 0.0, 77.0, 41.0), (41, 77))
    np.testing.assert_allclose(normalise(ours, float(ours.min()), float(ours.max())), large, atol=2e-6)


def test_png_keeps_every_pixel_and_the_order_of_colours():
    pixels = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels[..., 0])))), pixels[..., 0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.25, "0.25"), (-1.5, "−1.5"), (1234.6, "1230"), (1.5e-5, "1.5e−5"), (2e8, "2e8"), (99.96, "100")],
)
def test_numbers_have_three_digits(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize("wrong", [{"opacity": 1.2}, {"colour_table": "jet"}, {"scale": "log"}, {"colour": "x"}])
def test_settings_refuse_what_is_out_of_bounds(wrong):
    with pytest.raises(ValidationError):
        RenderSettings(**wrong)


def test_rendering_needs_no_torch_and_no_streamlit():
    code = "import sys, explain.maps.render; print([m for m in ('torch', 'timm', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
