"""From files, folders and zips to series: what is found, what is refused, and that nothing names the patient."""

from __future__ import annotations

import io
import random
import re
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from explain.bundled.phantoms.draw import draw_phantom
from explain.bundled.phantoms.files import encode_nifti
from explain.bundled.phantoms.kinds import KINDS
from explain.errors import Cancelled, PictureError
from explain.pictures.picture import Picture
from explain.progress import Watch
from explain.volumes import bounds, reading
from explain.volumes.reading import Found, read_volumes
from explain.volumes.volume import Volume
from tests.explain.volumes.test_nifti import STANDING, nifti, numbers
from tests.support.dicom_files import find_secrets, make_enhanced, make_series, make_slice, ramp, write

FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def pack(files: Sequence[bytes], names: Callable[[int], str] = "Doe^Jane/{:03}.dcm".format) -> bytes:
    """A zip of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, data in enumerate(files):
            archive.writestr(names(at), data)
    return stream.getvalue()


def read(files: Sequence[Path | bytes | Callable[[], bytes]]) -> Found:
    """What is found, once it is known to say nothing of the patient."""
    found = read_volumes(files)
    assert not find_secrets(found)
    for series in found.series:
        assert not find_secrets(series.name, series.notes)
    return found


def open_all(found: Found) -> list[Volume]:
    scans = [series.open() for series in found.series]
    for scan in scans:
        assert not find_secrets(scan.name, scan.notes, scan.windows, scan.unit, scan.modality, list(scan.regions))
    return scans


def head(**elements: object) -> list[bytes]:
    return [write(ds) for ds in make_series(ramp(), RescaleSlope=1, RescaleIntercept=-1024, **elements)]


def shown(scan: Volume) -> list[Picture]:
    pictures = [scan.slice(at) for at in range(len(scan.stored)) if scan.present[at]]
    assert not find_secrets(*pictures)
    return pictures


def test_the_same_series_from_files_a_folder_and_zips(tmp_path: Path) -> None:
    files = head()
    for at, data in enumerate(files):
        (tmp_path / f"Doe^Jane {9 - at}.dcm").write_bytes(data)
    shuffled = [files[at] for at in (3, 0, 5, 1, 4, 2)]
    packed = tmp_path.parent / "packed.zip"
    packed.write_bytes(pack(files))
    ways: list[list[Path | bytes | Callable[[], bytes]]] = [
        list(files),
        list(shuffled),
        [tmp_path],
        [packed],
        [pack(shuffled, "IM{}".format)],
        [lambda data=data: data for data in shuffled],  # type: ignore[misc]
    ]
    scans = [open_all(read(way))[0] for way in ways]
    assert {series.name for way in ways for series in read(way).series} == {"CT, 6 slices"}
    assert len({scan.digest for scan in scans}) == 1
    for scan in scans:
        assert np.array_equal(scan.stored, ramp())
        assert [p.digest for p in shown(scan)] == [p.digest for p in shown(scans[0])]
    assert read([pack(head(SeriesInstanceUID="1.2.3"))]).series[0].digests != (scans[0].digest,)


def test_values_are_in_the_files_units() -> None:
    (scan,) = open_all(read(head()))
    assert scan.unit == "HU" and scan.get_value((2, 3, 4)) == ramp()[2, 3, 4] - 1024
    assert scan.stored.dtype == np.int16 and not scan.stored.flags.writeable


def test_series_are_listed_with_the_largest_first() -> None:
    small = [
        write(ds) for ds in make_series(ramp(4), Modality="MR", SeriesInstanceUID="1.2.3", BodyPartExamined="HEAD")
    ]
    found = read([*small, *head(), nifti(numbers(5, 8, 9), rows=STANDING, codes=(0, 1))])
    assert [series.name for series in found.series] == ["CT, 6 slices", "Volume, 5 slices", "MR, 4 slices"]
    assert [series.shape for series in found.series] == [(6, 8, 10), (5, 8, 9), (4, 8, 10)]
    assert found.series[2].body_part == "head"


def test_pixels_are_read_only_when_a_series_is_opened() -> None:
    files = head()
    times: list[int] = []
    found = read([lambda at=at: times.append(at) or files[at] for at in range(6)])  # type: ignore[misc, func-returns-value]
    before = len(times)
    assert open_all(found) and len(times) == before + 6


def test_one_bad_file_costs_a_sentence_and_its_slice() -> None:
    files = head()
    cut, text = files[2][:-40], b"Dear colleague, " * 20
    found = read([*files[:2], cut, *files[3:], text])
    (scan,) = open_all(found)
    assert scan.missing == (2,) and "Slice 3 could not be read" in scan.notes[-1] and "cut off" in scan.notes[-1]
    assert found.others == 1 and len(shown(scan)) == 5
    damaged = read([*files[:2], files[2][:200], *files[3:]])
    assert "File 3 of 6" in damaged.problems[0] or damaged.series[0].missing == 1


def test_a_file_that_vanishes_costs_its_slice(tmp_path: Path) -> None:
    paths = [tmp_path / f"{at}.dcm" for at in range(6)]
    for path, data in zip(paths, head(), strict=True):
        path.write_bytes(data)
    found = read(paths)
    paths[1].unlink()
    paths[4].write_bytes(b"something else")
    (scan,) = open_all(found)
    assert scan.missing == (1, 4) and "not there any more" in " ".join(scan.notes)
    assert "changed while it was read" in " ".join(scan.notes)
    for path in paths:
        path.unlink(missing_ok=True)
    with pytest.raises(PictureError, match="not there any more"):
        found.series[0].open()


def test_copies_count_once() -> None:
    files = head()
    found = read([*files, files[0], files[3]])
    assert [series.shape[0] for series in found.series] == [6]
    assert found.problems == ("2 of the files are copies of others: each counts once.",)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rtplan.dcm", "radiotherapy"),
        ("rtdose.dcm", "dose"),
        ("test-SR.dcm", "report"),
        ("waveform_ecg.dcm", "curves"),
        ("reportsi.dcm", "report"),
    ],
)
def test_what_is_no_scan_is_named(name: str, words: str) -> None:
    found = read([*head(), (FILES / name).read_bytes()])
    assert len(found.series) == 1 and words in found.problems[0] and "File 7 of 7 was left out" in found.problems[0]


def test_a_directory_file_is_passed_over() -> None:
    found = read([*head(), (FILES / "dicomdirtests" / "DICOMDIR").read_bytes()])
    assert len(found.series) == 1 and not found.problems


def test_nothing_at_all() -> None:
    assert read([b"text"]).problems[0].startswith("This is not a picture")
    assert read([b"text", b"more"]).problems == ("The files hold no scans.",)
    assert read([pack([])]).problems == ("There are no files in it. Choose another one.",)


def test_single_pictures_are_pictures_as_ever() -> None:
    radiograph = make_slice(ramp(1)[0], Modality="DX")
    found = read([write(radiograph)])
    (picture,) = found.pictures
    assert picture.name == "DX, one picture" and picture.open().size == (8, 10)
    survey = make_series(ramp(1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (picture,) = read([write(survey[0])]).pictures
    assert picture.is_survey and picture.name == "CT, survey image" and not find_secrets(picture.open())


def test_every_frame_of_an_enhanced_file_is_its_own() -> None:
    frames = [
        {
            "PlanePositionSequence": {"ImagePositionPatient": [0, 0, 5 * at]},
            "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            "PixelMeasuresSequence": {"PixelSpacing": [0.5, 0.5]},
        }
        for at in (2, 0, 3, 1)
    ]
    (scan,) = open_all(read([write(make_enhanced(ramp(4), frames))]))
    assert np.array_equal(scan.stored, ramp(4)[[1, 3, 0, 2]])


def test_white_to_black_and_padding() -> None:
    files = make_series(ramp(), PhotometricInterpretation="MONOCHROME1", WindowCenter=200, WindowWidth=400)
    for ds in files:
        ds.add_new(0x00280120, "SS", 5)
        ds.add_new(0x00280121, "SS", 0)
    (scan,) = open_all(read([write(ds) for ds in files]))
    greys = scan.slice(0).model_pixels[:, :, 0]
    assert scan.padding == (0, 5) and not greys[0, :6].any() and greys[0, 6] > greys[7, 9] > 0.7


def test_a_clip_of_colour() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 4, 6, 3)).astype(np.uint8)
    ds = make_slice(frames[0, :, :, 0], Modality="US", NumberOfFrames=3, FrameTime=40, PlanarConfiguration=0)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelData = 3, "RGB", frames.tobytes()
    (scan,) = open_all(read([write(ds)]))
    assert scan.name == "US, 3 frames" and scan.seconds == 0.04 and np.array_equal(scan.slice(2).pixels, frames[2])
    assert "may name the patient" in " ".join(scan.notes)


# Outlines --------------------------------------------------------------------------------------------------------


def make_segmentation(masks: np.ndarray, heights: Sequence[float], series: str) -> bytes:
    """A binary segmentation of one area, whose free text names the patient."""
    frames = [
        {
            "PlanePositionSequence": {"ImagePositionPatient": [0, 0, height]},
            "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            "PixelMeasuresSequence": {"PixelSpacing": [0.5, 0.5]},
            "SegmentIdentificationSequence": {"ReferencedSegmentNumber": 1},
        }
        for height in heights
    ]
    ds = make_enhanced(masks.astype(np.uint8), frames)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    ds.Modality, ds.SegmentationType = "SEG", "BINARY"
    ds.SeriesInstanceUID = "1.2.3.4"
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    bits = np.packbits(masks.ravel().astype(np.uint8), bitorder="little").tobytes()
    ds.PixelData = bits + b"\0" * (len(bits) % 2)
    code, segment, referenced = Dataset(), Dataset(), Dataset()
    code.CodeMeaning, segment.SegmentNumber, segment.SegmentLabel = "Liver", 1, "Doe^Jane"
    segment.SegmentedPropertyTypeCodeSequence = Items([code])
    referenced.SeriesInstanceUID = series
    ds.SegmentSequence, ds.ReferencedSeriesSequence = Items([segment]), Items([referenced])
    return write(ds)


def test_outlines_become_regions_of_their_series() -> None:
    files = make_series(ramp())
    masks = np.zeros((2, 8, 10), bool)
    masks[0, 2:4, 5], masks[1, 6, 7:9] = True, True
    outlines = make_segmentation(masks, [20, 5], files[0].SeriesInstanceUID)
    (scan,) = open_all(read([outlines, *(write(ds) for ds in files)]))
    wanted = np.zeros((6, 8, 10), bool)
    wanted[4], wanted[1] = masks
    assert list(scan.regions) == ["Liver"] and np.array_equal(scan.regions["Liver"], wanted)
    other = read([outlines, *head(SeriesInstanceUID="1.2.9")])
    assert not open_all(other)[0].regions and "not among the files" in other.problems[0]
    elsewhere = make_segmentation(masks, [500, 505], files[0].SeriesInstanceUID)
    (scan,) = open_all(read([elsewhere, *(write(ds) for ds in files)]))
    assert not scan.regions and "lies on a slice" in scan.notes[-1]


# Hostile files ---------------------------------------------------------------------------------------------------


def refusal(data: bytes) -> str:
    with pytest.raises(PictureError) as caught:
        read_volumes([data])
    assert not find_secrets(str(caught.value)) and str(caught.value).endswith(".")
    return str(caught.value)


def test_zips_that_cannot_be_trusted() -> None:
    assert "points outside" in refusal(pack(head(), "../Doe^Jane{}".format))
    link = zipfile.ZipInfo("Doe^Jane")
    link.external_attr = 0o120777 << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "a file in it is a link" in refusal(stream.getvalue())
    locked = bytearray(pack([b"x"]))
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        locked[locked.index(signature) + at] |= 1
    assert "without a password" in refusal(bytes(locked))
    assert "is no zip" in refusal(pack(head())[:-60])


def test_a_zip_in_a_zip_is_not_opened() -> None:
    found = read([pack([*head(), pack(head(SeriesInstanceUID="1.2.3"))])])
    assert len(found.series) == 1 and "zip inside of another" in found.problems[0]


def test_a_wrong_sum_in_a_zip_costs_one_slice() -> None:
    packed = bytearray(pack(head()))
    third = [at for at in range(len(packed)) if packed[at : at + 4] == b"PK\1\2"][2]
    packed[third + 16] ^= 1
    found = read([bytes(packed)])
    assert "damaged in the zip" in found.problems[0] and found.series[0].missing == 1


def test_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "zip bomb" in refusal(pack([bytes(17_000_000)]))
    monkeypatch.setattr(reading, "MOST_BYTES", 3000)
    assert "more than" in refusal(pack(head()))
    with pytest.raises(PictureError, match="more than"):
        read_volumes(head())


def test_too_many_files_and_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FILES", 5)
    with pytest.raises(PictureError, match="5,000 files"):
        read_volumes(head())
    monkeypatch.undo()
    monkeypatch.setattr(bounds, "MOST_VOXELS", 100)
    with pytest.raises(PictureError, match="too large"):
        read_volumes(head()).series[0].open()
    with pytest.raises(PictureError, match="no voxels"):
        bounds.check_voxels((0, 4))


def test_what_is_larger_than_memory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    # Numbers of 16 bits, and all of them twice while they are read.
    series, needed = read_volumes(head()).series[0], 2 * 6 * 8 * 10 * 2
    volume = series.open()
    assert volume.stored.shape == (6, 8, 10) and volume.stored.nbytes * 2 == needed
    for free in (needed, None):  # None where nobody says it
        monkeypatch.setattr(bounds, "find_free_memory", lambda free=free: free)
        assert series.open().digest == volume.digest
    monkeypatch.setattr(bounds, "find_free_memory", lambda: needed - 1)
    with pytest.raises(PictureError, match=r"6 × 8 × 10 voxels takes 0 MB of memory .* Give a part of it"):
        series.open()
    flat = encode_nifti(draw_phantom(KINDS[0].name, 1))
    assert re.search(r"32 × 64 × 64 voxels takes 1 MB of memory .* are free", read_volumes([flat]).problems[0])


def test_a_machine_that_has_none_left_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    series = read_volumes(head()).series[0]

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("explain.volumes.loading.np.zeros", fail)
    with pytest.raises(PictureError, match="not enough memory to read the series"):
        series.open()


def test_an_absurd_number_of_frames() -> None:
    start = time.thread_time()
    found = read([write(make_slice(ramp(1)[0], NumberOfFrames=2_000_000_000))])
    assert "absurd number" in found.problems[0] and time.thread_time() - start < 0.5


def test_it_can_be_stopped_and_says_how_far_it_is() -> None:
    told: list[tuple[float, str]] = []
    found = read_volumes(head(), Watch(lambda share, text: told.append((share, text))))
    assert "file 3 of 6" in told[2][1]
    stop = threading.Event()
    stop.set()
    for act in (lambda: read_volumes(head(), Watch(cancel=stop)), lambda: found.series[0].open(Watch(cancel=stop))):
        with pytest.raises(Cancelled):
            act()


def mutate(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 2, 5, 30])):
        at = rng.randrange(min(len(changed), 2000)) if rng.random() < 0.8 else rng.randrange(len(changed))
        if rng.random() < 0.5:
            changed[at] = rng.randrange(256)
        else:
            changed[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, rng.getrandbits(32)]))
    return bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.1 else changed)


def try_mutated(count: int) -> None:
    """Each mutated file is read, or refused in a sentence, within two seconds, and says nothing of the patient."""
    frames = [
        {
            "PlanePositionSequence": {"ImagePositionPatient": [0, 0, 5 * at]},
            "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        }
        for at in range(4)
    ]
    packed = io.BytesIO(nifti(numbers(4, 5, 6), rows=STANDING, codes=(1, 1), quaternion=(0, 0, 1, 5, 6, 7)))
    series = head(WindowCenter=40, WindowWidth=400)
    whole = [series[2], write(make_enhanced(ramp(4), frames)), packed.getvalue(), pack(series)]
    rng = random.Random(11)
    for number in range(count):
        start = time.thread_time()
        data = mutate(whole[number % len(whole)], rng)
        rest = series[:2] + series[3:] if number % len(whole) == 0 else []
        try:
            found = read_volumes([data, *rest])
            assert not find_secrets(
                found.problems, [one.name for one in found.series], [one.notes for one in found.series]
            )
            for one in found.series:
                scan = one.open()
                index = next(at for at in range(len(scan.stored)) if scan.present[at])
                for plane, fault in scan.planes.items():
                    if not fault:
                        assert not find_secrets(
                            scan.slice(0 if plane != "stack" or scan.made_as != "stack" else index, plane)
                        )
                assert not find_secrets(scan.notes)
        except PictureError as error:
            assert str(error).endswith(".") and not find_secrets(str(error))
        assert time.thread_time() - start < 2


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_series_or_refusals() -> None:
    try_mutated(40)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_many_mutated_files_are_series_or_refusals() -> None:
    try_mutated(10_000)
