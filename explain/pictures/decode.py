"""From the bytes of a file to a picture, whatever its extension says."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from explain.errors import PictureError, make_printable
from explain.pictures.bounds import check_bytes
from explain.pictures.picture import Picture, build_picture
from explain.pictures.scaling import MOST_WHITE, RULES
from explain.rights import need

_LONGEST_NAME = 80


def decode(data: bytes, name: str, white: int | None = None, rules: int = RULES) -> Picture:
    """Read a picture, whatever its file's extension says.

    Args:
        data: the whole file.
        name: what the person calls it; kept as it is in `Picture.name`.
        white: the number that is white in a PNG, TIFF, PGM, PPM or JPEG 2000 of more than 8 bits, 1…65535: the same for
            all pictures of a series. Where None, each file's own bits in use say it.
        rules: by which rules the file's numbers become pixels. Those of today, but where a manifest says otherwise.

    Raises:
        PictureError: for anything that is not a whole, readable picture within the bounds above, and for a white that
            cannot be one.
        RightsError: it is a scan, and whoever acts may open none.
    """
    if white is not None and not 1 <= white <= MOST_WHITE:
        raise PictureError(f"White is a number from 1 to {MOST_WHITE}, not {white}: the number of the brightest grey.")
    used, modality, placement = False, None, None
    try:
        check_bytes(len(data))
        # Both readers load libraries (Pillow, pydicom) that a page can be painted without.
        from explain.pictures import dicom, raster

        if dicom.is_dicom(data):
            need("scans")
            values, notes = dicom.read(data, rules)
            modality, placement = dicom.read_modality(data), dicom.read_placement(data)
        else:
            values, notes, used = raster.read(data, white, rules)
    except PictureError as error:
        # Nothing of the cause is kept: the words of a DICOM reader may quote the patient's data.
        raise PictureError(f"“{make_printable(name, _LONGEST_NAME, _LONGEST_NAME // 2)}”: {error}") from None
    source = hashlib.sha256(data).hexdigest()
    told = white if used else None
    # To every cache the same file with another white is another picture.
    digest = source if told is None else hashlib.sha256(f"{source} white {told}".encode()).hexdigest()
    picture = build_picture(name, values, digest, tuple(notes))
    return replace(picture, source=source, white=told, rules=rules, modality=modality, placement=placement)
