"""A decoded picture, and the same picture with other pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from explain.pictures.kind import Kind, tell_kind
from explain.pictures.scaling import RULES

_ALTERED = " (altered)"

Vector = tuple[float, float, float]
"""A place or a way in the patient, in millimetres."""


@dataclass(frozen=True)
class Section:
    """Where a slice comes from.

    Attributes:
        volume: digest of the series or volume; see `explain.volumes.volume.Volume`.
        plane: `stack`, `axial`, `coronal` or `sagittal`.
        index: which slice of that plane, from 0.
        window: through which window it is seen, as `explain.volumes.volume.Volume.slice` takes it; empty for colour.
        inverted: whether a person asked for black in place of white.
    """

    volume: str
    plane: str
    index: int
    window: str
    inverted: bool = False


@dataclass(frozen=True)
class Placement:
    """Where the pixels of a picture lie in the patient, in millimetres.

    Attributes:
        pitch: from row to row, and from column to column; None where nobody knows.
        edges: letters of what lies towards its top, right, bottom and left edge; None where nobody knows.
        origin: centre of the first pixel, towards the patient's left, back and head (LPS, as DICOM's); None, as are
            those below, where the files do not say.
        down: from a row to the next.
        across: from a column to the next.
        through: from the slice to the next of its plane; None where slices lie at no one distance, too.
        at_detector: the pitch is that of a radiograph's detector, on which what lies in the patient is larger.
    """

    pitch: tuple[float, float] | None
    edges: tuple[str, str, str, str] | None = None
    origin: Vector | None = None
    down: Vector | None = None
    across: Vector | None = None
    through: Vector | None = None
    at_detector: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright.

    Attributes:
        name: what the person called it. Shown, never used as a path or a key.
        pixels: what is shown, `(H, W, 3)` uint8 RGB, read-only.
        model_pixels: what the model is given before resizing, `(H, W, C)`: uint8 in 0…255, or float32 in 0…1 where the
            file held more than 8 bits. C is 3, or 1 for grey of more than 8 bits, or another number for files of
            several bands; see `choose_bands`. The same array as `pixels` where nothing is lost by it.
        digest: the picture's identity in every cache, hexadecimal: SHA-256 of the file's bytes, but where `white` is
            set or the picture was altered.
        notes: sentences on what decoding did (turned upright, first frame of several, windowed, 16-bit …).
        source: SHA-256 of the file's bytes, hexadecimal; empty where there is no such file.
        white: the number that a person said was white, where it was used.
        rules: by which rules it was decoded; see `explain.pictures.scaling.RULES`.
        modality: of a DICOM file, the kind of machine it comes from, e.g. `CT`; None for every other file.
        section: of a slice of a series or volume, which one; its name is none of a file's then.
        placement: of a slice or a DICOM file, how it lies in the patient; None where its files say nothing of that.
    """

    name: str
    pixels: np.ndarray
    model_pixels: np.ndarray
    digest: str
    notes: tuple[str, ...] = ()
    source: str = ""
    white: int | None = None
    rules: int = RULES
    modality: str | None = None
    section: Section | None = None
    placement: Placement | None = None

    @cached_property
    def kind(self) -> Kind:
        """What kind of picture it is, by what its file says or else by its pixels."""
        return tell_kind(self.pixels) if self.modality is None else "scan"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def choose_bands(self, channels: int) -> np.ndarray:
        """The `model_pixels` for a model of so many channels: for one of grey or colour the bands that are shown."""
        bands = self.model_pixels.shape[2]
        if channels not in (1, 3) or bands in (1, channels):
            return self.model_pixels
        return self.model_pixels[:, :, : 3 if bands > 2 else 1]


def build_picture(name: str, values: np.ndarray, digest: str, notes: tuple[str, ...]) -> Picture:
    """The picture whose `model_pixels` are `values`, made read-only, with the pixels that are shown of them.

    Args:
        name: what the person called it.
        values: see `Picture.model_pixels`; not to be written to afterwards.
        digest: see `Picture`.
        notes: see `Picture`.
    """
    model_pixels = freeze(values)
    pixels = model_pixels if values.dtype == np.uint8 and values.shape[2] == 3 else freeze(_shown(values))
    return Picture(name, pixels, model_pixels, digest, notes)


def alter(picture: Picture, values: np.ndarray, note: str) -> Picture:
    """The picture with other pixels. It is a picture of its own, known by what it shows and said to be altered.

    Args:
        picture: the picture before.
        values: its new `model_pixels`, of the same shape and type.
        note: what was done, in a sentence; joins the picture's notes.
    """
    digest = hashlib.sha256(f"altered\n{values.dtype} {values.shape}\n".encode())
    digest.update(np.ascontiguousarray(values).data)
    name = picture.name if picture.name.endswith(_ALTERED) else picture.name + _ALTERED
    altered = build_picture(name, values, digest.hexdigest(), (*picture.notes, note))
    return replace(altered, modality=picture.modality, section=picture.section, placement=picture.placement)


def _shown(values: np.ndarray) -> np.ndarray:
    """The 8-bit RGB view of `values` `(H, W, C)`: the first three bands, or the first as grey where there are fewer."""
    bands = values[:, :, : 3 if values.shape[2] > 2 else 1]
    scaled = bands if bands.dtype == np.uint8 else np.rint(bands * 255).astype(np.uint8)
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled


def freeze(array: np.ndarray) -> np.ndarray:
    """The array as many may share it: contiguous and read-only. Itself where it is contiguous, else a copy."""
    frozen = np.ascontiguousarray(array)
    frozen.setflags(write=False)
    return frozen
