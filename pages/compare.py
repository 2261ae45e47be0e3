"""Compare: pictures in rows, methods in columns."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from components.canvas import CanvasEvent, Pane, Row, canvas, read_event
from components.combination import Combination, pick_combination
from components.comparison import Comparison, pick_comparison, pick_difference
from components.downloads import Shown, offer_downloads
from components.faults import show_faults
from components.front_door import go_through_front_door, link_to_page
from components.link import get_view, keep_link
from components.methods import (
    describe_duration,
    find_obstacles,
    follow_settings,
    pick_methods,
    read_settings,
    show_settings,
)
from components.model import use_bundled
from components.rows import (
    EXPLAIN_CLASS,
    SWITCH_MODEL,
    Column,
    Failure,
    build_column_rows,
    build_rows,
    describe_picture,
    list_class_columns,
    list_layer_columns,
    list_model_columns,
)
from components.subject import pick_subject, say_no_picture, show_heading
from components.target import choose_target
from components.work import Place, Work, go_on, is_stopped
from explain.capture import Score
from explain.errors import Cancelled, ExplainError
from explain.explanation import Explanation, PictureExplanation
from explain.methods import Settings, get_method
from explain.models import LoadedModel, find_prompted_twin
from explain.picture import Picture

if TYPE_CHECKING:
    from explain.engine import Engine

Outcome = PictureExplanation | Failure

_LIKELIEST = ("Likeliest class", "Second likeliest", "Third likeliest")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of the engine, but for the settings.

    Attributes:
        model: the model.
        pictures: a row each.
        layer: name of a layer, or `auto`.
        target: index of a class, or None for each picture's likeliest.
        methods: a column each.
        score: what of the class is differentiated.
        combination: further layers, and views.
        comparison: what the columns are.
        usable: the methods that work on the model.
        twin: a bundled model with prompts that knows the same classes, unless this model has prompts itself.
    """

    model: LoadedModel
    pictures: Sequence[Picture]
    layer: str
    target: int | None
    methods: Sequence[str]
    score: Score
    combination: Combination
    comparison: Comparison
    usable: Sequence[str]
    twin: str | None

    def make_key(self, settings: Mapping[str, Settings]) -> str:
        """A digest of everything the answer depends on."""
        parts = [
            self.model.fingerprint,
            self.layer,
            self.target,
            self.score,
            self.combination,
            self.comparison,
            *(picture.digest for picture in self.pictures),
        ]
        parts += [f"{name} {settings[name]!r}" for name in self.methods]
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@show_faults
def show_page() -> None:
    """Pick on the left, compare on the right."""
    show_heading("Where the model looks")
    body, subject = pick_subject(_show_waiting)
    if subject is None:
        return
    engine, model, pictures, first = subject.engine, subject.model, subject.pictures, subject.layer
    with st.sidebar:
        combination = pick_combination(model.layers, first)
        obstacles = find_obstacles(model)
        methods = pick_methods(
            obstacles,
            lambda method: engine.estimate_seconds(model, method, first, read_settings(method.name)),
        )
    keep_link()
    with body.container():
        if not pictures:
            say_no_picture()
        elif not methods:
            st.info("No method is chosen. Choose one or several on the left.", icon=":material/layers:")
        else:
            with st.container(key="comparison", horizontal=True, vertical_alignment="bottom", gap="medium"):
                comparison = pick_comparison(model.layers, first, model.labels, model.request.name)
                usable = [name for name in methods if name not in obstacles]
                # Found out here, since it reads the bundled models' files: a moved slider need not.
                twin = None if model.prompted is not None else find_prompted_twin(model.labels)
                question = Question(
                    model,
                    pictures,
                    first,
                    subject.target,
                    methods,
                    subject.score,
                    combination,
                    comparison,
                    usable,
                    twin,
                )
                difference = pick_difference(_name_columns(question))
                agree = st.toggle("How far do they agree?", key="agreement", persist_state="session")
            shown = Shown()
            _compare(engine, question, difference, agree, shown)
            shown.offered = shown.explanation is not None
            if shown.offered:
                offer_downloads(shown)
            if "cf-cam" in methods:
                link_to_page("clusters", "How CF-CAM groups the channels", ":material/bubble_chart:")


