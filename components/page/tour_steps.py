"""The steps of the tour: what each shows, as the words of a link, and what there is to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TOUR = "tour"
"""Key of the session's state: number of the step in view, from 1; None outside the tour."""

PICTURE = "cat-and-dog"
"""The example that the tour is about."""

_DOG, _CAT = "235:German shepherd", "281:tabby"
_MODEL = "imagenet-cnn"


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: what it is about.
        text: what to do and to see, in two sentences.
        page: address of the page.
        words: those of its address, but for picture, model and number.
    """

    title: str
    text: str
    page: str = "start"
    words: Mapping[str, list[str]] = field(default_factory=dict)


STEPS = (
    Step(
        "Where it looks",
        "The network finds German shepherd likeliest, though at 4 % only: of a thousand classes none stands out here. "
        "Grad-CAM shows what raised that score, the dog's side of the picture; Eigen-CAM, beside it, shows the "
        "strongest pattern of the layer.",
        words={"class": [_DOG], "method": ["grad-cam", "eigen-cam"]},
    ),
    Step(
        "Ask for the cat",
        "Now the class is tabby: Grad-CAM has moved to the kitten. Eigen-CAM is the same as before, since it never "
        "asks for the class.",
        words={"class": [_CAT], "method": ["grad-cam", "eigen-cam"]},
    ),
    Step(
        "For and against",
        "Orange speaks for a class, blue against it. Compare the two animals: what speaks for one often speaks against "
        "the other.",
        words={
            "class": [_DOG],
            "compare": ["classes"],
            "with": ["235", "281"],
            "method": ["grad-cam"],
            "view.style": ["auto"],
            "view.signed": ["true"],
        },
    ),
    Step(
        "Take a value apart",
        "The network from its first layer to its last: early maps follow edges, late ones things. Press any cell of "
        "the large map, and its value stands beside it as a sum over channels.",
        page="layers",
        words={"class": [_CAT], "look": ["grad-cam"]},
    ),
    Step(
        "Channels in groups",
        "CF-CAM puts channels that respond alike into groups, which share one gradient. Drag the line in the curve, "
        "and the groups and the map follow.",
        page="clusters",
        words={"class": [_CAT]},
    ),
    Step(
        "Put it to the test",
        "Does the dog's face matter? Press Box, draw around it, and see what becomes of the score; then undo, and "
        "paint the planks over instead.",
        page="studio",
        words={"class": [_DOG], "view": ["surgery"], "method": ["grad-cam", "cf-cam"]},
    ),
)


def write_step(number: int, digest: str) -> dict[str, list[str]]:
    """All words of a step's address.

    Args:
        number: of the step, from 1.
        digest: of the picture that the tour is about.
    """
    return {"picture": [digest], "model": [_MODEL], **STEPS[number - 1].words, "tour": [str(number)]}
