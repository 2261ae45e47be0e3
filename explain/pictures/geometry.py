"""From a picture to what the model is given, and the way back from the model's input to the picture's pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from explain.errors import PictureError
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from torch import Tensor

Places = TypeVar("Places", float, np.ndarray)


class Span(NamedTuple):
    """From where to where a box reaches along one axis, in the original picture's pixels."""

    start: float
    stop: float

    @property
    def length(self) -> float:
        """Pixels from start to stop."""
        return self.stop - self.start

    def to_pixels(self, cells: Places, count: int) -> Places:
        """Where cells have their middles, of `count` that share the span; the first is cell 0."""
        return self.start + (cells + 0.5) * (self.stop - self.start) / count

    def to_cells(self, pixels: Places, count: int) -> Places:
        """The way back: on which of `count` cells places lie. At a whole number is the middle of that cell."""
        return (pixels - self.start) / (self.stop - self.start) * count - 0.5


class Box(NamedTuple):
    """A rectangle in the original picture's pixels, whose edges lie at whole numbers. It may reach beyond the picture.

    Which axes there are is known here: others go through `spans`, in the order of the axes of a size or of an array's
    shape. Points are (x, y), as everywhere.
    """

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def from_spans(cls, spans: Iterable[Span]) -> Box:
        """The box that reaches so far along each axis."""
        rows, columns = spans
        return cls(columns.start, rows.start, columns.stop, rows.stop)

    @classmethod
    def whole(cls, size: Sequence[int]) -> Box:
        """All of a picture of `size` (height, width)."""
        return cls.from_spans(Span(0.0, float(side)) for side in size)

    @classmethod
    def common(cls, boxes: Iterable[Box]) -> Box:
        """What all boxes cover. Where that is nothing, it is empty: see `is_empty`."""
        along_axes = zip(*(box.spans for box in boxes), strict=True)
        return cls.from_spans(Span(max(s.start for s in spans), min(s.stop for s in spans)) for spans in along_axes)

    @property
    def spans(self) -> tuple[Span, Span]:
        """Rows and columns: what pairs with height and width, and with the axes of an array."""
        return Span(self.top, self.bottom), Span(self.left, self.right)

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts the box out of the picture's pixels `(H, W, ...)`: its rows and columns, rounded to whole ones."""
        rows, columns = (slice(round(span.start), round(span.stop)) for span in self.spans)
        return rows, columns

    @property
    def corners(self) -> list[tuple[float, float]]:
        """As an outline: the points (x, y) at its corners, clockwise from the upper left."""
        return [(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]

    @property
    def is_empty(self) -> bool:
        """Whether it covers nothing."""
        return any(span.stop <= span.start for span in self.spans)

    def rounded(self) -> Box:
        """With its edges at the nearest whole numbers, as `int`."""
        return Box(*(round(edge) for edge in self))

    def scaled(self, factor: float) -> Box:
        """The same part of the picture where that is so many times as large."""
        return Box(*(edge * factor for edge in self))

    def resized(self, size: Sequence[int], other: Sequence[int]) -> Box:
        """The same part of a picture of `size` (height, width) where that has the other size."""
        factors = [theirs / own for theirs, own in zip(other, size, strict=True)]
        return Box.from_spans(
            Span(span.start * factor, span.stop * factor) for span, factor in zip(self.spans, factors, strict=True)
        )

    def clipped(self, size: Sequence[int]) -> Box:
        """The part that lies on a picture of `size` (height, width)."""
        return Box.from_spans(
            Span(max(span.start, 0.0), min(span.stop, float(side))) for span, side in zip(self.spans, size, strict=True)
        )

    def lies_on(self, size: Sequence[int]) -> bool:
        """Whether it is a part, and not an empty one, of a picture of `size` (height, width)."""
        return all(0 <= span.start < span.stop <= side for span, side in zip(self.spans, size, strict=True))

    def covers(self, size: Sequence[int]) -> bool:
        """Whether the centres of all pixels of a picture of `size` (height, width) lie inside."""
        return all(span.start <= 0.5 and span.stop > side - 0.5 for span, side in zip(self.spans, size, strict=True))

    def find_middle(self, cell: Sequence[int], shape: Sequence[int]) -> tuple[float, float]:
        """Where a cell (row, column) of a map of that shape, laid over the box, has its middle: x and y."""
        along = zip(self.spans, cell, shape, strict=True)
        y, x = (float(span.to_pixels(index, count)) for span, index, count in along)
        return x, y

    def find_share(self, point: tuple[float, float]) -> tuple[float, float]:
        """How far a point (x, y) lies on the way from left to right and from top to bottom, 0…1 inside the box."""
        down, across = ((at - span.start) / span.length for span, at in zip(self.spans, point[::-1], strict=True))
        return across, down


_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's own "L"

Framing = Literal["crop", "squash", "pad"]
"""How a picture of another shape becomes the input's; see `Preprocessing`."""

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]

