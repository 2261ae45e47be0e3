"""What a network of volumes is given: bounds, and letters for directions."""

import pytest
from pydantic import ValidationError

from explain.pictures.volume_preprocessing import VolumePreprocessing

_GREY = {"depth": 8, "input_size": (16, 16), "channels": 1, "mean": (0.5,), "std": (0.25,)}


def test_sides_are_those_of_space() -> None:
    assert VolumePreprocessing.model_validate(_GREY).sides == (8, 16, 16)


@pytest.mark.parametrize(
    ("written", "letters", "directions"),
    [
        ("SPL", "SPL", ((2, 1), (1, 1), (0, 1))),
        ("ras", "RAS", ((0, -1), (1, -1), (2, 1))),
        (" HPL ", "SPL", ((2, 1), (1, 1), (0, 1))),
        ("FAR", "IAR", ((2, -1), (1, -1), (0, -1))),
    ],
)
def test_letters_are_directions_in_lps(written: str, letters: str, directions: tuple[tuple[int, int], ...]) -> None:
    chosen = VolumePreprocessing.model_validate({**_GREY, "orientation": written})
    assert chosen.orientation == letters
    assert chosen.find_directions() == directions


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"orientation": "SSL"}, "three letters"),
        ({"orientation": "SP"}, "three letters"),
        ({"orientation": "XYZ"}, "three letters"),
        ({"spacing": (0.0, 1.0, 1.0)}, "mm apart"),
        ({"spacing": (1.0, 1.0, 900.0)}, "mm apart"),
        ({"spacing": (1.0, 1.0, float("nan"))}, "mm apart"),
        ({"window": (100.0, 100.0)}, "from a lower to a higher"),
        ({"window": (float("nan"), 1.0)}, "finite"),
        ({"depth": 0}, "greater than 0"),
        ({"depth": 2000, "input_size": (2000, 2000)}, "64,000,000 voxels"),
    ],
)
def test_absurd_settings_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        VolumePreprocessing.model_validate({**_GREY, **wrong})
