"""Draw the example birds anew: `python -m explain.bundled.making.bird_pictures`. What to draw is in `pictures.json`."""

import colorsys

import numpy as np
from PIL import Image

from explain.bundled.birds.draw import Bird, draw_bird
from explain.bundled.birds.species import PARTS
from explain.bundled.pictures import BundledPicture, bundled_pictures

SIZE = 480
_QUALITY = 90


def draw_example(picture: BundledPicture) -> Bird:
    """The bird of an example picture, as it was drawn before it became a JPEG."""
    if picture.seed is None:
        raise ValueError(f"{picture.name} is no drawn bird.")
    return draw_bird(picture.classes[0], picture.seed, SIZE)


def number_parts(bird: Bird) -> np.ndarray:
    """The number of the part drawn last in each pixel, counted from 1 in the order of `PARTS`; 0 where none is."""
    numbers = np.zeros(bird.pixels.shape[:2], np.uint8)
    for number, part in enumerate(PARTS, start=1):
        numbers[bird.masks[part]] = number
    return numbers


def main() -> None:
    """Write a JPEG and the parts of each bird among the examples."""
    colours = [colorsys.hsv_to_rgb(index / len(PARTS), 0.7, 0.9) for index in range(len(PARTS))]
    palette = [0, 0, 0, *(round(255 * channel) for colour in colours for channel in colour)]
    for picture in bundled_pictures():
        if picture.parts is None:
            continue
        bird = draw_example(picture)
        Image.fromarray(bird.pixels).save(picture.path, quality=_QUALITY, optimize=True)
        parts = Image.fromarray(number_parts(bird), "P")
        parts.putpalette(palette)
        parts.save(picture.parts, optimize=True)


if __name__ == "__main__":
    main()
