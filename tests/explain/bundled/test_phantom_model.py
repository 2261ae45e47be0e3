"""`phantom-3d` as it ships: small, right on fresh phantoms, needs the lesion, and finds it far above chance."""

from __future__ import annotations

import numpy as np
import pytest

from explain.bundled.models import VOLUMES_FOLDER, bundled_volume_models, find_bundled_model
from explain.bundled.phantoms.draw import SPACING, draw_phantom
from explain.bundled.phantoms.kinds import KINDS
from explain.engine.engine import Engine
from explain.maps.render import RenderSettings
from explain.models.loaded import LoadedModel
from explain.report.one_page.volume import describe_volume_page
from explain.volumes.from_array import build_volume
from explain.volumes.volume import Volume

_SEEDS = range(30_000_000, 30_000_016)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


@pytest.fixture(scope="module")
def phantom_net(engine: Engine) -> LoadedModel:
    return engine.load("phantom-3d")


def _lay_down(values: np.ndarray, modality: str | None = None) -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(SPACING)[::-1]
    return build_volume(values, affine, modality=modality)


def test_it_ships_apart_from_models_of_pictures() -> None:
    (declared,) = bundled_volume_models()
    assert find_bundled_model("phantom-3d") == declared
    assert declared.classes == tuple(kind.name for kind in KINDS)
    assert (VOLUMES_FOLDER / declared.card).is_file()
    assert (VOLUMES_FOLDER / declared.weights).stat().st_size < 2_000_000
    assert declared.accuracy is not None and declared.accuracy >= 95
    assert f"{declared.accuracy:.2f} %" in (VOLUMES_FOLDER / declared.card).read_text()


def test_it_is_right_on_fresh_phantoms_and_needs_the_lesion(engine: Engine, phantom_net: LoadedModel) -> None:
    right, hits, kept = 0, 0, []
    for seed in _SEEDS:
        target = seed % len(KINDS)
        phantom = draw_phantom(KINDS[target].name, seed)
        answer = engine.explain_volume(_lay_down(phantom.values), phantom_net, "grad-cam", target=target)
        right += answer.predictions[0].index == target
        (one,) = answer.maps
        near = (
            np.abs(np.argwhere(phantom.lesion) - one.peak_voxel) <= np.array(phantom.lesion.shape) // one.values.shape
        )
        hits += bool(near.all(1).any())
        bare = engine.explain_volume(_lay_down(phantom.bare), phantom_net, "grad-cam", target=target)
        kept.append(next(p.probability for p in bare.predictions if p.index == target))
    assert right >= 15
    assert hits >= 4, "of 16; chance has 0.3, and the middle of the volume 1"
    assert np.mean(kept) < 0.3


def test_of_a_patient_it_says_first_that_it_knows_phantoms(engine: Engine, phantom_net: LoadedModel) -> None:
    values = draw_phantom(KINDS[0].name, _SEEDS[0]).values
    of_patient = engine.explain_volume(_lay_down(values, "CT"), phantom_net, "grad-cam", target=0)
    (caution,) = of_patient.cautions
    assert caution == "phantom-3d knows drawn phantoms, not CT slices. What it says here means little."
    assert of_patient.notes[0] == caution and of_patient.lay_on(of_patient.volume.slice(16)).caution == caution
    page = describe_volume_page(of_patient, RenderSettings())
    assert page.cautions == (caution,)
    assert caution not in [said.sentence for _, section in page.sections for said in section]
    assert engine.explain_volume(_lay_down(values, "OT"), phantom_net, "grad-cam", target=0).cautions == ()
