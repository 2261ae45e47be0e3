"""What is told of a model elsewhere is what is known of one here, but for its network."""

from __future__ import annotations

import json

import pytest

from explain.engine.question import find_obstacle
from explain.errors import ExplainError, ModelError
from explain.methods import all_methods
from explain.models.loaded import get_layer
from explain.remote.model import read_model, write_model
from tests.support.engine import build_model


@pytest.mark.parametrize("kind", ["cnn", "vit", "plain"])
def test_a_model_is_told_of_as_it_is(kind: str) -> None:
    own = build_model(kind)
    told = read_model(write_model(own, None), None)
    for name in ("request", "preprocessing", "labels", "fingerprint", "layers", "notes", "outputs", "default_layer"):
        assert getattr(told, name) == getattr(own, name), name
    assert (told.prompted is None) == (own.prompted is None)
    assert told.reads_volumes == own.reads_volumes and told.has_parts == own.has_parts
    assert told.has_parts == (kind != "cnn")
    for method in all_methods().values():
        assert find_obstacle(method, told) == find_obstacle(method, own), method.name
    assert get_layer(told) == get_layer(own)


def test_its_network_is_not_here() -> None:
    told = read_model(write_model(build_model("vit"), None), None)
    for network in (told.module, told.prompted):
        with pytest.raises(ModelError, match="needs an engine of this server's own"):
            network.parameters()  # type: ignore[union-attr]


@pytest.mark.parametrize("told", [[], {}, {"$dict": []}, {"$dict": [["prompted", False]]}])
def test_what_is_no_model_is_a_sentence(told: object) -> None:
    with pytest.raises(ExplainError, match=r"no model|no question or answer"):
        read_model(json.dumps(told).encode(), None)
