"""Phantoms as files: read back by the project's own reading, they are the same voxels at the same millimetres."""

import numpy as np
import pytest

from explain.bundled.phantoms.draw import SPACING, Phantom, draw_phantom
from explain.bundled.phantoms.files import encode_nifti, encode_series
from explain.bundled.phantoms.kinds import KINDS
from explain.pictures.volume_preprocessing import VolumePreprocessing
from explain.volumes.model_input import prepare_volume
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(KINDS[3].name, 11)


def _open(data: bytes) -> Volume:
    found = read_volumes([data])
    assert not found.problems and len(found.series) == 1
    return found.series[0].open()


@pytest.mark.parametrize("encode", [encode_nifti, encode_series])
def test_both_files_are_the_same_volume(encode: object, phantom: Phantom) -> None:
    data = encode(phantom)  # type: ignore[operator]
    assert data == encode(phantom)  # type: ignore[operator]
    volume = _open(data)
    assert volume.steps is not None and sorted(volume.steps) == sorted(SPACING)
    assert not any(volume.planes.values())
    choice = VolumePreprocessing(
        depth=32,
        input_size=(64, 64),
        spacing=SPACING,
        window=(-1024.0, 3071.0),
        channels=1,
        mean=(0.0,),
        std=(1.0,),
    )
    seen = prepare_volume(volume, choice).tensor[0, 0].numpy() * 4095 - 1024
    assert np.abs(seen - phantom.values).max() < 0.01
    assert volume.geometry is not None and volume.geometry.affine is not None
    far = np.array(volume.stored.shape) - 1
    wide = [volume.geometry.affine @ (*(np.array(at) * far), 1) for at in np.ndindex(2, 2, 2)]
    assert np.allclose(np.min(wide, 0)[:3], (-48, -48, -40)) and np.allclose(np.max(wide, 0)[:3], (46.5, 46.5, 37.5))


def test_the_mask_is_the_lesion(phantom: Phantom) -> None:
    volume = _open(encode_nifti(phantom, mask=True))
    assert int((volume.stored > 0).sum()) == int(phantom.lesion.sum())
