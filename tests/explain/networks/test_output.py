"""What a module gives back: its first tensor, the scores of a network, and the same container with another tensor."""

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch

from explain.errors import ModelError
from explain.networks.output import first_tensor, read_scores, replace_first_tensor

Pair = namedtuple("Pair", ("name", "values"))
ONE, OTHER, NEW = torch.zeros(2), torch.ones(2), torch.full((2,), 7.0)
CONTAINERS: dict[str, tuple[Any, Any]] = {
    "itself": (ONE, NEW),
    "list": ([ONE, OTHER], [NEW, OTHER]),
    "tuple": ((None, ONE, OTHER), (None, NEW, OTHER)),
    "named": (Pair("a", ONE), Pair("a", NEW)),
    "dictionary": ({"a": 1, "b": ONE, "c": OTHER}, {"a": 1, "b": NEW, "c": OTHER}),
    "ordered": (OrderedDict(a=ONE, b=OTHER), OrderedDict(a=NEW, b=OTHER)),
    "nested": (([], {"a": (None, [ONE])}, OTHER), ([], {"a": (None, [NEW])}, OTHER)),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_the_first_tensor_is_found_and_replaced_where_it_is(kind: str) -> None:
    output, expected = CONTAINERS[kind]
    before = repr(output)
    assert first_tensor(output) is ONE
    replaced = replace_first_tensor(output, NEW)
    assert type(replaced) is type(output) and repr(replaced) == repr(expected)
    assert repr(output) == before, "what was given is left as it was"


@pytest.mark.parametrize("output", [None, 3, "text", [], {"a": [None]}])
def test_where_there_is_no_tensor_there_is_none(output: Any) -> None:
    assert first_tensor(output) is None


def test_scores_are_finite_numbers_one_row_a_picture() -> None:
    scores = read_scores(torch.ones(3, 5, dtype=torch.float16), 3)
    assert scores.shape == (3, 5) and scores.dtype == torch.float32


@pytest.mark.parametrize("output", [torch.ones(5), torch.ones(2, 5), torch.ones(3, 5, 1), (torch.ones(3, 5),), None])
def test_what_is_no_row_of_scores_for_each_picture_is_a_sentence(output: Any) -> None:
    with pytest.raises(ModelError, match="one score for each class"):
        read_scores(output, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_a_sentence(value: float) -> None:
    with pytest.raises(ModelError, match="are not numbers"):
        read_scores(torch.tensor([[1.0, value]]), 1)
