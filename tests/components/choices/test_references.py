"""Reference pictures beside a model of one's own: refused in a sentence, or kept and compared with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from components.choices.references import References, describe_kinds, describe_left_out, make_references_key
from explain.datasets.loose import MOST_PICTURES, Loose, LoosePicture
from explain.faithfulness.unlike import FEWEST

PICTURES = tuple(LoosePicture(f"{n:064x}", b"") for n in range(FEWEST))
ENOUGH = Loose(PICTURES, FEWEST, 0, "", Counter(photograph=FEWEST))


def test_too_few_and_none_are_refused_with_the_reason() -> None:
    references = References()
    references.take(replace(ENOUGH, pictures=PICTURES[:5], unreadable=2, reason="“a.txt” is no picture."))
    assert references.found is None
    assert (
        "5 reference pictures are too few" in references.problem and "2 files could not be read" in references.problem
    )
    references.take(replace(ENOUGH, pictures=(), given=3, unreadable=3, reason="“a.txt” is no picture."))
    assert references.problem == "No picture is among these 3 files. “a.txt” is no picture."
    references.take(ENOUGH)
    assert references.found is ENOUGH and not references.problem


def test_what_was_left_out_and_several_kinds_are_said() -> None:
    assert describe_left_out(ENOUGH) == describe_kinds(ENOUGH) == ""
    assert f"Of 5,000 files {MOST_PICTURES} were taken" in describe_left_out(replace(ENOUGH, given=5000))
    few = Counter(photograph=37, scan=2)
    assert describe_kinds(replace(ENOUGH, kinds=few)) == "", "one in twenty may be told wrongly"
    mixed = describe_kinds(replace(ENOUGH, kinds=Counter(photograph=20, scan=19)))
    assert "20 photographs and 19 scans" in mixed


def test_the_key_changes_with_the_pictures_and_not_with_their_order() -> None:
    assert make_references_key(()) == ""
    assert make_references_key(PICTURES) == make_references_key(PICTURES[::-1]) != make_references_key(PICTURES[1:])


def test_who_is_away_holds_no_references() -> None:
    references = References(waiting=[("a.png", b"12")])
    references.take(replace(ENOUGH, pictures=(replace(PICTURES[0], data=b"123"), *PICTURES[1:])))
    assert references.count_bytes() == 5
    references.let_go(20)
    assert references.count_bytes() == 0 and references.found is None and "after 20 minutes" in references.problem
    untouched = References()
    untouched.let_go(20)
    assert not untouched.problem
