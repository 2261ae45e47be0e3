"""What the numbers mean that a network answers with: of which a probability can be made, and how. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from explain.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

Outputs = Literal["classes", "findings", "logit", "value"]
"""What the numbers of a network's head mean.

- `classes`: one a class, and a picture is of just one of them: their softmax is the probabilities.
- `findings`: one a finding, and a picture may show several or none: each has a probability of its own, its sigmoid.
- `logit`: a single number with two answers. Its sigmoid is the probability of the second, and minus the number is the
  score of the first.
- `value`: a quantity, such as an age. No probability can be made of it.
"""

MEANINGS: dict[Outputs, str] = {
    "classes": "Classes, just one of them right",
    "findings": "Findings, each present or not",
    "logit": "One logit: no or yes",
    "value": "A value, no probability",
}
"""Each in the words of a list to choose from."""


def read_answers(numbers: Tensor, outputs: Outputs) -> Tensor:
    """From the numbers of a network `(n, outputs)` to a score for each answer it can give, `(n, answers)`, the
    likeliest answer's highest.
    """
    import torch

    return torch.cat([-numbers, numbers], -1) if outputs == "logit" else numbers


def find_probabilities(scores: Tensor, outputs: Outputs) -> Tensor:
    """The probability of each answer, of scores `(…, answers)` as `read_answers` gives them.

    Raises:
        ModelError: a value has none.
    """
    if outputs == "value":
        raise ModelError("This model answers with a value, which has no probability. Explain the value itself.")
    return scores.softmax(-1) if outputs == "classes" else scores.sigmoid()


def name_answers(names: tuple[str, ...] | None) -> tuple[str, str]:
    """What the two answers of one logit are called.

    Args:
        names: both, in the order in which classes are numbered, or the second's alone; None where no names are known.
    """
    if names is None:
        return "negative", "positive"
    return (f"no {names[0]}", names[0]) if len(names) == 1 else (names[0], names[1])


def find_outputs(declared: Outputs | None, count: int, names: int) -> Outputs:
    """What the numbers of a network mean, as declared, or as far as their count tells.

    Classes exclude each other unless it is said otherwise. Of a single number with one name nothing can be told: it is
    taken as a value, because a probability would be a guess. With two names it is a logit.

    Args:
        declared: what a person says they mean.
        count: how many numbers there are.
        names: how many names were given for them.

    Raises:
        ModelError: there cannot be so many of them.
    """
    if declared == "logit" and count != 1:
        raise ModelError(
            f"This model answers with {count:,} numbers, and “logit” is for one. Declare them as “classes”, or as "
            "“findings” if a picture can show several."
        )
    if declared == "classes" and count == 1:
        raise ModelError(
            "This model answers with one number, and classes that exclude each other need two: the probability of one "
            "alone would be 100 % for every picture. Declare it as “logit” (one logit: no or yes) or as “value”."
        )
    if declared is not None:
        return declared
    if count != 1:
        return "classes"
    return "logit" if names == 2 else "value"


def list_meanings(count: int | None) -> tuple[Outputs, ...]:
    """What so many numbers can mean; where their count is not known, everything."""
    impossible = {None: "", 1: "classes"}.get(count, "logit")
    return tuple(meaning for meaning in MEANINGS if meaning != impossible)


def describe_assumption(outputs: Outputs, labels: tuple[str, ...]) -> str:
    """What a person must know where nobody declared what the numbers mean, in sentences."""
    where = "with --outputs on the command line, or beside the file on the page"
    if outputs == "value":
        return (
            "This model answers with one number, and nothing says what it means: it is shown as it is, not as a "
            f"probability. If it is the logit of a yes or no, say so {where}: then both answers have a probability "
            "and can be explained."
        )
    if outputs == "logit":
        return (
            f"This model answers with one number and two names were given: it is taken as a logit, “{labels[1]}” above "
            f"0 and “{labels[0]}” below. If it is a value, say so {where}."
        )
    return (
        "The classes are taken to exclude each other, so that their probabilities sum to 100 %. If a picture can show "
        f"several or none, they are findings: say so {where}."
    )