MOST_CHANNELS = 6

InputChannels = Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
"""1 is grey, 3 are RGB; what others hold, only who trained the network knows."""

_Resized = Annotated[int, Field(ge=1, le=4096)]

ResizeSize = _Resized | tuple[_Resized, _Resized]
"""To what a picture is resized before a crop: its shorter side, as torchvision counts, or a height and width that it
just covers, as timm counts."""


class Preprocessing(BaseModel):
    """How a picture becomes a model's input.

    Attributes:
        input_size: height and width of the input in pixels.
        fit: `crop` resizes the picture to `resize_size`, its shape kept, and keeps the middle; `squash` resizes both
            sides to the input, whatever the aspect ratio; `pad` fits the whole picture in and fills the rest with the
            mean.
        resize_size: before the crop, the shorter side, or a height and width that the picture just covers; None stands
            for the input's own.
        interpolation: filter of the (antialiased) resize.
        enlarged: how many times the pictures of the training were enlarged to the input. A picture is first reduced to
            that fraction of the input, so that the model is shown no finer detail than it was trained on.
        channels: 1 (grey), 3 (RGB), or as many bands as the pictures have.
        mean: subtracted from each channel of the picture in 0…1.
        std: divides each channel after that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: tuple[PositiveInt, PositiveInt]
    fit: Framing = "crop"
    resize_size: ResizeSize | None = None
    interpolation: Interpolation = "bilinear"
    enlarged: int = Field(default=1, ge=1, le=16)
    channels: InputChannels = 3
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    @property
    def sides(self) -> tuple[int, ...]:
        """The input's side along each axis of space: height and width, and depth before them where it is a volume."""
        return self.input_size

    @model_validator(mode="after")
    def _check_normalisation(self) -> Preprocessing:
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(f"mean and std need one number for each of the {self.channels} channels")
        if not np.isfinite([*self.mean, *self.std]).all() or min(self.std) <= 0:
            raise ValueError("mean and std must be finite numbers, and std above zero")
        return self


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model's input and where it lies on the picture.

    Attributes:
        tensor: `(1, C, h, w)` float32, normalised.
        box: the rectangle of the picture that the input shows. Smaller than the picture after a crop; reaching beyond
            it where the input was padded.
    """

    tensor: Tensor
    box: Box


def find_box(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """The rectangle of a picture of `size` (height, width) that the model's input covers.

    Crops follow torchvision's and timm's arithmetic to the pixel: the resized side is cut down to a whole number, the
    crop starts at the rounded half of what is left over.
    """
    height, width = size
    input_height, input_width = preprocessing.input_size
    if preprocessing.fit == "squash":
        return Box.whole(size)
    if preprocessing.fit == "pad":
        # Whole input pixels, so that the box says to the pixel where the picture lies.
        scale = min(input_height / height, input_width / width)
        resized_width, resized_height = max(round(width * scale), 1), max(round(height * scale), 1)
    else:
        resized_height, resized_width = _resize_sides(size, preprocessing.resize_size or preprocessing.input_size)
    left, top = round((resized_width - input_width) / 2), round((resized_height - input_height) / 2)
    scale_x, scale_y = width / resized_width, height / resized_height
    return Box(left * scale_x, top * scale_y, (left + input_width) * scale_x, (top + input_height) * scale_y)


def _resize_sides(size: tuple[int, int], target: int | tuple[int, int]) -> tuple[int, int]:
    """The height and width of a picture of `size` once it is resized for a crop; see `Preprocessing.resize_size`."""
    height, width = size
    if isinstance(target, int) or target[0] == target[1]:
        short = target if isinstance(target, int) else target[0]
        return (int(short * height / width), short) if width <= height else (short, int(short * width / height))
    ratio = min(height / target[0], width / target[1])
    return round(height / ratio), round(width / ratio)


def prepare(picture: Picture, preprocessing: Preprocessing) -> Prepared:
    """Cut, resize and normalise a picture for a model.

    Raises:
        PictureError: the model reads volumes; or the picture has more or fewer channels than it takes. Colour is made
            grey for a model of one channel, and grey is repeated for one of colour; all else would be a guess.
    """
    import torch

    if len(preprocessing.sides) > len(preprocessing.input_size):
        raise PictureError(
            f"This model reads whole volumes of {'×'.join(map(str, preprocessing.sides))} voxels, and a picture is one "
            "slice. Open its series on Compare, or choose a model that reads pictures."
        )

    box = find_box(picture.size, preprocessing)
    pixels = picture.choose_bands(preprocessing.channels)
    own, wanted = pixels.shape[2], preprocessing.channels
    if own == 3 and wanted == 1:
        grey = pixels.astype(np.float32) @ _LUMINANCE
        pixels = (grey if pixels.dtype == np.float32 else grey / 255)[..., None]
    elif own != wanted and (own, wanted) != (1, 3):
        raise PictureError(
            f"This model takes {wanted} {'channel' if wanted == 1 else 'channels'}; the picture has {own}. "
            f"Give a picture of {_name_channels(wanted)}, or choose a model for {_name_channels(own)}."
        )
    rows, columns = preprocessing.input_size
    size = (max(rows // preprocessing.enlarged, 1), max(columns // preprocessing.enlarged, 1))
    resized = _resize(pixels, box, size, preprocessing.interpolation)
    if size != preprocessing.input_size:
        resized = _resize_planes(resized, (columns, rows), preprocessing.interpolation)
    if resized.shape[2] < preprocessing.channels:
        resized = np.repeat(resized, preprocessing.channels, axis=2)
    # Channel by channel: along an axis of three NumPy is slow.
    normalised = np.array(resized.transpose(2, 0, 1), dtype=np.float32, order="C")
    for plane, mean, std in zip(normalised, preprocessing.mean, preprocessing.std, strict=True):
        plane -= np.float32(mean)
        plane /= np.float32(std)
    if preprocessing.fit == "pad":
        normalised[:, _is_padding(picture.size, box, preprocessing.input_size)] = 0.0
    return Prepared(torch.from_numpy(normalised).unsqueeze(0), box)


def _name_channels(count: int) -> str:
    return {1: "grey", 3: "colour"}.get(count, f"{count} bands, such as a TIFF of {count}")


def _resize(pixels: np.ndarray, box: Box, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """The part of `pixels` inside `box` as `(*size, C)` float32 in 0…1; outside the picture, its edge."""
    height, width = pixels.shape[:2]
    inside = box.clipped((height, width))
    # How many input pixels the part inside the picture takes up: whole numbers but for rounding noise.
    per_x, per_y = size[1] / (box.right - box.left), size[0] / (box.bottom - box.top)
    left, right = round((inside.left - box.left) * per_x), round((inside.right - box.left) * per_x)
    top, bottom = round((inside.top - box.top) * per_y), round((inside.bottom - box.top) * per_y)
    fitted = (max(right - left, 1), max(bottom - top, 1))
    if inside == Box.whole((height, width)) and fitted == (width, height):
        resized = pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels
    elif pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        image = Image.fromarray(pixels).resize(fitted, _FILTERS[interpolation], box=inside)
        resized = np.asarray(image, dtype=np.float32) / 255
    else:
        resized = _resize_planes(pixels, fitted, interpolation, inside) / (255.0 if pixels.dtype == np.uint8 else 1.0)
    missing = ((top, size[0] - top - fitted[1]), (left, size[1] - left - fitted[0]), (0, 0))
    return np.pad(resized, missing, mode="edge") if any(before or after for before, after in missing) else resized


def _resize_planes(pixels: np.ndarray, size: tuple[int, int], interpolation: str, box: Box | None = None) -> np.ndarray:
    """Each channel resized as float32, without rounding or clipping; `size` is width and height."""
    planes = [
        Image.fromarray(pixels[..., channel].astype(np.float32)).resize(size, _FILTERS[interpolation], box=box)
        for channel in range(pixels.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _is_padding(size: tuple[int, int], box: Box, input_size: tuple[int, int]) -> np.ndarray:
    """Which input pixels have their centre outside the picture, `(h, w)` bool."""
    centres = [span.to_pixels(np.arange(count), count) for span, count in zip(box.spans, input_size, strict=True)]
    row_out, column_out = ((at < 0) | (at > side) for at, side in zip(centres, size, strict=True))
    return row_out[:, None] | column_out[None, :]
