"""Verdicts on Compare: measured after the maps are there, said under each, and never in the way of a slider."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st

from components.browser.late_marks import Mark, Said, send_marks
from components.choices.comparison import pick_verdicts
from components.server.metrics import timing
from components.session.faults import show_faults
from components.session.idle import find_holdings
from components.session.work import Work
from components.words import describe_duration
from explain.engine.explanation import PictureExplanation
from explain.errors import Cancelled
from explain.faithfulness.measures import MEASURES
from explain.faithfulness.unlike import Unlikeness
from explain.faithfulness.verdict import CHANCE_MOVED, SIGNS, Verdict, Word
from explain.faithfulness.verdict import Mark as Measured
from explain.maps.heatmap import CLASS_AGNOSTIC
from explain.report.sentence import write_sentence

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.engine.judging import Verdicts
    from explain.models.loaded import LoadedModel

_STATE = "judging"
_UNASKED = "judging-unasked"
_BARS = 24

LONGEST_UNASKED = 30.0
"""Seconds a picture that checking may take where nobody asked for it: it runs behind the page, and may be stopped."""

STILL = 0.8
"""Seconds that a question must stand before it is judged: a slider on its way asks for nothing."""

_log = logging.getLogger(__name__)

_TONES: dict[Word, str] = {
    "same for other classes": "doubt",
    "contradicted": "against",
    "unsteady": "doubt",
    "backed": "for",
    "one place decides": "doubt",
}
"""In which tone a word is drawn that is not `open`."""


Judge = Callable[[Work[None]], Iterator[tuple[str, "Verdicts"]]]
"""Yields pictures' digests with the verdicts on their maps, again and again as more is known, in a thread of its own.
"""

FindVerdicts = Callable[[], Mapping[str, "Verdicts"]]
"""Tells by pictures' digests what has been said of their maps by now."""


@dataclass
class _Judging:
    """What is judged in a session.

    Attributes:
        key: of the question.
        judge: answers it; None where nobody asked for that.
        since: when it was asked, by time.monotonic.
        work: under way, once the question has stood still.
        found: by picture, the verdicts so far.
        entries: by picture, the answer whose maps they are of; none where no sentence is written.
        sentences: by picture, what is said once all of that is settled.
    """

    key: str
    judge: Judge | None
    since: float
    work: Work[None] | None = None
    found: dict[str, Verdicts] = field(default_factory=dict)
    entries: Mapping[str, PictureExplanation] = field(default_factory=dict)
    sentences: dict[str, str] = field(default_factory=dict)

    def count_bytes(self) -> int:
        """None that count: its pictures are the session's, and its maps the engine's."""
        return 0

    def let_go(self, minutes: int) -> None:
        """Forget what was judged, as its pictures are: nobody has touched them for so many minutes."""
        if self.work is not None:
            self.work.cancel.set()
        self.key, self.judge = "", None  # no other question has this key
        self.found, self.entries, self.sentences = {}, {}, {}

    def write_sentences(self) -> dict[str, str]:
        """By picture, the sentence with what was measured of its maps; none before that is settled."""
        for digest, verdicts in self.list_settled().items():
            entry = self.entries.get(digest)
            if entry is not None and digest not in self.sentences and len(verdicts) == len(self.found[digest]):
                self.sentences[digest] = write_sentence(replace(entry, verdicts=verdicts)).text
        return self.sentences

    def list_settled(self) -> dict[str, Verdicts]:
        """Of what was measured, what no further look will change."""
        if self.judge is None:
            return {}
        return {
            digest: {key: verdict for key, verdict in verdicts.items() if verdict.settled}
            for digest, verdicts in self.found.items()
        }


def ask_for_verdicts(key: str, judge: Judge, entries: Sequence[PictureExplanation] = ()) -> FindVerdicts:
    """Have what stands on the page judged, once it has stood for a moment. Another question ends the work on the last.
    Gives back what tells at any later time what has been said of the maps.

    Args:
        key: of the question.
        judge: see `Judge`.
        entries: answers under which a sentence stands; of several for a picture, the first is the model's own.
    """
    own = {entry.picture.digest: entry for entry in reversed(entries)}
    return _put(_Judging(key, judge, time.monotonic(), entries=own)).list_settled


