"""Of which of ten kinds the classes of a thousand are, so that a bundled model can answer for another one."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from explain.bundled.models import bundled_models, find_bundled_file

_THOUSAND = "imagenet-cnn"
_RANGES: dict[str, tuple[tuple[int, int], ...]] = {
    "airplane": ((404, 404), (895, 895)),
    "automobile": (
        (436, 436),
        (468, 468),
        (511, 511),
        (609, 609),
        (627, 627),
        (656, 656),
        (661, 661),
        (751, 751),
        (817, 817),
    ),
    "bird": ((7, 24), (80, 100), (127, 146)),
    "cat": ((281, 285),),
    "dog": ((151, 268),),
    "frog": ((30, 32),),
    "horse": ((339, 339),),
    "ship": ((403, 403), (510, 510), (554, 554), (628, 628), (724, 724), (780, 780)),
    "truck": ((555, 555), (569, 569), (675, 675), (717, 717), (864, 864), (867, 867)),
}
"""First and last index in ImageNet's list. What is of no kind beyond doubt is left out: a moose is no gazelle."""


@cache
def _list_kinds() -> dict[str, str]:
    """The kind of each class of the model of a thousand that has one, by the class's name."""
    (classes,) = [model.classes for model in bundled_models() if model.name == _THOUSAND]
    return {
        classes[index]: kind
        for kind, ranges in _RANGES.items()
        for first, last in ranges
        for index in range(first, last + 1)
    }


def find_same(label: str, classes: Collection[str]) -> str | None:
    """Which of some classes means what a class of a bundled model does: the one of its name, or its kind; or None."""
    kind = _list_kinds().get(label)
    return next((name for name in (label, kind) if name is not None and name in classes), None)


@cache
def _list_prompted() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names and classes of the bundled models with class prompts."""
    return tuple(
        (model.name, model.classes)
        for model in bundled_models()
        if model.prompts and find_bundled_file(model.prompts).is_file()
    )


def find_prompts_for(label: str) -> tuple[str, str] | None:
    """A bundled model with class prompts, and its class that means what a class of another one does; None without."""
    for name, classes in _list_prompted():
        same = find_same(label, classes)
        if same is not None:
            return name, same
    return None
