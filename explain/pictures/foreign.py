"""What a file is that is no picture, or none that can be read, and what to do with it."""

from __future__ import annotations

from explain.pictures.bounds import READABLE

_SAVE = f"Save the picture as one of {READABLE}."
_CHOOSE = "give it to Compare or to `show --slice`, and choose a slice."
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", f"A PDF document cannot be read. Save the picture in it as one of {READABLE}."),
    (b"\xff\x0a", f"JPEG XL pictures cannot be read. {_SAVE}"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", f"JPEG XL pictures cannot be read. {_SAVE}"),
    (b"8BPS", f"Photoshop documents cannot be read. {_SAVE}"),
    (b"\x93NUMPY", "A NumPy array cannot be read, for it does not say what its numbers mean. Save it as PNG or TIFF."),
    (b"\x89HDF\r\n\x1a\n", "An HDF5 file cannot be read. Save one picture of it as PNG or TIFF."),
    (
        b"PK\x03\x04",
        "A zip archive is no picture. Unpack it and give what is in it. Of scans in a zip, Compare and `show` show "
        "slices; to learn from, the Studio takes it whole.",
    ),
    (
        b"\x1f\x8b",
        f"A gzip file is no picture. Unpack it first; or if it is a NIfTI volume (.nii.gz), {_CHOOSE}",
    ),
)
_NIFTI = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")
_MARKUP_BYTES = 1024


def name_foreign(data: bytes) -> str:
    """The sentence for a file that is none of those that can be read."""
    for signature, sentence in _SIGNATURES:
        if data.startswith(signature):
            return sentence
    if data[4:8] == b"ftyp":
        return f"HEIC pictures and videos cannot be read. {_SAVE}"
    if data[344:348] in _NIFTI or data[4:8] in _NIFTI:
        return f"A NIfTI volume is not one picture: {_CHOOSE}"
    start = data[:_MARKUP_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start:
        return "An SVG drawing is not a picture of pixels. Save it as PNG."
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return (
            "This is a web page, not a picture: the download went wrong, or asks for a login. "
            "Open the address in a browser and save the picture itself."
        )
    return f"This is not a picture that can be read. Give a {READABLE} file."
