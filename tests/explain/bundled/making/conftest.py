"""What the tests of the training scripts share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.bundled.class_names import CLASSES


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of noise for each class, to train on and to test with."""
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.jpg")
    return folder
