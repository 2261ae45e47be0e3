"""The whole series under the grid: a button that explains all slices, and the strip of what came of it.

What is under way, and what was answered, lives in the session's state and outlasts a change of page.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from components.browser.canvas import Pane
from components.browser.canvas.stack import AHEAD
from components.browser.strip import Lane, Strip, strip
from components.choices.series import get_scans
from components.choices.target import choose_target
from components.maps.outlined import show_areas
from components.maps.question import Question, describe_method
from components.maps.rows import Answered, Asked
from components.session.faults import show_faults
from components.session.idle import find_holdings
from components.session.work import Work
from components.words import describe_duration, escape, format_share
from explain.engine.explanation import PictureExplanation, format_value
from explain.engine.slices import Course, SliceAnswer, follow_maps
from explain.errors import Cancelled, ExplainError
from explain.maps.heatmap import find_strength
from explain.maps.render import RenderSettings
from explain.maps.volume_map import ENDS
from explain.methods import get_method
from explain.percent import write_percent
from explain.pictures.picture import Section
from explain.report.stack_table import encode_stack
from explain.rights import for_actor
from explain.settings import Settings

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.volumes.volume import Volume

_log = logging.getLogger(__name__)

_RUN = "stack-run"
_GONE = "stack-gone"  # to another slice, by the strip
_STILL = 1.5  # seconds that settings must stand before the other slices follow: a slider on its way asks for nothing
_LOOK_AGAIN = 0.5
_ALONE = 180.0  # seconds after which nobody looks at it any more: the window was closed, or another page opened
_GRID_AT = (4, 2 * AHEAD)  # answers at which the grid is drawn anew: those around the slice in view come first
_SHARES = ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))


@dataclass(frozen=True, eq=False)
class Ask:
    """What is asked of a stack.

    Attributes:
        volume: the series.
        section: the slice in view.
        question: what is asked of it.
        settings: by method.
        target: index of the class that is explained, of all slices.
    """

    volume: Volume
    section: Section
    question: Question
    settings: Mapping[str, Settings]
    target: int

    @property
    def base(self) -> str:
        """A digest of all that the answers depend on but methods and settings: what another asks is another stack."""
        question, section = self.question, self.section
        parts = [question.model.fingerprint, question.model.outputs, question.layer, self.target, question.score]
        parts += [section.volume, section.plane, section.window, section.inverted]
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

    @property
    def key(self) -> str:
        """A digest of all of it."""
        return " ".join(
            [
                self.base,
                *(describe_method(self.question.model, name, self.settings[name]) for name in self.question.usable),
            ]
        )

    @property
    def count(self) -> int:
        """How many slices there are, missing ones too."""
        return self.volume.count(self.section.plane)  # type: ignore[arg-type]

    @property
    def there(self) -> list[int]:
        """Those that are not missing."""
        return self.volume.list_there(self.section.plane)  # type: ignore[arg-type]


@dataclass(eq=False)
class StackRun:
    """What is answered of a stack.

    Attributes:
        volume: digest of the series.
        base: see `Ask`.
        key: see `Ask`.
        said: how its class was chosen.
        answers: by slice.
        earlier: those of earlier settings.
        since: when these settings were chosen, by time.monotonic.
        work: under way.
        stopped: the person stopped it.
        problem: why it ended, in a sentence.
        shown: how many answers there were when the grid was last drawn.
        watched: when somebody last looked how far it is, by time.monotonic.
    """

    volume: str
    base: str
    key: str
    said: str
    answers: dict[int, SliceAnswer] = field(default_factory=dict)
    earlier: Mapping[int, SliceAnswer] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)
    work: Work[None] | None = None
    stopped: bool = False
    problem: str = ""
    shown: int = 0
    watched: float = field(default_factory=time.monotonic)
    _courses: tuple[int, dict[str, Course]] = field(default_factory=lambda: (0, {}))

    def follow_courses(self, methods: Sequence[str]) -> dict[str, Course]:
        """How the maps of each method go along the stack, as far as it is answered."""
        answers = [*self.answers.values()]
        if self._courses[0] != len(answers):
            found = {name: course for name in methods if (course := follow_maps(answers, name)) is not None}
            self._courses = (len(answers), found)
        return self._courses[1]

    def stop(self) -> None:
        """Ask for no more of it. What was answered stays."""
        self.stopped = True
        if self.work is not None:
            self.work.cancel.set()

    def go_on(self) -> None:
        """Begin where it was stopped: what was answered is remembered."""
        self.stopped, self.work, self.problem, self.since = False, None, "", 0.0

    def follow(self, key: str) -> StackRun:
        """The run for other settings, with what is known of these ones until it has answers of its own."""
        stopped = self.stopped
        self.stop()
        return StackRun(
            self.volume, self.base, key, self.said, earlier=dict(self.answers) or self.earlier, stopped=stopped
        )

    def count_bytes(self) -> int:
        """Memory that the maps of all slices take."""
        answers = [*self.answers.values(), *self.earlier.values()]
        arrays = {id(heatmap.values): heatmap.values.nbytes for answer in answers for heatmap in answer.maps.values()}
        return sum(arrays.values())

    def let_go(self, minutes: int) -> None:
        """Forget what was answered, as its series is: nobody has touched it for so many minutes."""
        self.stop()
        self.answers, self.earlier, self._courses = {}, {}, (0, {})

    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.stopped or (self.work is not None and self.work.wait(0))

    def explain(self, engine: Engine, ask: Ask, work: Work[None]) -> None:
        """Explain the slices, in a thread of its own."""
        question, section, answers = ask.question, ask.section, self.answers
        try:
            for answer in engine.explain_stack(
                ask.volume,
                question.model,
                question.usable,
                question.layer,
                ask.target,
                ask.settings,
                question.score,
                section.plane,  # type: ignore[arg-type]
                section.window or None,
                section.inverted,
                section.index,
                progress=lambda share, text: work.report(text, share),
                cancel=work.cancel,
            ):
                answers[answer.index] = answer  # where they were let go, not among those that come after
                if time.monotonic() - self.watched > _ALONE:
                    self.stopped = True
                    return
        except Cancelled:
            self.stopped = True
        except ExplainError as error:
            self.problem = str(error)
        except Exception:
            _log.exception("A series could not be explained")
            self.problem = "The series could not be explained. The reason is in the server's log."


def show_stack(
    engine: Engine,
    question: Question,
    settings: Mapping[str, Settings],
    answered: Answered,
    view: RenderSettings,
) -> None:
    """What there is of the series that is open, where a slice of it is among the pictures; nothing where none is.

    Args:
        engine: explains.
        question: what is asked of the pictures.
        settings: by method.
        answered: what came of it.
        view: how maps are drawn.
    """
    _follow_choice()
    scans = get_scans()
    section = next((p.section for p in question.pictures if p.digest == scans.shown), None)
    if section is None or scans.volume is None:
        _forget()
        return
    entry = next((one for one in answered.entries if one.picture.digest == scans.shown), None)
    if entry is not None:
        show_areas(scans.volume, section, entry)
    if entry is None or len(scans.volume.list_there(scans.plane)) < 2:
        return
    with st.container(key="stack-section"):
        st.markdown("**The whole series**")
        if not question.can_be_judged or not question.usable:
            st.caption("Slices are explained together as they are: one layer, no views, and a column a method.")
            return
        ask = Ask(scans.volume, section, question, settings, entry.targets[0])
        run = _find_run(ask)
        if run is None:
            _offer(engine, ask, entry)
        elif run.is_over():
            _show(engine, ask, run, view)
        else:
            _follow(engine, ask, run)


def _forget() -> None:
    run = st.session_state.pop(_RUN, None)
    if run is not None:
        run.stop()


def lay_answers(question: Question, settings: Mapping[str, Settings], answered: Answered) -> Asked:
    """What all rows have in common, with the maps of slices that are explained already and the one scale of all.

    Args:
        question: what is asked of the pictures.
        settings: by method.
        answered: what came of it.
    """
    asked = question.asked
    if question.volume is not None:
        asked = _scale_by_volume(asked, answered)
    run: StackRun | None = st.session_state.get(_RUN)
    if run is None or question.target is None or not question.can_be_judged:
        return asked
    filled = {}
    for picture in question.pictures:
        stack = asked.stacks.get(picture.digest)
        if stack is None or picture.section is None:
            continue
        if Ask(stack.volume, picture.section, question, settings, question.target).key == run.key:
            run.shown = len(run.answers)
            ends = {name: course.ends for name, course in run.follow_courses(question.usable).items()}
            told = hashlib.sha256(f"{run.key} {run.shown}".encode()).hexdigest()
            filled[picture.digest] = replace(stack, maps=partial(_build_panes, run), answer=told, ends=ends)
    return replace(asked, stacks={**asked.stacks, **filled})


def _scale_by_volume(asked: Asked, answered: Answered) -> Asked:
    """The scale of a volume's map is that of the whole, whichever cut is shown."""
    scaled = {}
    for entry in answered.entries:
        stack = asked.stacks.get(entry.picture.digest)
        if stack is not None:
            ends = {one.method: one.details[ENDS] for one in entry.maps if ENDS in one.details}
            scaled[entry.picture.digest] = replace(stack, ends=ends)
    return replace(asked, stacks={**asked.stacks, **scaled})


