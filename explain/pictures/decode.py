"""From the bytes of a file to a picture, whatever its extension says."""

from __future__ import annotations

import hashlib

from explain.errors import PictureError, make_printable
from explain.pictures.bounds import check_bytes
from explain.pictures.picture import Picture, build_picture

_LONGEST_NAME = 80


def decode(data: bytes, name: str) -> Picture:
    """Read a picture, whatever its file's extension says.

    Args:
        data: the whole file.
        name: what the person calls it; kept as it is in `Picture.name`.

    Raises:
        PictureError: for anything that is not a whole, readable picture within the bounds above.
    """
    try:
        check_bytes(len(data))
        # Both readers load libraries (Pillow, pydicom) that a page can be painted without.
        from explain.pictures import dicom, raster

        values, notes = dicom.read(data) if dicom.is_dicom(data) else raster.read(data)
    except PictureError as error:
        # Nothing of the cause is kept: the words of a DICOM reader may quote the patient's data.
        raise PictureError(f"“{make_printable(name, _LONGEST_NAME, _LONGEST_NAME // 2)}”: {error}") from None
    return build_picture(name, values, hashlib.sha256(data).hexdigest(), tuple(notes))
