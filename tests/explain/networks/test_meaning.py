"""What a head's numbers mean decides what is a probability, and of what it is made."""

import math

import pytest
import torch

from explain.errors import ModelError
from explain.networks.meaning import (
    MEANINGS,
    Outputs,
    describe_assumption,
    find_outputs,
    find_probabilities,
    name_answers,
    read_answers,
)


def test_one_logit_has_two_answers_whose_probabilities_sum_to_one() -> None:
    answers = read_answers(torch.tensor([[-6.0], [2.0]]), "logit")
    assert answers.tolist() == [[6.0, -6.0], [-2.0, 2.0]]
    probabilities = find_probabilities(answers, "logit")
    assert probabilities[:, 1].tolist() == pytest.approx([1 / (1 + math.exp(6)), 1 / (1 + math.exp(-2))])
    assert torch.allclose(probabilities.sum(1), torch.ones(2))


def test_findings_do_not_know_of_each_other() -> None:
    scores = torch.tensor([[4.0, 4.0, -4.0]])
    assert read_answers(scores, "findings") is scores
    one, two, three = find_probabilities(scores, "findings")[0].tolist()
    assert one == two == pytest.approx(0.982, abs=1e-3)
    assert three == pytest.approx(0.018, abs=1e-3)


def test_classes_share_one_certainty() -> None:
    assert float(find_probabilities(torch.tensor([[4.0, 4.0, -4.0]]), "classes").sum()) == pytest.approx(1)


def test_a_value_has_no_probability() -> None:
    with pytest.raises(ModelError, match="Explain the value itself"):
        find_probabilities(torch.tensor([[63.0]]), "value")


@pytest.mark.parametrize(
    ("declared", "count", "names", "outputs"),
    [
        (None, 2, 2, "classes"),
        (None, 1000, 1000, "classes"),
        (None, 1, 1, "value"),
        (None, 1, 2, "logit"),
        ("logit", 1, 2, "logit"),
        ("value", 1, 1, "value"),
        ("value", 3, 3, "value"),
        ("findings", 1, 1, "findings"),
        ("findings", 14, 14, "findings"),
    ],
)
def test_what_is_not_declared_is_told_as_far_as_it_can_be(
    declared: Outputs | None, count: int, names: int, outputs: Outputs
) -> None:
    assert find_outputs(declared, count, names) == outputs


@pytest.mark.parametrize(
    ("declared", "count", "words"), [("logit", 2, "answers with 2 numbers"), ("classes", 1, "100 % for every picture")]
)
def test_what_cannot_be_is_refused_with_what_to_declare(declared: Outputs, count: int, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        find_outputs(declared, count, count)
    assert "eclare" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "answers"),
    [
        (None, ("negative", "positive")),
        (("pneumonia",), ("no pneumonia", "pneumonia")),
        (("healthy", "ill"), ("healthy", "ill")),
    ],
)
def test_both_answers_have_a_name(names: tuple[str, ...] | None, answers: tuple[str, str]) -> None:
    assert name_answers(names) == answers


def test_every_meaning_has_words_and_what_is_assumed_says_how_to_change_it() -> None:
    assert [*MEANINGS] == ["classes", "findings", "logit", "value"]
    for outputs in ("classes", "logit", "value"):
        assert "--outputs" in describe_assumption(outputs, ("healthy", "ill"))
    assert "“ill” above 0 and “healthy” below" in describe_assumption("logit", ("healthy", "ill"))