def _build_panes(run: StackRun, index: int) -> dict[str, Pane] | None:
    """The maps of a slice, as panes by the keys that they have for a picture; None where it is not explained."""
    answer = run.answers.get(index)
    if answer is None:
        return None
    panes = {}
    for name, heatmap in answer.maps.items():
        method = get_method(name)
        panes[name] = Pane(
            name,
            method.title,
            values=heatmap.values,
            box=heatmap.box,
            alt=f"{method.title} for “{answer.label}” on slice {index + 1}",
            painting=method.painting,
            strength=find_strength(heatmap.values),
        )
    for name, reason in answer.unavailable.items():
        panes[name] = Pane(name, get_method(name).title, message=reason)
    return panes


def _find_run(ask: Ask) -> StackRun | None:
    """What is known of what is asked; the run of earlier settings gives way to one of these."""
    run: StackRun | None = st.session_state.get(_RUN)
    if run is None or run.base != ask.base:
        _forget()
        return None
    if run.key != ask.key:
        run = st.session_state[_RUN] = run.follow(ask.key)
    find_holdings().touch(run)
    return run


def _offer(engine: Engine, ask: Ask, entry: PictureExplanation) -> None:
    count = len(ask.there)
    seconds = engine.estimate_stack(ask.question.model, entry.maps, count)
    about = "" if seconds is None else f" ({describe_duration(max(seconds, 1))})"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        pressed = st.button(f"Explain all {count:,} slices{about}", key="stack-begin", icon=":material/stacks:")
        st.caption(
            f"For “{escape(entry.labels[0])}” and with one scale, so that slices can be compared. {_say_sight(ask)}"
        )
    if pressed:
        said = "as chosen"
        if ask.question.target is None:
            said = f"the likeliest of slice {ask.section.index + 1}"
            choose_target(ask.target, ask.question.model.labels)
        st.session_state[_RUN] = StackRun(ask.section.volume, ask.base, ask.key, said, since=0.0)
        st.rerun()