@st.fragment
@show_faults
def _compare(engine: Engine, question: Question, difference: tuple[str, str] | None, agree: bool, shown: Shown) -> None:
    """Sliders and grid. Moving a slider reruns only this, so it holds nothing that a slider does not change: each
    element costs the server a millisecond or two, and the browser several.
    """
    event = read_event("canvas")
    if event is not None:
        _follow(event, question.model)  # and from the top: what would be drawn here is not wanted any more
    settings = show_settings(question.methods, question.usable)
    keep_link()
    key = question.make_key(settings)
    place = Place("grid")
    if is_stopped(key):
        with place.container():
            st.info("Stopped. Nothing was changed.", icon=":material/front_hand:")
            st.button("Explain again", key="go-on", on_click=go_on)
        return
    by_models = question.comparison.by == "models"
    outcomes: list[Outcome] = []
    if by_models:
        work = Work(lambda work: _explain_models(engine, question, settings, work))
        columns = [
            (picture, list_model_columns(found))
            for picture, found in zip(question.pictures, place.watch(work, "Explaining …", stop_key=key), strict=True)
        ]
    else:
        outcomes = _watch_outcomes(engine, question, settings, place, key)
        columns = _list_columns(question, outcomes)
    with place.container():
        if question.comparison.by == "methods":
            rows = build_rows(outcomes, question.methods, question.twin, difference=difference)
        else:
            rows = build_column_rows(columns, question.methods, difference)
        answer = canvas(rows, get_view(), key="canvas")
        if agree:
            # Plotly takes longer to import than anything else on this page.
            from components.agreement import show_agreement

            show_agreement(rows)
        shown.view = answer.view
        explained = tuple(outcome for outcome in outcomes if isinstance(outcome, PictureExplanation))
        if explained:
            combination = question.combination
            shown.explanation = Explanation(
                question.model,
                explained,
                question.score,
                combination.fusion,
                combination.augmentation,
                engine.description,
            )
            if shown.offered is False:
                st.rerun()  # what had been stopped went on: the page lacks the buttons
        passes = engine.passes
        st.caption(
            f"Passes of the network since the start: {passes.forward} forward, {passes.backward} backward. "
            f"The maps of a picture share them; sliders need none. Runs on {engine.description}."
        )
    follow_settings(question.methods)


def _list_columns(question: Question, outcomes: Sequence[Outcome]) -> list[tuple[Picture, list[Column]]]:
    """The columns of each picture where they are layers or classes."""
    columns = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            columns.append((outcome.picture, [Column("failed", "", "", outcome, {}, outcome.sentence)]))
        elif question.comparison.by == "layers":
            columns.append((outcome.picture, list_layer_columns(outcome)))
        elif question.comparison.by == "classes":
            columns.append((outcome.picture, list_class_columns(outcome)))
    return columns


def _name_columns(question: Question) -> dict[str, str]:
    """What may be subtracted: every column by key, with the name a person knows it by."""
    comparison = question.comparison
    if comparison.by == "methods":
        return {name: get_method(name).title for name in question.usable}
    if comparison.by != "classes":
        return {name: name for name in comparison.names}
    labels = [question.model.labels[int(name)] for name in comparison.names]
    return {str(rank): label for rank, label in enumerate(labels or _LIKELIEST)}


def _watch_outcomes(
    engine: Engine, question: Question, settings: Mapping[str, Settings], place: Place, key: str
) -> list[Outcome]:
    """What the engine answers. The maps of quick methods stand on the page while slow ones are being made."""
    slow = [name for name in question.methods if "runner" in get_method(name).needs]
    quick = [name for name in question.methods if name not in slow]
    first: list[Outcome] = []
    if slow and quick:
        part = replace(question, methods=quick)
        first = place.watch(Work(lambda work: _explain(engine, part, settings, work)), "Explaining …", stop_key=key)

    coming = {}
    for name in slow:
        seconds = engine.estimate_seconds(question.model, get_method(name), question.layer, settings[name])
        coming[name] = "Coming …" if seconds is None else f"Coming … {describe_duration(seconds)} a picture"

    def show_quick() -> None:
        if first:
            canvas(build_rows(first, question.methods, question.twin, coming), get_view(), key="meanwhile")

    return place.watch(
        Work(lambda work: _explain(engine, question, settings, work)),
        "Explaining …",
        stop_key=key,
        meanwhile=show_quick,
    )


