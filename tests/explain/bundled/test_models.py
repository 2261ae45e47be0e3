"""What ships: the descriptions of the models, and their cards."""

import re

from explain.bundled.making import aviary, photographs
from explain.bundled.models import FIRST_MODEL, FIRST_VIT, MODELS_FOLDER, bundled_models
from explain.models.load import load_model
from explain.models.request import parse_model


def test_bundled_files_describe_what_was_trained() -> None:
    """The JSON files repeat the training's classes and normalisation, because reading them must not import torch."""
    listed = bundled_models()
    scans = ["chest-xray", "scan-mri", "scan-mri-tumour"]
    names = ["imagenet-cnn", "photo-cnn", "photo-vit", "birds-cnn", "birds-vit", *scans]
    assert [model.name for model in listed] == names
    # Those of scans are trained as their files say: the scripts read them.
    here = [model for model in listed if model.name not in ("imagenet-cnn", *scans)]
    for model, trained, side in zip(here, (photographs, photographs, aviary, aviary), (64, 64, 96, 96), strict=True):
        own = model.preprocessing
        assert model.classes == trained.CLASSES and own.mean == trained.MEAN and own.std == trained.STD
        assert own.input_size == (side, side)


def test_what_is_used_where_no_model_is_named_ships() -> None:
    prompted = {model.name: model.prompts for model in bundled_models()}
    assert FIRST_MODEL in prompted and prompted[FIRST_VIT] is not None


def test_a_bundled_model_may_name_its_best_layer() -> None:
    named = {model.name: model.layer for model in bundled_models() if model.layer is not None}
    assert named
    for name, layer in named.items():
        model = load_model(parse_model(name))
        assert model.default_layer is not None and model.default_layer.name == layer
        assert model.default_layer in model.layers and model.default_layer != model.layers[-1]


def test_cards_say_what_was_measured() -> None:
    for model in bundled_models():
        card = (MODELS_FOLDER / model.card).read_text(encoding="utf-8")
        for accuracy in (model.accuracy, model.prompts_accuracy):
            if accuracy is not None:
                assert f"{accuracy:.2f} %" in re.sub(r"\*", "", card)
        if model.accuracy is not None:  # a percentage never goes without its count
            assert f"{model.test_pictures:,}" in card and f"{model.test_pictures:,}" in model.describe_accuracy()