@st.fragment(run_every=_LOOK_AGAIN)
@show_faults
def _follow(engine: Engine, ask: Ask, run: StackRun) -> None:
    """How far it is, and the strip as it fills. A fragment of its own, so that no slider waits for it."""
    run.watched = time.monotonic()
    _follow_choice()
    if run.is_over() or any(run.shown < count <= len(run.answers) for count in _GRID_AT):
        run.shown = len(run.answers)
        st.rerun()  # the grid gets what there is
    if run.work is None and time.monotonic() - run.since >= _STILL:
        run.work = Work(lambda work: run.explain(engine, ask, work), "stack", "batch")
    share, said = (None, "") if run.work is None else run.work.progress
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(share or 0.0, said or "Waiting for the settings to rest …")
        st.button("Stop", key="stack-stop", on_click=run.stop)
    _show_strip(ask, run)


def _follow_choice() -> None:
    """Make the page anew where a slice was chosen on the strip."""
    if st.session_state.pop(_GONE, False):
        st.rerun()


def _show(engine: Engine, ask: Ask, run: StackRun, view: RenderSettings) -> None:
    """What came of it."""
    done, count = len(run.answers), len(ask.there)
    _show_strip(ask, run)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if run.answers:
            answers = [*run.answers.values()]
            st.download_button(
                "Download the table",
                lambda: encode_stack(answers, ask.count, _list_missing(ask)),
                "stack.csv",
                "text/csv",
                key="stack-csv",
                on_click="ignore",
                icon=":material/download:",
                help="A line a slice, as CSV: probability, likeliest class, and how strong each map is.",
            )
            st.download_button(
                "Report of the series",
                for_actor(lambda: _write_report(engine, ask, answers, view)),
                "series.pdf",
                "application/pdf",
                key="stack-report",
                on_click="ignore",
                icon=":material/description:",
                help="Two pages as PDF: the slice on which the class is surest, then this strip and slices with maps.",
            )
            if ask.volume.geometry is not None:
                st.download_button(
                    "Maps as NIfTI",
                    lambda: _write_nifti(ask, answers),
                    "stack-nifti.zip",
                    "application/zip",
                    key="stack-nifti",
                    on_click="ignore",
                    icon=":material/view_in_ar:",
                    help="A volume for each method, at the layer's own resolution, where it lies in the patient.",
                )
        if done < count:
            st.button("Go on", key="stack-again", on_click=run.go_on, icon=":material/play_arrow:")
            st.caption(escape(run.problem) or f"Stopped after {done:,} of {count:,} slices.")


