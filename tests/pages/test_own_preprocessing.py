"""How a network was trained, said in the form beside its file, driven without a browser."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch

from explain.models.architectures import build_architecture, parse_architecture

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(scope="module")
def weights() -> bytes:
    torch.manual_seed(0)
    stream = io.BytesIO()
    torch.save(build_architecture(parse_architecture("timm/resnet10t"), 3, 3, None).state_dict(), stream)
    return stream.getvalue()


def fill_in(dashboard: Any, weights: bytes, **fields: str) -> None:
    dashboard.give_file(("mine.pt", weights), architecture="timm/resnet10t")
    for name, value in fields.items():
        dashboard.test.text_input(key=f"model-{name.replace('_', '-')}").set_value(value)
    dashboard.test.run()


def test_a_squashed_input_that_is_no_square(dashboard: Any, weights: bytes) -> None:
    fill_in(dashboard, weights, size="96 × 160", mean="127.5", std="127.5")
    dashboard.test.selectbox(key="model-fit").set_value("squash")
    dashboard.test.selectbox(key="model-interpolation").set_value("lanczos")
    labels = b'{"daisy": 0, "rose": 1, "tulip": 2}'
    dashboard.test.file_uploader(key="model-label-file").set_value(("class_indices.json", labels, ""))
    dashboard.use_file()
    assert not dashboard.test.exception and not dashboard.test.error
    request = dashboard.test.session_state["model"].request
    assert (request.input_size, request.fit, request.interpolation) == ((96, 160), "squash", "lanczos")
    assert request.label_names == ("daisy", "rose", "tulip")
    assert dashboard.values("grad-cam").shape == (6, 10)
    assert "divided by 255" in dashboard.sentences


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": "wide"}, "write pixels as 224"),
        ({"resize_size": "10"}, "at least as large as the input"),
        ({"mean": "123, 116, 103", "std": "0.2"}, "not in the same units"),
        ({"global_pool": "nonsense"}, "nonsense pooling"),
    ],
)
def test_what_cannot_be_is_a_sentence(dashboard: Any, weights: bytes, fields: dict[str, str], words: str) -> None:
    fill_in(dashboard, weights, **fields)
    assert not dashboard.test.exception
    assert words in dashboard.test.error[0].value
    dashboard.use_file()
    assert dashboard.test.session_state["model"].request.source == "bundled", "the model in use stays"


def test_a_model_of_four_bands_says_so_of_a_photograph(dashboard: Any) -> None:
    stream = io.BytesIO()
    torch.save(build_architecture(parse_architecture("timm/resnet10t"), 3, 4, None).state_dict(), stream)
    fill_in(dashboard, stream.getvalue())
    dashboard.use_file()
    assert not dashboard.test.exception
    shown = " ".join([dashboard.sentences, *(error.value for error in dashboard.test.error)])
    assert "This model takes 4 channels; the picture has 3." in shown or any(
        "takes 4 channels" in str(row) for row in dashboard.rows
    )
