"""How a verdict is said under a map."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components.maps import verdicts
from components.maps.verdicts import ask_for_verdicts, say_unlike, say_verdict
from explain.faithfulness.hiding import Hiding
from explain.faithfulness.transplant import Transplant
from explain.faithfulness.unlike import NOT_MEASURED, Unlikeness
from explain.faithfulness.verdict import Evidence, Hidden, Verdict, decide


def judge(value: float, **known: object) -> Verdict:
    hiding = Hiding(value, np.linspace(-0.5, 0.5, 511), np.linspace(-0.4, 0.4, 39), 64)
    return decide(Evidence("cat", hidden=[Hidden("grey", hiding, 0.1)], **known))  # type: ignore[arg-type]


def test_a_mark_has_its_figure_and_what_it_is_compared_with() -> None:
    said = say_verdict(judge(0.75))
    assert said.settled
    (mark,) = said.marks
    assert mark.word == "backed" and mark.tone == "for"
    assert "0.75" in mark.lines[0] and "550" in mark.lines[1]
    assert any(line.startswith("What it cannot tell") for line in mark.lines) and "arXiv" in mark.lines[-1]
    # From −0.5 to 0.75: the map's own stands at the right end, the bound left of it.
    assert mark.at == 1.0 and mark.bound is not None and 0.7 < mark.bound < 0.9
    assert len(mark.bars) == 24 and max(mark.bars) == 1.0 and mark.bars[-1] == 0.0


def test_no_two_words_share_a_sign() -> None:
    words = {}
    for verdict in (judge(0.75), judge(0.0), judge(-0.75), judge(0.75, class_agnostic=True)):
        said = say_verdict(verdict)
        words.update({mark.word: (mark.sign, mark.tone) for mark in said.marks})
    assert {*words} == {"backed", "undecided", "contradicted", "same for other classes"}
    assert len({sign for sign, _ in words.values()}) == 4
    assert words["contradicted"][1] == "against" and words["undecided"][1] == "open"


def test_a_fourth_mark_stands_on_the_card_of_the_first() -> None:
    decides = Transplant("left edge", (True, *[False] * 63), 16, 16, 9.0, True)
    four = judge(
        -0.75, class_agnostic=True, transplants=[decides], steadiness=0.1, copies=(8, 8), strangers=np.full(741, 0.9)
    )
    assert len(four.marks) == 4 and "unsteady" not in four.line
    said = say_verdict(four)
    assert [mark.word for mark in said.marks] == ["same for other classes", "contradicted", "one place decides"]
    assert said.marks[0].lines[0].startswith("Also unsteady: Changes when") and said.missing == ""


def test_what_was_not_measured_is_said() -> None:
    said = say_verdict(judge(0.75, missing=("whether it is steady, because …",)))
    assert said.missing.startswith("Not measured: whether it is steady")
    (waiting,) = say_verdict(decide(Evidence("cat"), settled=False)).marks
    assert waiting.word == "checking …" and waiting.tone == "open"
    blank = say_verdict(decide(Evidence("cat", blank=True)))
    assert blank.marks[0].bars == () and blank.marks[0].lines == ()


def test_what_a_caution_rests_on_opens_as_a_mark_and_a_picture_like_the_others_has_none() -> None:
    null = tuple(float(score) for score in range(100))
    said = say_unlike(Unlikeness(120.0, null, 97.0, "Compared with 100 pictures."))
    assert said is not None
    (mark,) = said.marks
    assert mark.sentence == "Of 100 known pictures, none lies as far from the others as this one."
    assert mark.bound is not None and 0 < mark.bound < mark.at == 1.0 and len(mark.bars) == 24
    assert any("Compared with 100 pictures." in line for line in mark.lines)
    assert say_unlike(Unlikeness(50.0, null, 97.0)) is None
    assert say_unlike(NOT_MEASURED) is None


def test_who_is_away_holds_no_answers_and_is_judged_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.session_state", {})
    entry: Any = SimpleNamespace(picture=SimpleNamespace(digest="d"))
    ask_for_verdicts("key", lambda work: iter(()), [entry])
    judging = verdicts.st.session_state[verdicts._STATE]
    assert judging.entries == {"d": entry}
    judging.let_go(20)
    assert not judging.entries and judging.judge is None and not judging.list_settled()
    ask_for_verdicts("key", lambda work: iter(()), [entry])
    assert verdicts.st.session_state[verdicts._STATE] is not judging, "the same question once more"
