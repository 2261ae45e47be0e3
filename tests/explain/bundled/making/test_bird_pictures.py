"""The example birds are what the generator draws, and their parts are its masks."""

import numpy as np
from PIL import Image

from explain.bundled.making.bird_pictures import draw_example, number_parts
from explain.bundled.pictures import bundled_pictures

BIRDS = [picture for picture in bundled_pictures() if picture.seed is not None]


def test_files_are_what_the_generator_draws() -> None:
    for picture in BIRDS:
        bird = draw_example(picture)
        with Image.open(picture.path) as image:
            assert np.abs(np.asarray(image).astype(int) - bird.pixels).mean() < 3
        assert picture.parts is not None and picture.parts.stat().st_size < 10_000
        with Image.open(picture.parts) as image:
            assert image.mode == "P"
            assert np.array_equal(np.asarray(image), number_parts(bird))