def _write_report(engine: Engine, ask: Ask, answers: Sequence[SliceAnswer], view: RenderSettings) -> bytes:
    """The report of all slices, as PDF."""
    from explain.report.one_page.stack import ExplainedStack
    from explain.report.one_page.writing import encode_report

    question, section = ask.question, ask.section
    plane, window = section.plane, section.window or None
    stack = ExplainedStack(
        question.model,
        ask.volume,
        answers,
        question.score,
        engine.description,
        plane,  # type: ignore[arg-type]
        window,
        section.inverted,
    )
    return encode_report(stack, "pdf", view)


def _write_nifti(ask: Ask, answers: Sequence[SliceAnswer]) -> bytes:
    """The maps of all slices as a zip of volumes."""
    from explain.report.scans.writing import export_stack, pack

    return pack(export_stack(ask.volume, ask.section, answers))


def _show_strip(ask: Ask, run: StackRun) -> None:
    answers = run.answers or run.earlier
    if not answers:
        return
    earlier = not run.answers
    found = list(dict(answers).values())
    missing = _list_missing(ask)
    problems = {answer.index: answer.problem for answer in found if answer.problem}
    lanes = build_lanes(found, ask.question.usable)
    said = "With earlier settings" if earlier else "One class for all slices"
    st.caption(
        f"{said}: “{escape(found[0].label)}”, {run.said}. Bars are how much of a map is above zero, beside the "
        f"strongest slice; all slices have one scale. {_say_sight(ask)}"
    )
    shown = Strip(ask.count, ask.section.index, lanes, missing, problems, earlier)
    strip(shown, "stack-strip", go_to_slice)


def _say_sight(ask: Ask) -> str:
    """What of the series the model sees at once."""
    if ask.question.volume is not None:
        return "The model sees the whole series at once; each slice shows where its map is cut."
    return "The model sees one slice at a time and knows nothing of its neighbours."


def _list_missing(ask: Ask) -> list[int]:
    return sorted(set(range(ask.count)) - set(ask.there))


def go_to_slice(at: int) -> None:
    """Show another slice. It is called back, before the page is made again."""
    scans = get_scans()
    scans.indices[scans.plane] = at
    st.session_state[_GONE] = True


def build_lanes(answers: Sequence[SliceAnswer], methods: Sequence[str]) -> list[Lane]:
    """What the strip shows: first how likely the class is, then a lane for the maps of each method."""
    found = [answer for answer in answers if not answer.problem]
    lanes = [_build_likeliness(found)] if found else []
    courses = {name: course for name in methods if (course := follow_maps(found, name)) is not None}
    return lanes + [_build_lane(name, course) for name, course in courses.items()]


def _build_likeliness(answers: Sequence[SliceAnswer]) -> Lane:
    """The probability of the class, or of a value how it goes from its lowest to its highest."""
    said = {answer.index: _say_answer(answer) for answer in answers}
    title = answers[0].label
    shares = {answer.index: answer.probability for answer in answers if answer.probability is not None}
    if shares:
        return Lane(title, shares, said, _SHARES)
    scores = {answer.index: answer.score for answer in answers if answer.score is not None}
    low, high = min(scores.values()), max(scores.values())
    heights = {at: (score - low) / (high - low) if high > low else 0.5 for at, score in scores.items()}
    return Lane(title, heights, said, ((0.0, format_value(low)), (1.0, format_value(high))))


def _say_answer(answer: SliceAnswer) -> str:
    best = answer.predictions[0]
    said = format_value(answer.score) if answer.probability is None else format_share(answer.probability)
    return said if best.index == answer.target else f"{said}, likeliest {best.label}"


def _build_lane(method: str, course: Course) -> Lane:
    said = {at: write_percent(strength) for at, strength in course.strengths.items()}
    said |= {at: f"{said[at]}, almost blank" for at in course.faint}
    said |= dict.fromkeys(course.blank, "blank")
    return Lane(get_method(method).title, course.strengths, said, blank=course.blank, faint=course.faint)
