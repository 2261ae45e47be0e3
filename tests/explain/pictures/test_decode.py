"""From bytes to a picture: what is given, by what it is known, how it is refused, and that nothing is shared."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from explain.errors import PictureError
from explain.pictures.decode import decode
from tests.support.image_files import coloured, refusal, saved

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / ".." / "shared" / "data"


def test_a_plain_picture_comes_back_exactly() -> None:
    expected = coloured()
    data = saved(expected, "PNG")
    picture = decode(data, "../../etc/a b.jpg")
    assert picture.name == "../../etc/a b.jpg"
    assert picture.digest == hashlib.sha256(data).hexdigest()
    assert picture.notes == ()
    assert picture.size == (30, 40)
    assert np.array_equal(picture.pixels, expected)
    assert picture.model_pixels is picture.pixels


def test_arrays_are_contiguous_and_read_only() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    for data in (saved(coloured(), "JPEG", exif=exif), saved(deep, "PNG"), saved(coloured(), "PNG")):
        picture = decode(data, "a")
        for array in (picture.pixels, picture.model_pixels):
            assert array.flags.c_contiguous and not array.flags.writeable
            with pytest.raises(ValueError):
                array[0, 0] = 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_content_decides_not_the_extension(kind: str) -> None:
    assert decode(saved(coloured(), kind), "scan.dcm").size == (30, 40)


def test_empty_text_and_noise() -> None:
    assert "empty" in refusal(b"")
    assert "not a picture" in refusal(b"dear diary, this is no picture\n" * 20)
    assert "not a picture" in refusal(np.random.default_rng(3).bytes(5000))
    assert "not a picture" in refusal(b"\n")
    assert "not a picture" in refusal(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert "HEIC" in refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "PDF" in refusal(b"%PDF-1.7 ...")


def test_a_name_cannot_break_its_sentence() -> None:
    with pytest.raises(PictureError) as caught:
        decode(b"", "x\n\x1b[31m" + "y" * 500)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value) and len(str(caught.value)) < 160


def test_many_threads_decode_at_once_and_leave_pillow_as_it_was() -> None:
    pillow = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)
    files = [
        saved(coloured(seed=seed), kind) for seed, kind in enumerate(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
    ]
    files += [files[0][:100], b"", saved(np.zeros((9, 9), np.uint16), "PNG")]

    def outcome(data: bytes) -> bytes | str:
        try:
            return decode(data, "a").pixels.tobytes()
        except PictureError as error:
            return str(error)

    expected = [outcome(data) for data in files]
    wrong: list[int] = []

    def work(offset: int) -> None:
        for step in range(60):
            index = (offset + step) % len(files)
            if outcome(files[index]) != expected[index]:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert pillow == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)


def test_no_warning_reaches_the_terminal_and_torch_stays_out(tmp_path: Path) -> None:
    """In a process of its own, where no test runner filters warnings."""
    jpeg = bytearray(saved(Image.new("L", (8, 8)), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 10_000, 10_000)
    tiff = bytearray(saved(coloured(), "TIFF"))
    directory = struct.unpack_from("<I", tiff, 4)[0]
    struct.pack_into("<I", tiff, directory + 2 + 12 * 5 + 4, 1 << 30)
    (tmp_path / "bomb.jpg").write_bytes(bytes(jpeg))
    (tmp_path / "broken.tif").write_bytes(bytes(tiff))
    (tmp_path / "exif.jpg").write_bytes(saved(coloured(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\x7f" + b"\1" * 30))
    program = (
        "import sys, pathlib\n"
        "from explain.errors import PictureError\n"
        "from explain.pictures.decode import decode\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: print(decode(path.read_bytes(), path.name).size)\n"
        "    except PictureError as error: print(error)\n"
        "assert not {'torch', 'timm', 'torchvision', 'streamlit'} & set(sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert "Warning" not in run.stderr
    assert "“bomb.jpg”: The picture of 10,000 × 10,000 pixels is too large" in run.stdout


@pytest.mark.skipif(not (DATA / "xray").is_dir(), reason="the shared radiographs are not on this machine")
def test_real_radiographs() -> None:
    for path in sorted((DATA / "xray").glob("*.png"))[::5]:
        picture = decode(path.read_bytes(), path.name)
        assert picture.size == (1024, 1024)
        assert np.array_equal(picture.pixels, np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.skipif(not (DATA / "imagenet").is_dir(), reason="the shared photographs are not on this machine")
def test_real_photographs() -> None:
    for path in sorted((DATA / "imagenet").glob("*.JPEG"))[::10]:
        assert np.array_equal(decode(path.read_bytes(), path.name).pixels, np.asarray(Image.open(path).convert("RGB")))
