"""The strip of maps over eps: what it offers, on Compare when it is asked for, and what pressing it does."""

from __future__ import annotations

from components.maps.eps_strip import list_eps
from explain.methods.cf_cam.settings import CfCamSettings


def test_the_strip_has_the_magnitudes_of_eps_and_its_default() -> None:
    values = list_eps()
    assert values == sorted(values) and len(values) >= 6
    assert {0.0, CfCamSettings().eps, 1.0, 25.0} <= set(values)
