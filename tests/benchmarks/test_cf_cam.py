"""CF-CAM on the real network that the benchmark measures: there, too, both sliders move the map."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.cf_cam import capture_classes, choose_photographs, correlation, load_network, load_photograph
from explain.methods import get_method
from explain.methods.cf_cam.settings import CfCamSettings
from explain.passes.capture import LayerCapture

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


@pytest.fixture(scope="module")
def captures() -> list[LayerCapture]:
    if not (DATA / "squeezenet1_0_imagenet.safetensors").exists():
        pytest.skip(f"needs the photographs and the SqueezeNet of {DATA}")
    network = load_network(DATA)
    paths = choose_photographs(DATA / "imagenet", 6)
    return [capture_classes(network, load_photograph(path))[0] for path in paths]


@pytest.mark.parametrize(("name", "alike"), [("eps", 0.95), ("sigma", 0.9)])
def test_sliders_move_the_default_map_of_a_real_network(captures: list[LayerCapture], name: str, alike: float) -> None:
    """By the correlation, after ReLU, of the maps at the two ends of the slider."""
    bounds = CfCamSettings.model_json_schema()["properties"][name]
    correlations = []
    for capture in captures:
        ends = [CfCamSettings.model_validate({name: bounds[end]}) for end in ("minimum", "maximum")]
        low, high = (get_method("cf-cam").function(capture, settings).values for settings in ends)
        correlations.append(correlation(low.relu(), high.relu()))
    assert np.mean(correlations) < alike
