"""The table of species: traits, and the pairs that differ in one."""

from itertools import combinations

from explain.bundled.birds.species import PARTS, PLUMAGES, SPECIES, TRAITS, find_siblings


def test_the_table() -> None:
    assert len({species.name for species in SPECIES}) == len(SPECIES) >= 10
    rows = [tuple(getattr(species, trait) for trait in ("plumage", *TRAITS)) for species in SPECIES]
    assert len(set(rows)) == len(rows)
    assert {species.plumage for species in SPECIES} == set(PLUMAGES)
    assert set(TRAITS.values()) <= set(PARTS)


def test_at_least_five_pairs_differ_in_exactly_one_trait() -> None:
    """By a plain comparison of the rows."""
    found = set()
    for first, second in combinations(SPECIES, 2):
        different = [name for name in ("plumage", *TRAITS) if getattr(first, name) != getattr(second, name)]
        if len(different) == 1 and different != ["plumage"]:
            found.add((first.name, second.name, different[0], TRAITS[different[0]]))
    assert found == {(pair.plain, pair.marked, pair.trait, pair.part) for pair in find_siblings()}
    assert len({pair.trait for pair in find_siblings()}) >= 5
