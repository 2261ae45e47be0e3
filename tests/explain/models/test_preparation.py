"""Preprocessing that a person gives: its units, what is assumed beside it, other sizes and channels."""

import pytest

from explain.errors import ModelError
from explain.models.preparation import find_scale, note_assumed, note_normalisation, override_preprocessing
from explain.models.request import ModelRequest
from explain.pictures.geometry import Preprocessing

OWN = Preprocessing(input_size=(224, 224), resize_size=256)


def ask(**fields: object) -> ModelRequest:
    return ModelRequest.model_validate({"source": "file", "name": "mine.pt", **fields})


def test_numbers_of_0_to_255_are_divided_and_that_is_said() -> None:
    """OpenMMLab's, Caffe's and Keras's ways of writing what is the same in 0…1."""
    request = ask(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    changed = override_preprocessing(OWN, request)
    assert changed.mean == pytest.approx((0.485, 0.456, 0.406)) and changed.std == pytest.approx((0.229, 0.224, 0.225))
    (note,) = note_normalisation(request, changed)
    assert "units of 0…255 and divided by 255: 0.485, 0.456, 0.406" in note
    for mean, std, wanted in (
        ((127.5,), (127.5,), (0.5, 0.5)),
        ((0.0,), (255.0,), (0.0, 1.0)),
        ((128.0, 128.0, 128.0), (1.0,), (128 / 255, 1 / 255)),
    ):
        changed = override_preprocessing(OWN, ask(mean=mean, std=std))
        assert (changed.mean[0], changed.std[0]) == pytest.approx(wanted)
    blue_first = ask(mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
    assert "blue, green, red" in " ".join(note_normalisation(blue_first, override_preprocessing(OWN, blue_first)))


def test_units_that_differ_are_refused() -> None:
    for mean, std in (((123.675,), (0.229,)), ((0.485,), (58.4,)), ((0.5, 0.5, 0.5), (127.5,))):
        with pytest.raises(ModelError, match=r"not in the same units.*divided by 255"):
            find_scale(mean, std)
    with pytest.raises(ModelError, match="not in the same units"):
        override_preprocessing(OWN, ask(mean=(123.675, 116.28, 103.53)))
    for mean, std, words in (
        ((300.0,), (1.0,), "mean cannot be 300"),
        ((float("nan"),), (1.0,), "mean cannot be nan"),
        ((0.5,), (-0.1,), "std cannot be -0.1"),
        ((0.5,), (float("inf"),), "std cannot be inf"),
    ):
        with pytest.raises(ModelError, match=words):
            find_scale(mean, std)


@pytest.mark.parametrize(
    ("mean", "std", "strange"),
    [
        ((0.5,), (0.5,), False),
        ((0.0,), (1.0,), False),
        ((0.481, 0.458, 0.408), (0.269, 0.261, 0.276), False),
        ((0.1307,), (0.3081,), False),
        ((0.5,), (0.9,), True),
        ((0.5,), (0.002,), True),
        ((-0.3,), (0.5,), True),
        ((0.99,), (0.2,), True),
    ],
)
def test_numbers_that_pictures_do_not_have_are_warned_of(mean: tuple[float], std: tuple[float], strange: bool) -> None:
    request = ask(mean=mean, std=std)
    notes = note_normalisation(request, override_preprocessing(OWN, request))
    assert ["unusual" in note for note in notes] == [True] * strange


def test_what_was_assumed_is_said() -> None:
    def note(own: Preprocessing = OWN, told: int | tuple[int, int] | None = None, **fields: object) -> str:
        request = ask(**fields)
        return " ".join(note_assumed(request, override_preprocessing(own, request), told))

    assert note().startswith(
        "ImageNet's mean and deviation, shorter side to 256, centre crop 224: assumed, since the file does not say."
    )
    assert "set fit to squash" in note()
    assert note(fit="squash") == "ImageNet's mean and deviation, input 224×224: assumed, since the file does not say."
    assert note(fit="squash", mean=(0.5,), std=(0.5,), input_size=96) == ""
    assert note(fit="crop", resize_size=256, mean=(0.5,), std=(0.5,), input_size=224) == ""
    assert note(mean=(0.5,), fit="squash", input_size=96).startswith("Deviation 0.229, 0.224, 0.225: assumed")
    assert "resized to cover 293×146, centre crop 256×128" in note(input_size=(256, 128))
    assert "taken for pictures of 256×128 (height × width)" in note(told=(256, 128), input_size=(256, 128))


def test_a_size_that_is_no_square_keeps_the_share_of_the_crop() -> None:
    upright = override_preprocessing(OWN, ask(input_size="256x128"))
    assert upright.input_size == (256, 128) and upright.resize_size == (293, 146)  # 256 · 256/224 and 128 · 256/224
    back = override_preprocessing(upright, ask(input_size=224))
    assert back.input_size == (224, 224) and back.resize_size == 256
    assert override_preprocessing(OWN, ask(input_size=112)).resize_size == 128
    for fields in ({"input_size": (256, 128), "resize_size": 200}, {"input_size": 224, "resize_size": (300, 200)}):
        with pytest.raises(ModelError, match="at least as large as the input"):
            override_preprocessing(OWN, ask(**fields))
    assert override_preprocessing(OWN, ask(input_size=(256, 128), resize_size=(256, 128))).resize_size == (256, 128)


def test_channels_beside_colour() -> None:
    """Three keep their numbers, the others have their mean: 0.449 of 0.485, 0.456 and 0.406."""
    four = override_preprocessing(OWN, ask(channels=4))
    assert four.mean == (0.485, 0.456, 0.406, 0.449) and four.std == (0.229, 0.224, 0.225, 0.226)
    assert override_preprocessing(OWN, ask(channels=2)).mean == (0.449, 0.449)
    assert override_preprocessing(OWN, ask(channels=1)).mean == (0.449,)
    assert override_preprocessing(OWN, ask(channels=6, mean=(0.1,) * 6, std=(0.2,))).std == (0.2,) * 6
    with pytest.raises(ModelError, match="mean has 3 numbers for 4 channels"):
        override_preprocessing(OWN, ask(channels=4, mean=(0.1, 0.2, 0.3)))
