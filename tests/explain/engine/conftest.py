"""What the tests of the engine share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from explain.engine.engine import Engine
from explain.methods.base import Method, registered
from explain.models.loaded import LoadedModel
from tests.support.engine import build_model


@pytest.fixture(scope="module")
def cnn() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def vit() -> LoadedModel:
    return build_model("vit")


@pytest.fixture
def engine() -> Engine:
    return Engine("cpu")


@pytest.fixture
def register() -> Iterator[Callable[[Method], Method]]:
    """Makes a method known until the test is over."""
    with ExitStack() as known:
        yield lambda method: known.enter_context(registered(method))