def _follow(event: CanvasEvent, model: LoadedModel) -> None:
    """Do what a button in the grid says, which concerns the whole page."""
    action, _, value = event.action.partition(":")
    if action == SWITCH_MODEL:
        use_bundled(value)
    elif action == EXPLAIN_CLASS and value.isdigit():
        choose_target(int(value), model.labels)
    st.rerun()


def _explain(engine: Engine, question: Question, settings: Mapping[str, Settings], work: Work) -> list[Outcome]:
    """Ask the engine picture by picture: one that fails costs a sentence in its row, and nothing else."""
    outcomes: list[Outcome] = []
    for done, picture in enumerate(question.pictures):
        try:
            explanation = engine.explain(
                picture,
                question.model,
                question.methods,
                _choose_layers(question),
                _choose_targets(engine, question, picture),
                settings,
                question.score,
                "none" if question.comparison.by == "layers" else question.combination.fusion,
                question.combination.augmentation,
                progress=lambda share, text, done=done: work.report(text, (done + share) / len(question.pictures)),
                cancel=work.cancel,
            )
            outcomes.append(explanation.pictures[0])
        except Cancelled:
            raise
        except ExplainError as error:
            outcomes.append(Failure(picture, str(error)))
        except Exception:
            _log.exception("A picture could not be explained")
            outcomes.append(Failure(picture, "This picture could not be explained. The reason is in the server's log."))
    return outcomes


def _choose_layers(question: Question) -> tuple[str, ...]:
    if question.comparison.by == "layers":
        return question.comparison.names
    return (question.layer, *question.combination.layers)


def _choose_targets(engine: Engine, question: Question, picture: Picture) -> list[int | str]:
    if question.comparison.by == "classes":
        likeliest = [prediction.index for prediction in engine.predict(picture, question.model, 3)]
        return [int(name) for name in question.comparison.names] or likeliest
    return ["auto" if question.target is None else question.target]


def _explain_models(
    engine: Engine, question: Question, settings: Mapping[str, Settings], work: Work
) -> list[dict[str, Outcome]]:
    """Ask several models about every picture, each at its best layer. A class that a model does not know by name gives
    way to its likeliest.
    """
    found: list[dict[str, Outcome]] = [{} for _ in question.pictures]
    label = None if question.target is None else question.model.labels[question.target]
    for number, name in enumerate(question.comparison.names):
        if name == question.model.request.name:
            part = replace(question, comparison=Comparison())
        else:
            model = engine.load(name)
            target = model.labels.index(label) if label in model.labels else None
            at = model.default_layer.name if model.default_layer is not None else "auto"
            part = replace(
                question, model=model, layer=at, target=target, combination=Combination(), comparison=Comparison()
            )
        work.report(name, number / len(question.comparison.names))
        for outcomes, outcome in zip(found, _explain(engine, part, settings, work), strict=True):
            outcomes[name] = outcome
    return found


def _show_waiting(pictures: Sequence[Picture]) -> None:
    """The pictures as they are, until there are maps."""
    if not pictures:
        return
    panes = [Pane("picture", "Picture")]
    panes += [
        Pane(name, get_method(name).title, get_method(name).sentence, message="Coming …")
        for name in st.session_state.get("methods", ())
    ]
    rows = [Row(p.digest, p.name, p.pixels, p.digest, panes, describe_picture(p)) for p in pictures]
    canvas(rows, get_view(), key="waiting")


if __name__ == "__main__":
    go_through_front_door(__file__)
