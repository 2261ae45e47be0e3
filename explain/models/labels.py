"""Names of a model's classes: of a known set, or timm's copy of ImageNet's lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from explain.bundled.class_names import CLASSES
from explain.errors import ModelError

KNOWN_SETS = ("imagenet", "cifar10")


def tell_apart(labels: Sequence[str]) -> tuple[str, ...]:
    """The names, with the class's number behind those that several classes have."""
    times = Counter(labels)
    return tuple(f"{label} (class {index})" if times[label] > 1 else label for index, label in enumerate(labels))


def known_labels(name: str) -> tuple[str, ...]:
    """The class names of a known set.

    Raises:
        ModelError: the set is not known.
    """
    if name == "imagenet":
        labels = imagenet_labels(1000)
        assert labels is not None
        return labels
    if name == "cifar10":
        return CLASSES
    raise ModelError(f"There is no known label set “{name}”. Known: {', '.join(KNOWN_SETS)}; or give a text file.")


def imagenet_labels(count: int) -> tuple[str, ...] | None:
    """Names of the ImageNet list that has `count` classes (1,000; 11,821; 21,841 …), or None where none has."""
    from explain.networks.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    return shorten_descriptions(list(info.label_descriptions()), info.label_names())


def shorten_descriptions(descriptions: Sequence[str], identifiers: Sequence[str]) -> tuple[str, ...]:
    """WordNet's first word for each class; where two share it, all its words; where those agree, its identifier too."""
    first = [description.split(",")[0].strip() for description in descriptions]
    times = Counter(word.casefold() for word in first)
    whole_times = Counter(description.casefold() for description in descriptions)
    labels = []
    for word, description, identifier in zip(first, descriptions, identifiers, strict=True):
        if times[word.casefold()] == 1:
            labels.append(word)
        elif whole_times[description.casefold()] == 1 and description.casefold() != word.casefold():
            labels.append(description)
        else:
            labels.append(f"{description} ({identifier})")
    return tuple(labels)


def number_classes(count: int) -> tuple[str, ...]:
    """Stand-ins where no names are known: `class 0`, `class 1` …"""
    return tuple(f"class {index}" for index in range(count))
