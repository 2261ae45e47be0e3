"""From the numbers that a deep file stores to what is shown and given to a model: 0 is black and 1 is white."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.errors import PictureError
from explain.percent import write_percent

RULES = 2
"""The rules by which files become pictures today. A manifest records them; one that does not was written under the
first, under which the brightest pixel alone set white, 16-bit colour was cut to 8 bits, and a DICOM file's unused bits,
inverted presentation and slope of 0 were taken as they stood."""

MOST_WHITE = 65_535

_DEPTHS = (8, 10, 12, 14, 16)
_STRAY = 1000
"""One value among so many may lie above the bits in use: a hot pixel, a marker, the edge of a collimator."""
_LONELY = 0.9
"""The part of the range from black to white that a single value must not take up without a word."""


@dataclass(frozen=True, eq=False)
class Stored:
    """The numbers of a file, as it stores them, and what it says of them.

    Attributes:
        values: `(H, W, C)`, any numbers, not yet turned upright.
        what: what the numbers are, in words: grey, colour, or values.
        alpha: how opaque each pixel is `(H, W)`, 0…1, or None where all are.
        premultiplied: whether `values` have been multiplied by `alpha` already.
        white_is_zero: whether the file counts from white to black.
        white: the number that the file itself declares to be white.
        empty: the number of the cells in which nothing was measured.
        orientation: EXIF's.
        several: whether the file holds more pictures.
        profile: the colour profile.
        note: a sentence on how it was read; empty where that goes without saying.
    """

    values: np.ndarray
    what: str = "grey"
    alpha: np.ndarray | None = None
    premultiplied: bool = False
    white_is_zero: bool = False
    white: int | None = None
    empty: float | None = None
    orientation: int = 1
    several: bool = False
    profile: bytes = b""
    note: str = ""


def scale(stored: Stored, white: int | None, rules: int, notes: list[str]) -> np.ndarray:
    """What a model is given of a file's numbers.

    Integers are divided by white: the number asked for, or else the one that the file declares, or else the largest
    number of the smallest bit depth (8, 10, 12, 14 or 16) that holds all but one in a thousand of them; 8 bits, below
    what sensors have, only where nothing lies between them and 10. So a 12-bit
    sensor's picture in a 16-bit file looks as it should, a hot pixel does not darken it, and zero stays black. Floats
    in 0…1 stay as they are. Anything else is scaled from its smallest to its largest value.

    Args:
        stored: what the file holds.
        white: the number asked for; see `decode`.
        rules: see `RULES`.
        notes: sentences on what was done join them.

    Returns:
        float32 in 0…1, `(H, W, C)`.

    Raises:
        PictureError: there are no numbers, only NaN, infinity and empty cells.
    """
    values = stored.values
    void = _find_empty(stored) if rules > 1 else None
    low, high, odd = _find_range(values, void)
    if odd is not None:
        notes.append("Pixels that are not numbers are shown as the darkest value.")
        values = np.where(odd, np.asarray(low, values.dtype), values)
    integers = values.dtype.kind in "iu"
    if not integers and low >= 0 and high <= 1:
        scaled = values.astype(np.float32)
        notes.append(f"Floating-point {stored.what} between 0 (black) and 1 (white), used as it is.")
    elif integers and (white or (low >= 0 and high < 1 << 16)):
        scaled = _divide(stored, white, rules, void, notes)
    else:
        span = float(high) - float(low)
        scaled = ((values.astype(np.float64) - float(low)) / (span or 1)).astype(np.float32)
        kind = stored.what.capitalize() + ("" if stored.what == "values" else " values")
        notes.append(f"{kind} are scaled from {low:g} (black) to {high:g} (white).")
        if rules > 1:
            warn_of_lonely_value(values if void is None else values[~void], notes)
    if stored.white_is_zero:
        scaled = 1 - scaled
    if void is not None:
        scaled[void] = 0
        notes.append(_say_empty(stored, void))
    return _lay_on_white(scaled, stored.alpha, stored.premultiplied, notes)


def keep(stored: Stored, notes: list[str]) -> np.ndarray:
    """The same for numbers of 8 bits, which need no scaling: uint8 `(H, W, C)`."""
    values = 255 - stored.values if stored.white_is_zero else stored.values
    void = _find_empty(stored)
    if void is not None:
        values = np.where(void, np.uint8(0), values)
        notes.append(_say_empty(stored, void))
    if stored.alpha is None or stored.alpha.min() >= 1:
        return values
    parts = values / np.float32(255)
    return np.rint(_lay_on_white(parts, stored.alpha, stored.premultiplied, notes) * 255).astype(np.uint8)


def _say_empty(stored: Stored, void: np.ndarray) -> str:
    cells = void.any(axis=2)
    return (
        f"{cells.sum():,} empty cells ({write_percent(cells.mean(), 1)} of the picture), which the file marks by "
        f"{stored.empty:g}, are left out of the scale and shown black."
    )


def _lay_on_white(values: np.ndarray, alpha: np.ndarray | None, premultiplied: bool, notes: list[str]) -> np.ndarray:
    """The values `(H, W, C)` in 0…1 with white behind what is transparent."""
    if alpha is None or alpha.min() >= 1:
        return values
    notes.append("Its transparent parts were laid on white.")
    part = alpha.astype(np.float32)[:, :, None]
    laid = (values if premultiplied else values * part) + (1 - part)
    return np.clip(laid, 0, 1)


def warn_of_lonely_value(values: np.ndarray, notes: list[str]) -> None:
    """Say it where one value takes up nearly all of the range, so that all others look alike.

    Args:
        values: finite numbers, of any shape.
        notes: the sentence joins them.
    """
    low, high = float(values.min()), float(values.max())
    for lonely in (low, high):
        others = values[values != lonely]
        if others.size and max(others.min() - low, high - others.max()) > _LONELY * (high - low):
            notes.append(
                f"The single value {lonely:g} ({write_percent(1 - others.size / values.size, 2)} of the picture) takes "
                f"up more than {write_percent(_LONELY)} of the range, so that everything else looks nearly alike. If "
                "it marks empty cells or broken pixels, replace it in the file, or name it there (GDAL_NODATA, "
                "PixelPaddingValue)."
            )
            return


def _find_empty(stored: Stored) -> np.ndarray | None:
    """Where nothing was measured `(H, W, C)`, or None where something was everywhere."""
    values, empty = stored.values, stored.empty
    if empty is None or not np.isfinite(empty):
        return None
    if values.dtype.kind == "f":
        # As text, the largest numbers there are come with too few digits to be the same again.
        loose = 1e-5 if abs(empty) > 1e30 else 0.0
        with np.errstate(over="ignore"):
            void = np.isclose(values, values.dtype.type(empty), rtol=loose, atol=0.0)
    else:
        void = values == empty
    return void if void.any() else None


def _find_range(values: np.ndarray, void: np.ndarray | None) -> tuple[np.number, np.number, np.ndarray | None]:
    """Smallest and largest number that was measured, and where there are none though something should be."""
    odd = ~np.isfinite(values) if values.dtype.kind == "f" else None
    if odd is not None and not odd.any():
        odd = None
    if odd is None and void is None:
        return values.min(), values.max(), None
    missing = odd if void is None else void if odd is None else odd | void
    found = values[~missing] if missing is not None else values
    if not found.size:
        raise PictureError("The picture holds no numbers, only NaN, infinity or empty cells. Choose another file.")
    return found.min(), found.max(), odd


def _divide(stored: Stored, asked: int | None, rules: int, void: np.ndarray | None, notes: list[str]) -> np.ndarray:
    """Integers as parts of white, 0…1."""
    values = stored.values
    if asked or stored.white:
        white = int(asked or stored.white or 0)
        notes.append(
            f"{stored.what.capitalize()} whose white is {white:,}, as {'asked' if asked else 'the file says'}."
        )
    else:
        bits = _guess_depth(values if void is None else values[~void], rules)
        white = (1 << bits) - 1
        notes.append(f"16-bit {stored.what} of which {bits} bits are used: white is {white}.")
        if bits == _DEPTHS[-1]:
            _warn_of_marks(values if void is None else values[~void], notes)
    above = values > white if void is None else (values > white) & ~void
    count = np.count_nonzero(above)
    scaled = values.astype(np.float32) / np.float32(white)
    if count or values.dtype.kind == "i" or void is not None:
        np.clip(scaled, 0, 1, out=scaled)
    if count:
        share = write_percent(count / values.size, 2)
        notes.append(f"What lies above it is shown white: {count:,} of the values ({share}).")
    return scaled


def _warn_of_marks(values: np.ndarray, notes: list[str]) -> None:
    """Say it where one number, such as that of lettering, is far above all others and makes them dark."""
    high = int(values.max())
    others = values[values != high]
    if not others.size or others.min() == others.max() or high - int(others.max()) <= _LONELY * high:
        return
    notes.append(
        f"The number {high:,} ({write_percent(1 - others.size / values.size, 2)} of the picture) is far above all "
        f"others, which end at {int(others.max()):,} and look dark beside it. If it is lettering or marks broken "
        f"pixels, say what is white: --white {(1 << int(others.max()).bit_length()) - 1} on the command line."
    )


def _guess_depth(values: np.ndarray, rules: int) -> int:
    """How many bits of integers are in use; see `scale`."""
    above = [np.count_nonzero(values >= 1 << bits) for bits in _DEPTHS]
    stray = values.size // _STRAY if rules > 1 else 0
    for place, count in enumerate(above[:-1]):
        if count == 0 or (count <= stray and (place > 0 or above[1] == count)):
            return _DEPTHS[place]
    return _DEPTHS[-1]
