"""Raster pictures: every format and mode against exact pixels, and everything bad against its sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from explain.errors import PictureError
from explain.pictures.decode import decode
from tests.support.image_files import PNG, chunk, coloured, png, refusal, saved

# Plain pictures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_keep_every_pixel(kind: str, options: dict[str, object]) -> None:
    expected = coloured()
    assert np.array_equal(decode(saved(expected, kind, **options), "a").pixels, expected)


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 95, "progressive": True}])
def test_jpeg_is_what_pillow_makes_of_it(options: dict[str, object]) -> None:
    data = saved(coloured(), "JPEG", **options)
    assert np.array_equal(decode(data, "a").pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("size", [(1, 1), (8000, 200), (200, 8000), (1, 500)])
def test_small_and_long_pictures(kind: str, size: tuple[int, int]) -> None:
    picture = decode(saved(Image.new("RGB", size, (255, 255, 255)), kind), "a")
    assert picture.size == size[::-1]
    assert picture.pixels.min() >= 254


# Modes -----------------------------------------------------------------------------------------------------------


def test_grey_is_repeated_in_all_channels() -> None:
    grey = coloured()[:, :, 0]
    picture = decode(saved(grey, "PNG"), "a")
    assert np.array_equal(picture.pixels, np.stack([grey] * 3, axis=2))
    assert picture.model_pixels is picture.pixels


def test_one_bit() -> None:
    bits = coloured()[:, :, 0] > 90
    for kind in ("PNG", "BMP", "TIFF"):
        assert np.array_equal(decode(saved(Image.fromarray(bits), kind), "a").pixels[:, :, 1], bits * np.uint8(255))


def test_palette() -> None:
    image = Image.fromarray(coloured()).quantize(32)
    for kind in ("PNG", "BMP", "GIF", "TIFF"):
        picture = decode(saved(image, kind), "a")
        assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
        assert picture.notes == ()


def on_white(rgba: np.ndarray) -> np.ndarray:
    """The definition, in whole numbers of 255ths (slow, exact)."""
    alpha = rgba[:, :, 3:].astype(np.float64) / 255
    return rgba[:, :, :3] * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_laid_on_white(kind: str) -> None:
    rgba = np.dstack([coloured(), coloured(seed=1)[:, :, 0]])
    rgba[:5, :, 3], rgba[5:10, :, 3] = 0, 255
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = decode(saved(rgba, kind, **options), "a")
    assert np.abs(picture.pixels - on_white(rgba)).max() <= 1
    assert (picture.pixels[:5] == 255).all() and np.array_equal(picture.pixels[5:10], rgba[5:10, :, :3])
    assert picture.notes == ("Its transparent parts were laid on white.",)


def test_opaque_alpha_needs_no_note() -> None:
    rgba = np.dstack([coloured(), np.full((30, 40), 255, np.uint8)])
    picture = decode(saved(rgba, "PNG"), "a")
    assert np.array_equal(picture.pixels, rgba[:, :, :3]) and picture.notes == ()


def test_grey_with_alpha() -> None:
    la = coloured()[:, :, :2]
    picture = decode(saved(Image.fromarray(la, "LA"), "PNG"), "a")
    assert np.abs(picture.pixels - on_white(la[:, :, [0, 0, 0, 1]])).max() <= 1
    assert "white" in picture.notes[0]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_one_transparent_colour(kind: str) -> None:
    indices = (coloured()[:, :, 0] // 64).astype(np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture = decode(saved(image, kind, transparency=0), "a")
    assert (picture.pixels[indices == 0] == 255).all()
    assert (picture.pixels[indices == 1] == (200, 0, 0)).all()
    assert picture.notes == ("Its transparent parts were laid on white.",)


def test_palette_with_half_transparent_colours() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([0, 0, 0, 100, 0, 0, 0, 0, 100])
    pixels = decode(saved(image, "PNG", transparency=bytes([0, 128, 255])), "a").pixels
    assert np.abs(pixels[0] - np.array([[255, 255, 255], [177, 127, 127], [0, 0, 100]])).max() <= 1


def test_one_colour_of_an_rgb_picture_may_be_transparent() -> None:
    rows = b"\0" + bytes([1, 2, 3, 9, 8, 7])
    data = png(2, 1, rows, 8, 2, 0, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))
    assert decode(data, "a").pixels.tolist() == [[[255, 255, 255], [9, 8, 7]]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    cmyk.paste((255, 0, 0, 0), (8, 0, 16, 16))
    cmyk.paste((0, 0, 0, 255), (0, 8, 16, 16))
    pixels = decode(saved(cmyk, kind), "a").pixels.astype(int)
    for place, colour in (((3, 3), (255, 0, 0)), ((3, 12), (0, 255, 255)), ((12, 3), (0, 0, 0))):
        assert np.abs(pixels[place] - colour).max() <= 12, place


def test_ycck_as_photoshop_writes_it() -> None:
    """An Adobe JPEG with transform 2 holds inverted CMY as YCbCr; white must come out white."""
    data = bytearray(saved(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG"))
    at = data.index(b"Adobe") + 11
    assert data[at] in (0, 2)
    white = decode(bytes(data), "a").pixels
    assert white.min() >= 250
    # The stored samples are 255, 255, 255, 255: read as YCCK they are Y = 255, Cb = Cr = 255, which is no neutral grey.
    data[at] = 2 - data[at]
    other = decode(bytes(data), "a").pixels.astype(int)
    y, cb, cr, k = 255.0, 255.0, 255.0, 255.0
    red, green, blue = y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)
    cmy = [255 - min(255, max(0, value)) for value in (red, green, blue)]
    expected = [(255 - ink) * k / 255 for ink in cmy]
    plausible = [expected, [255 - value for value in expected]]
    assert min(np.abs(other[8, 8] - np.array(colour)).max() for colour in plausible) <= 4


def test_lab_against_its_definition() -> None:
    """CIE L*a*b* (D50, as in TIFF) of a few colours, by the formulae."""
    lab = Image.new("LAB", (3, 1))
    for x, (lightness, a, b) in enumerate(((255, 128, 128), (0, 128, 128), (128, 128, 128))):
        lab.putpixel((x, 0), (lightness, a, b))
    pixels = decode(saved(lab, "TIFF"), "a").pixels[0].astype(int)
    relative = ((100 * 128 / 255 + 16) / 116) ** 3
    middle = 255 * (1.055 * relative ** (1 / 2.4) - 0.055)
    assert np.abs(pixels - np.array([[255] * 3, [0] * 3, [middle] * 3])).max() <= 3


def test_ycbcr_tiff() -> None:
    image = Image.fromarray(coloured()).convert("YCbCr")
    assert np.array_equal(decode(saved(image, "TIFF"), "a").pixels, np.asarray(image.convert("RGB")))


# More than eight bits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("largest", "bits"), [(200, 8), (256, 10), (1023, 10), (4095, 12), (16000, 14), (65535, 16)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_by_the_bits_it_uses(kind: str, largest: int, bits: int) -> None:
    stored = np.linspace(0, largest, 1200).astype(np.uint16).reshape(30, 40)
    picture = decode(saved(stored, kind), "a")
    assert picture.model_pixels.dtype == np.float32 and picture.model_pixels.shape == (30, 40, 1)
    expected = stored / (2**bits - 1)
    assert np.abs(picture.model_pixels[:, :, 0] - expected).max() < 1e-6
    assert len(np.unique(picture.model_pixels)) == len(np.unique(stored))
    assert picture.pixels.dtype == np.uint8 and picture.pixels.shape == (30, 40, 3)
    assert np.abs(picture.pixels[:, :, 2] - 255 * expected).max() <= 0.5 + 1e-4
    assert f"{bits} bits" in picture.notes[0]


def test_big_endian_and_white_is_zero_tiff() -> None:
    stored = np.linspace(0, 65535, 1200).astype(np.uint16).reshape(30, 40)
    big = decode(saved(Image.fromarray(stored.astype(">u2")), "TIFF"), "a")
    assert np.allclose(big.model_pixels[:, :, 0], stored / 65535, atol=1e-6)
    white_is_zero = decode(saved(stored, "TIFF", tiffinfo={262: 0}), "a")
    assert np.allclose(white_is_zero.model_pixels[:, :, 0], 1 - stored / 65535, atol=1e-6)


def test_sixteen_bit_grey_with_a_transparent_value() -> None:
    rows = b"\0" + struct.pack(">3H", 0, 7, 65535)
    picture = decode(png(3, 1, rows, 16, 0, 0, chunk(b"tRNS", struct.pack(">H", 7))), "a")
    assert picture.model_pixels.ravel().tolist() == [0, 1, 1]
    assert "white" in picture.notes[-1]


def test_signed_and_wide_integers_are_scaled_by_their_range() -> None:
    stored = np.linspace(-1000, 3000, 1200).astype(np.int32).reshape(30, 40)
    picture = decode(saved(stored, "TIFF"), "a")
    assert np.allclose(picture.model_pixels[:, :, 0], (stored + 1000) / 4000, atol=1e-6)
    assert "-1000" in picture.notes[0] and "3000" in picture.notes[0]


def test_floating_point_grey() -> None:
    stored = np.linspace(0.1, 0.9, 1200).astype(np.float32).reshape(30, 40)
    assert np.array_equal(decode(saved(stored, "TIFF"), "a").model_pixels[:, :, 0], stored)
    wide = decode(saved(stored * 1000, "TIFF"), "a")
    assert np.allclose(wide.model_pixels[:, :, 0], (stored - 0.1) / 0.8, atol=1e-5)
    stored[0, 0] = np.nan
    holed = decode(saved(stored, "TIFF"), "a")
    assert holed.model_pixels[0, 0, 0] == stored[0, 1] and "not numbers" in holed.notes[0]
    assert "NaN" in refusal(saved(np.full((4, 4), np.nan, np.float32), "TIFF"))


def test_flat_deep_pictures() -> None:
    assert decode(saved(np.zeros((4, 4), np.uint16), "PNG"), "a").pixels.max() == 0
    assert decode(saved(np.full((4, 4), -5, np.int32), "TIFF"), "a").pixels.max() == 0


def test_sixteen_bit_colour_keeps_its_depth() -> None:
    rows = b"\0" + struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0xFFFF, 0, 0x80FF)
    picture = decode(png(2, 1, rows, 16, 2), "a")
    assert picture.pixels.tolist() == [[[0x12, 0x56, 0x9A], [0xFF, 0, 0x80]]]
    expected = np.array([[0x1234, 0x5678, 0x9ABC], [0xFFFF, 0, 0x80FF]]) / 65535
    assert picture.model_pixels.dtype == np.float32 and np.abs(picture.model_pixels[0] - expected).max() < 1e-6
    assert "16 bits" in picture.notes[0]


# Orientation -----------------------------------------------------------------------------------------------------


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """The EXIF table read aloud: where the stored row 0 and column 0 belong in the upright picture."""
    height, width = stored.shape[:2]
    row0, column0 = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    turned = row0 in ("left", "right")
    result = np.zeros((width, height, 3) if turned else (height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            along = {"top": row, "left": row, "bottom": height - 1 - row, "right": height - 1 - row}[row0]
            across = {"top": column, "left": column, "bottom": width - 1 - column, "right": width - 1 - column}[column0]
            result[(across, along) if turned else (along, across)] = stored[row, column]
    return result


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "TIFF-lzw"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    stored = coloured(6, 9)
    exif = Image.Exif()
    exif[0x0112] = orientation
    kind, _, compression = kind.partition("-")
    options: dict[str, object] = {"compression": "tiff_lzw"} if compression else {}
    if kind == "WEBP":
        options = {"lossless": True}
    data = saved(stored, kind, exif=exif, **options)
    if kind == "JPEG":
        stored = np.asarray(Image.open(io.BytesIO(data)))
    picture = decode(data, "a")
    assert np.array_equal(picture.pixels, upright(stored, orientation))
    assert ("orientation" in " ".join(picture.notes)) == (orientation != 1)


def test_orientation_of_deep_grey() -> None:
    stored = np.arange(54, dtype=np.uint16).reshape(6, 9) * 1000
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = decode(saved(stored, "PNG", exif=exif), "a")
    assert picture.model_pixels.shape == (9, 6, 1) and picture.pixels.shape == (9, 6, 3)
    assert picture.model_pixels[0, 5, 0] == picture.model_pixels.min()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(saved(coloured(), "PNG", exif=exif), "a").pixels, coloured())


def test_broken_exif_costs_only_a_note() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = saved(coloured(), kind, exif=b"Exif\0\0this is no TIFF header at all", **options)
        picture = decode(data, "a")
        assert picture.size == (30, 40)
        assert any("EXIF data are damaged" in note for note in picture.notes)


# Several pictures, profiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_pictures(kind: str) -> None:
    first, second = Image.new("RGB", (20, 10), (200, 0, 0)), Image.new("RGB", (20, 10), (0, 0, 200))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(first, kind, save_all=True, append_images=[second, first], **options)
    picture = decode(data, "a")
    assert (picture.pixels == (200, 0, 0)).all()
    assert picture.notes == ("The file holds several pictures; the first one is used.",)


def test_a_gif_whose_second_frame_is_damaged_still_shows_its_first() -> None:
    frames = [Image.fromarray(coloured(seed=seed)).quantize(64) for seed in range(3)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    whole = decode(data, "a")
    cut = decode(data[: len(data) // 2], "a")
    assert np.array_equal(cut.pixels, whole.pixels)


def test_colour_profiles() -> None:
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        assert decode(saved(coloured(), kind, icc_profile=srgb, **options), "a").notes == ()
        broken = decode(saved(coloured(), kind, icc_profile=b"no profile" * 20, **options), "a")
        assert len(broken.notes) == 1 and "profile is not applied" in broken.notes[0]


# Damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_bare_signatures(kind: str) -> None:
    data = saved(coloured(), kind)
    for length in (2, 4, 8, 12, 16, 20, 26, 30):
        refusal(data[:length])


VARIANTS: list[tuple[str, str, dict[str, object]]] = [
    ("JPEG", "RGB", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("PNG", "RGB", {}),
    ("PNG", "P", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("BMP", "RGB", {}),
    ("BMP", "P", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "1", {"compression": "group4"}),
    ("GIF", "P", {}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "mode", "options"), VARIANTS)
def test_a_file_that_is_cut_off_is_never_filled_up(kind: str, mode: str, options: dict[str, object]) -> None:
    data = saved(Image.fromarray(coloured()).convert(mode), kind, **options)
    whole = decode(data, "a").pixels
    refused = 0
    for length in np.linspace(1, len(data) - 1, 150).astype(int):
        try:
            picture = decode(data[:length], "a")
        except PictureError:
            refused += 1
        else:
            assert np.array_equal(picture.pixels, whole), length
    assert refused >= 145


def test_png_streams_that_end_early() -> None:
    rows = (b"\0" + bytes([200]) * 50) * 50
    assert decode(png(50, 50, rows), "a").pixels.min() == 200
    assert "cut off" in refusal(png(50, 50, rows[: len(rows) // 2]))
    assert "cut off" in refusal(png(50, 50, rows[:-1]))
    assert "cut off" in refusal(png(50, 50, b""))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (5, 1), (9, 7), (33, 20)])
@pytest.mark.parametrize(("bits", "colour", "samples"), [(1, 0, 1), (4, 3, 1), (8, 2, 3), (16, 6, 4)])
def test_interlaced_png(width: int, height: int, bits: int, colour: int, samples: int) -> None:
    """Adam7 by the picture in the specification: one digit a pixel, repeated over the plane."""
    pattern = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"]
    rows = b""
    for wanted in "1234567":
        for y in range(height):
            count = sum(pattern[y % 8][x % 8] == wanted for x in range(width))
            if count:
                rows += b"\0" + b"\xff" * ((count * bits * samples + 7) // 8)
    palette = chunk(b"PLTE", b"\xff" * 48)
    picture = decode(png(width, height, rows, bits, colour, 1, palette), "a")
    assert picture.size == (height, width) and picture.pixels.min() == 255
    assert "cut off" in refusal(png(width, height, rows[:-1], bits, colour, 1, palette))


def test_png_with_a_wrong_checksum() -> None:
    data = bytearray(saved(coloured(), "PNG"))
    data[data.index(b"IDAT") + 20] ^= 1
    assert "checksum" in refusal(bytes(data))


FUZZED: list[tuple[str, str, dict[str, object]]] = [
    ("JPEG", "RGB", {}),
    ("JPEG", "CMYK", {}),
    ("PNG", "RGB", {}),
    ("WEBP", "RGBA", {}),
    ("BMP", "P", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "I;16", {}),
    ("GIF", "P", {}),
]


def mutated(data: bytes, seed: int) -> bytes:
    """A few bytes changed, half of them in the header; every third file also cut, every fifth with a hole."""
    random = np.random.default_rng(seed)
    changed = bytearray(data)
    for _ in range(random.integers(1, 8)):
        reach = min(len(changed), 128) if random.random() < 0.5 else len(changed)
        changed[random.integers(0, reach)] = random.integers(0, 256)
    if seed % 3 == 0:
        del changed[random.integers(1, len(changed)) :]
    if seed % 5 == 0:
        start = int(random.integers(0, len(changed)))
        del changed[start : start + int(random.integers(1, 40))]
    return bytes(changed)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "mode", "options"), FUZZED)
def test_mutated_files_are_pictures_or_refusals(kind: str, mode: str, options: dict[str, object]) -> None:
    image = Image.fromarray(coloured()).convert("L" if mode == "I;16" else mode).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(image, kind, **options, **({} if kind in ("BMP", "GIF") else {"exif": exif}))
    for seed in range(200):
        start = time.thread_time()
        try:
            picture = decode(mutated(data, seed), "a")
        except PictureError as error:
            assert str(error).startswith("“a”: ") and str(error).endswith(".")
        else:
            assert picture.pixels.shape[2] == 3 and picture.pixels.dtype == np.uint8
        assert time.thread_time() - start < 1


@pytest.mark.filterwarnings("ignore")
def test_mutated_png_chunks_with_right_checksums() -> None:
    """What the test above cannot reach behind checksums: nonsense in header, palette, transparency and EXIF."""
    random = np.random.default_rng(5)
    rows = b"".join(b"\0" + bytes(random.integers(0, 4, 12).tolist()) for _ in range(9))
    for _ in range(300):
        header = bytearray(struct.pack(">IIBBBBB", 12, 9, 8, 3, 0, 0, 0))
        if random.random() < 0.7:
            header[random.integers(0, 13)] = random.integers(0, 18)
        extra = [
            chunk(kind, random.bytes(random.integers(0, 40)))
            for kind in (b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"iCCP", b"zTXt", b"gAMA", b"cHRM", b"pHYs")
            if random.random() < 0.5
        ]
        data = PNG + chunk(b"IHDR", bytes(header)) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows))
        with contextlib.suppress(PictureError):
            decode(data, "a")
