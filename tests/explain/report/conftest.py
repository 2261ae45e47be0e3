"""An answer of the engine to write down."""

import pytest

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    """Two pictures, two methods, one of which the model cannot be asked by, and CF-CAM moved from its default."""
    return Engine("cpu").explain(
        [entry.path for entry in bundled_pictures()[:2]],
        "photo-cnn",
        ["grad-cam", "cf-cam", "prompt-cam"],
        settings={"cf-cam": {"sigma": 2.0}},
        score="probability",
        augmentation="flip",
    )
