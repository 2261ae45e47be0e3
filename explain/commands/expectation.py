"""What `effects --expect` prints: whether parts do what was expected, and which layers look there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from explain.engine.engine import Engine
from explain.engine.expecting import look_by_layer
from explain.errors import DataSetError
from explain.faithfulness.effects import Effects
from explain.faithfulness.expectation import (
    LayerLook,
    PartsAgreement,
    Sign,
    describe_layers,
    judge_parts,
    list_traits,
    read_expectations,
)
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture
from explain.pictures.region import Region, join_regions
from explain.storage import read_file

TRAITS = "traits"
"""In place of a file: what whoever knows the drawn birds expects."""


def read_expected(given: str) -> Mapping[str, Mapping[str, Sign]]:
    """The table that `--expect` names."""
    return list_traits() if given == TRAITS else read_expectations(read_file(Path(given)), Path(given).name)


def choose_row(table: Mapping[str, Mapping[str, Sign]], label: str) -> Mapping[str, Sign]:
    """What is expected of the parts for a class.

    Raises:
        DataSetError: the table has no such class.
    """
    if label not in table:
        raise DataSetError(f"The table expects nothing of “{label}”. It has: {', '.join([*table][:12])}.")
    return table[label]


def compare_with_expected(
    engine: Engine, picture: Picture, loaded: LoadedModel, measured: Effects, asked: tuple[Mapping[str, Region], str]
) -> tuple[PartsAgreement, Sequence[LayerLook]]:
    """What parts do beside what was expected, and how far layers look at those that speak for the class.

    Args:
        engine: who is asked.
        picture: the picture.
        loaded: the model.
        measured: what its regions do.
        asked: the regions, and what `--expect` names.
    """
    regions, given = asked
    expected = choose_row(read_expected(given), measured.whole.label)
    wanted = [region for name, region in regions.items() if expected.get(name, 0) > 0]
    looks = look_by_layer(engine, picture, loaded, join_regions(wanted, picture.size)) if wanted else ()
    return judge_parts(measured, expected), looks


def print_agreement(parts: PartsAgreement, looks: Sequence[LayerLook]) -> None:
    """A line for each part and for each layer, and what is said of them."""
    print(f"\n{'expected':<24} {'':>8} {'falls by':>10}")
    for part in parts.parts:
        print(
            f"{part.name[:24]:<24} {'for' if part.expected > 0 else 'against':>8} {part.removal:>10.2f}  {part.verdict}"
        )
    print(parts.sentence)
    if looks:
        print(f"\n{'layer':<24} {'cosine':>8} {'elsewhere':>14} {'even':>6}")
    for look in looks:
        places = f"{look.places.min():.2f}…{look.places.max():.2f}" if len(look.places) else "–"
        mark = " *" if look.stands_out else ""
        print(f"{look.layer[:24]:<24} {look.cosine:>8.2f} {places:>14} {look.even:>6.2f}{mark}")
    print(describe_layers(looks))