def _put(new: _Judging) -> _Judging:
    """What is judged from now on: what is already, where that is the same."""
    judging: _Judging | None = st.session_state.get(_STATE)
    if judging is None or (judging.key, judging.judge is None) != (new.key, new.judge is None):
        drop_verdicts()
        judging = st.session_state[_STATE] = new
    find_holdings().touch(judging)
    return judging


@dataclass(frozen=True, eq=False)
class Check:
    """Whether and how the maps on the page are checked.

    Attributes:
        state: `off`; `offered`, so that it is said under each map that nothing was measured; or `on`.
        seconds: how long it takes, as far as is known.
    """

    state: Literal["off", "offered", "on"]
    seconds: float | None

    @property
    def shows_marks(self) -> bool:
        """Whether anything is said under the maps."""
        return self.state != "off"

    def begin(self, key: str, entries: Sequence[PictureExplanation], judge: Judge) -> FindVerdicts:
        """Have the maps judged, once they have stood for a moment, or say that nobody has. Another question ends the
        work on the last. Gives back what tells at any later time what has been said of the maps.

        Args:
            key: of the question.
            entries: the maps, a picture an entry, or several.
            judge: see `Judge`.
        """
        if self.state == "off":
            drop_verdicts()
            return dict
        if self.state == "on":
            return ask_for_verdicts(key, judge, entries)
        return _put(_Judging(key, None, time.monotonic(), found=self._leave_unmeasured(entries))).list_settled

    def _leave_unmeasured(self, entries: Sequence[PictureExplanation]) -> dict[str, Verdicts]:
        how_long = "" if self.seconds is None else f", which takes {describe_duration(self.seconds)}"
        mark = Measured(
            "not measured",
            "Nothing was measured of this map: that is no word for it, nor against it. Switch on “Check these maps”, "
            f"above the maps{how_long}.",
        )
        found: dict[str, Verdicts] = {}
        for entry in entries:
            said = {heatmap.key: Verdict((mark,)) for heatmap in entry.maps}
            found[entry.picture.digest] = {**found.get(entry.picture.digest, {}), **said}
        return found


def pick_check(engine: Engine, model: LoadedModel, pictures: int, possible: bool) -> Check:
    """Offer to check the maps on the page. Those of a bundled model are checked without being asked for, where this
    machine is quick enough.

    Args:
        engine: knows how long it takes.
        model: whose maps they are.
        pictures: how many there are.
        possible: whether maps such as these can be checked; see `pick_verdicts`.
    """
    each = engine.estimate_verdicts(model)
    # Settled for a model when it is first seen in a session, so that no verdict is taken back for how long it took.
    settled: dict[str, bool] = st.session_state.setdefault(_UNASKED, {})
    quick = (each or 0.0) <= LONGEST_UNASKED
    by_itself = settled.setdefault(model.fingerprint, model.request.source == "bundled" and quick)
    seconds = None if each is None else each * pictures
    if pick_verdicts(by_itself, possible, seconds):
        return Check("on", seconds)
    return Check("off" if by_itself or not possible else "offered", seconds)


def drop_verdicts() -> None:
    """Judge nothing any more."""
    judging = st.session_state.pop(_STATE, None)
    if judging is not None and judging.work is not None:
        judging.work.cancel.set()


@st.fragment
@show_faults
def follow_verdicts() -> None:
    """Put verdicts under the maps as they come. A fragment of its own: neither grid nor sliders are drawn again. The
    browser has it run again as long as more are to come.
    """
    judging = st.session_state.get(_STATE)
    if judging is None:
        send_marks("", {}, waiting=False)
        return
    judge = judging.judge
    if judge is not None and judging.work is None and time.monotonic() - judging.since >= STILL:
        judging.work = Work(lambda work: _judge(judging, judge, work), "verdicts", "batch")
    waiting = judge is not None and (judging.work is None or not judging.work.wait(0))
    found = dict(judging.found)  # after it was looked whether that is all
    marks: dict[str, dict[str, Said]] = {}
    for digest, verdicts in found.items():
        marks[digest] = {key.partition("/")[0]: say_verdict(verdict) for key, verdict in verdicts.items()}
    if judge is not None:
        _say_chances(sum(map(len, found.values())))
    send_marks(judging.key, marks, waiting, judging.write_sentences())


