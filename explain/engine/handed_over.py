"""Pictures as Python programs hold them: paths, bytes, open files, Pillow's, arrays and tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from explain.datasets.loose import LoosePicture
from explain.errors import PictureError
from explain.pictures.bounds import check_size
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture
from explain.storage import expand_home, read_file

if TYPE_CHECKING:
    from torch import Tensor

Given: TypeAlias = "Picture | LoosePicture | str | Path | bytes | IO[bytes] | Image.Image | np.ndarray | Tensor"
"""One picture, in any of the ways in which it may be handed over."""

_TAKEN = (
    "Give the path of a file, its bytes, a Pillow picture, an array (H, W, 3) or (H, W), or a tensor (3, H, W) or "
    "(1, H, W); or a list of them."
)


def open_pictures(given: Given | Iterable[Given]) -> list[Picture]:
    """The pictures of what was handed over: one, several, or a batch `(N, 3, H, W)` or `(N, H, W, 3)`.

    Raises:
        PictureError: something is no picture, or there is none.
    """
    return [*open_each(spread(given))]


def spread(given: Given | Iterable[Given]) -> list[Any]:
    """What was handed over, one by one, not yet opened.

    Raises:
        PictureError: it can be no pictures, or there are none.
    """
    one = (Picture, LoosePicture, str, Path, bytes, bytearray, memoryview, Image.Image)
    if isinstance(given, one) or hasattr(given, "read"):
        return [given]
    if _is_tensor(given) or isinstance(given, np.ndarray):
        several = list(given) if given.ndim == 4 else [given]  # type: ignore[union-attr]
    elif isinstance(given, Iterable) and not isinstance(given, dict):
        several = list(given)
    else:
        raise PictureError(f"A picture cannot be made of {_describe(given)}. {_TAKEN}")
    if not several:
        raise PictureError("Name at least one picture.")
    return several


def open_each(several: Sequence[Any]) -> Iterator[Picture]:
    """The pictures of what `spread` gave back, each opened when it is asked for, so that one is held at a time.

    Raises:
        PictureError: something is no picture.
    """
    for number, one in enumerate(several, 1):
        yield _open(one, "picture" if len(several) == 1 else f"picture {number}")


def list_digests(several: Sequence[Any]) -> Iterator[str]:
    """The digest of each picture; what does not know it is opened for it, and not held.

    Raises:
        PictureError: something is no picture.
    """
    for one in several:
        yield one.digest if isinstance(one, (Picture, LoosePicture)) else _open(one, "picture").digest


def _open(given: Any, name: str) -> Picture:
    """One picture.

    Args:
        given: see `Given`.
        name: what to call it where it has no name of its own.
    """
    if isinstance(given, Picture):
        return given
    if isinstance(given, LoosePicture):
        return given.open()
    if isinstance(given, (str, Path)):
        return _open_path(Path(given), str(given))
    if isinstance(given, (bytes, bytearray, memoryview)):
        return decode(bytes(given), name)
    if isinstance(given, Image.Image):
        own = getattr(given, "filename", "")
        return _build(_read_pillow(given), Path(str(own)).name or name)
    if _is_tensor(given):
        return _build(_lay_out(_read_tensor(given), channels_first=True), name)
    if isinstance(given, np.ndarray):
        return _build(_lay_out(given, channels_first=False), name)
    if hasattr(given, "read"):
        data = given.read()
        if not isinstance(data, bytes):
            raise PictureError("The file was opened as text. Open it with mode “rb”.")
        return decode(data, Path(str(getattr(given, "name", ""))).name or name)
    raise PictureError(f"A picture cannot be made of {_describe(given)}. {_TAKEN}")


def _open_path(path: Path, text: str) -> Picture:
    if text.partition(":")[0].lower() in ("http", "https", "ftp", "s3", "gs") and "//" in text:
        raise PictureError(f"{text} is an address. CAMscope fetches nothing: download the picture and name its file.")
    if expand_home(path).is_dir():
        raise PictureError(f"{path} is a directory. Name the pictures in it: sorted(Path({text!r}).glob('*.jpg')).")
    return decode(read_file(path, PictureError), path.name)


def _build(values: np.ndarray, name: str) -> Picture:
    """The picture of values `(H, W, 1 or 3)`, known by a digest of them."""
    digest = hashlib.sha256(f"array\n{values.dtype} {values.shape}\n".encode())
    digest.update(np.ascontiguousarray(values).data)
    return build_picture(name, values, digest.hexdigest(), ())


def _read_pillow(image: Image.Image) -> np.ndarray:
    """A Pillow picture as it is held, without turning it; what is transparent is laid on white."""
    check_size(image.height, image.width)
    try:
        if image.mode in ("I;16", "I;16L", "I;16B", "I", "F"):
            return _lay_out(np.asarray(image), channels_first=False)
        if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:  # its file is read only now, and may be cut off
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"The Pillow picture cannot be read: {error}.") from None


def _read_tensor(tensor: Any) -> np.ndarray:
    import torch

    values = tensor.detach().cpu()
    if values.is_floating_point():
        values = values.to(torch.float32)
    return np.asarray(values.resolve_conj().numpy())


def _lay_out(values: np.ndarray, channels_first: bool) -> np.ndarray:
    """An array of a picture as uint8 `(H, W, 3)` or float32 in 0…1 `(H, W, 1 or 3)`, memory of its own.

    Args:
        values: grey or in colour.
        channels_first: whether the colours are looked for on the first axis before the last.

    Raises:
        PictureError: it has no such shape, or its values cannot be told to be a picture's.
    """
    shape = values.shape
    if values.ndim == 4 and shape[0] == 1:
        values = values[0]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3:
        raise PictureError(f"An array of shape {shape} is no picture. {_TAKEN}")
    at = next((axis for axis in ((0, 2) if channels_first else (2, 0)) if values.shape[axis] in (1, 3)), None)
    if at is None:
        raise PictureError(f"An array of shape {shape} has neither 1 nor 3 colours on its first or last axis. {_TAKEN}")
    values = np.moveaxis(values, at, 2)
    check_size(*values.shape[:2])
    if values.dtype == np.uint8:
        return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values.copy()
    if not np.issubdtype(values.dtype, np.floating):
        raise PictureError(
            f"The array holds {values.dtype}, of which nobody can tell what is white. Give uint8 in 0…255, or divide "
            "by the value of white and give floats in 0…1."
        )
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise PictureError("The array holds values that are not numbers. Give floats in 0…1, or uint8 in 0…255.")
    if low < 0 or high > 1:
        advice = "divide it by 255" if low >= 0 and high <= 255 else "give it before it is normalised"
        raise PictureError(
            f"The array holds floats from {low:.3g} to {high:.3g}, and a picture's go from 0 (black) to 1 (white): "
            f"{advice}. CAMscope prepares it for the model by itself."
        )
    return np.array(values, dtype=np.float32)


def _is_tensor(given: object) -> bool:
    """Whether it is a tensor, without importing torch for what is none."""
    return any(f"{kind.__module__}.{kind.__name__}" == "torch.Tensor" for kind in type(given).__mro__)


def _describe(given: object) -> str:
    return "nothing" if given is None else f"a {type(given).__name__}"
