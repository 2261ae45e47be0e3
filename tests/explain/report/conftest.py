"""Answers of the engine to write down."""

import pytest

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.engine.whole_volumes import VolumeExplanation
from explain.volumes.reading import read_volumes
from tests.explain.report.scans.conftest import DATES
from tests.support.dicom_files import make_series, ramp, write
from tests.support.volume_network import load_network


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


@pytest.fixture(scope="session")
def ct_files() -> list[bytes]:
    """The files of a CT of eight slices, 5 mm apart, which name a patient."""
    return [write(one) for one in make_series(ramp(8, 40, 48), **DATES)]


@pytest.fixture(scope="session")
def volume_answer(ct_files: list[bytes]) -> VolumeExplanation:
    """Two maps of it as a whole, by a network that sees its middle."""
    engine, volume = Engine("cpu"), read_volumes(ct_files).series[0].open()
    return engine.explain_volume(volume, load_network(engine), ["grad-cam", "hires-cam"], target="bright")