def _say_chances(maps: int) -> None:
    """Say how many of the maps on the page are backed by chance alone, where that is likely to be one at least."""
    expected = maps * CHANCE_MOVED
    if expected >= 1:
        st.caption(
            f"Of {maps} maps, about {round(expected)} would be backed by chance alone, were none of them better than a "
            "map of no meaning."
        )


def _judge(judging: _Judging, judge: Judge, work: Work[None]) -> None:
    try:
        with timing():
            for digest, verdicts in judge(work):
                judging.found = {**judging.found, digest: verdicts}
    except Cancelled:
        pass
    except Exception:
        _log.exception("Maps could not be judged")


def say_verdict(verdict: Verdict) -> Said:
    """A verdict in the form in which the canvas shows it."""
    missing = f"Not measured: {'; '.join(verdict.missing)}." if verdict.missing else ""
    first, *others = (_say(mark, verdict.settled) for mark in verdict.said)
    also = tuple(f"Also {mark.word}: {mark.sentence}" for mark in verdict.unsaid)
    marks = (replace(first, lines=(*also, *first.lines)), *others)
    return Said(marks, missing, verdict.settled, CLASS_AGNOSTIC if "same for other classes" in verdict.words else "")


def _say(mark: Measured, settled: bool) -> Mark:
    if mark.word == "not measured" and not settled:
        return Mark("checking …", "…", "open", "Being measured. This takes seconds, and sliders need not wait for it.")
    sign, tone = SIGNS[mark.word], _TONES.get(mark.word, "open")
    if mark.measure is None or mark.value is None:
        return Mark(mark.word, sign, tone, mark.sentence)
    measure = MEASURES[mark.measure]
    lines = [f"{measure.title}: {mark.value:.2f}, {measure.better} is better. {measure.rule}"]
    bars: tuple[float, ...] = ()
    at, bound = 0.0, None
    if mark.null:
        bars, at, bound = _draw(mark.value, mark.null, mark.bound)
        bound_said = "" if mark.bound is None else f", dashed line {mark.bound:.2f}"
        lines.append(f"The bars are {measure.compared} ({len(mark.null):,}); the arrow is this map{bound_said}.")
    lines += [f"What it cannot tell: {measure.cannot}", measure.paper]
    alt = f"{measure.title} {mark.value:.2f} among {len(mark.null):,} comparison figures"
    return Mark(mark.word, sign, tone, mark.sentence, tuple(lines), bars, at, bound, alt)


def say_unlike(unlike: Unlikeness) -> Said | None:
    """The measurement behind a caution, in the same form; None where the picture is like the known ones."""
    if not unlike.unlike or unlike.value is None or unlike.bound is None:
        return None
    measure = MEASURES["unlike"]
    bars, at, bound = _draw(unlike.value, unlike.null, unlike.bound)
    lines = (
        f"{measure.title}: {unlike.value:.2f}, {measure.better} is better. {measure.rule}",
        f"The bars are {measure.compared} ({unlike.bound:.2f}); the arrow is this picture. {unlike.made}",
        f"What it cannot tell: {measure.cannot}",
        measure.paper,
    )
    alt = f"{measure.title} {unlike.value:.2f} among {len(unlike.null):,} known pictures"
    further = sum(one >= unlike.value for one in unlike.null)
    those = f"{further or 'none'} {'lie' if further > 1 else 'lies'}"
    sentence = f"Of {len(unlike.null):,} known pictures, {those} as far from the others as this one."
    return Said((Mark("measured", "≠", "doubt", sentence, lines, bars, at, bound, alt),))


def _draw(value: float, null: Sequence[float], limit: float | None) -> tuple[tuple[float, ...], float, float | None]:
    """The figures compared with as bars of heights 0…1, and where among them the own one and the limit lie, 0…1."""
    ends = [null[0], null[-1], value, *([] if limit is None else [limit])]
    low, high = min(ends), max(ends)
    span = max(high - low, 1e-9)
    counts = np.histogram(null, bins=_BARS, range=(low, low + span))[0]
    bars = tuple((counts / counts.max()).tolist())
    return bars, (value - low) / span, None if limit is None else (limit - low) / span
