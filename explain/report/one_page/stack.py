"""What stands on the report of a stack: the page of its surest slice, then a sheet of the whole series."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from explain.engine.explanation import Explanation, format_value
from explain.engine.slices import Course, SliceAnswer, follow_maps
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from explain.passes.look import Score
from explain.percent import write_percent
from explain.pictures.picture import Picture
from explain.report.one_page.content import Page, Said, Sheet, describe_legend, describe_page
from explain.report.one_page.panes import Pane, Regions, draw_map, draw_picture, join_titles
from explain.report.one_page.strip import Lane
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

KEY_SLICES = 4
"""Slices of a stack that are shown with their maps."""

_MOST_BESIDE = 4
"""Maps beside the picture of a slice, and lanes of the strip below the one of the class."""

_APART = 8
"""Key slices lie at least one part in so many of the series from each other: neighbours look alike."""


@dataclass(frozen=True, eq=False)
class ExplainedStack:
    """A stack and what was answered of it.

    Attributes:
        model: what answered.
        volume: the series.
        answers: of its slices, in any order.
        score: what was differentiated.
        device: what it was computed on.
        plane: how the series is cut.
        window: through which window it is shown; see `Volume.slice`.
        inverted: whether it is shown black for white.
    """

    model: LoadedModel
    volume: Volume
    answers: Sequence[SliceAnswer]
    score: Score = "logit"
    device: str = ""
    plane: Plane = "stack"
    window: str | None = None
    inverted: bool = False

    def draw(self, index: int) -> Picture:
        """A slice as a picture."""
        return self.volume.slice(index, self.plane, self.window, self.inverted)


def describe_stack_page(
    stack: ExplainedStack, view: RenderSettings, find_regions: Callable[[Picture], Regions] | None = None
) -> Page:
    """Gather the page of a stack: of its surest slice, with the strip and the key slices on a sheet after it.

    Args:
        stack: what was answered.
        view: how maps are drawn. All slices have one scale.
        find_regions: gives the given regions of a slice, by their names.

    Raises:
        ExplainError: there is no map to report.
    """
    found = sorted((answer for answer in stack.answers if not answer.problem), key=lambda answer: answer.index)
    if not found:
        reason = next((answer.problem for answer in stack.answers), "no slice was explained. Explain some first.")
        raise ExplainError(f"There is nothing to report of “{stack.volume.name}”: {reason}")
    methods = list(dict.fromkeys(name for answer in found for name in answer.maps))
    courses = {name: course for name in methods if (course := follow_maps(found, name)) is not None}
    keys = choose_key_slices(found, courses, stack.volume.count(stack.plane), by_map=stack.model.reads_volumes)
    ends = {name: course.find_range(view.signed) for name, course in courses.items()}
    by_index = {answer.index: answer for answer in found}

    def tell(index: int) -> tuple[Explanation, dict[str, tuple[float, float]]]:
        answer = by_index[index]
        explanation = Explanation(stack.model, (answer.lay_on(stack.draw(index)),), stack.score, device=stack.device)
        scales = {one.key: ends[one.method] for one in answer.maps.values() if one.method in ends}
        return explanation, scales

    first, scales = tell(keys[0])
    (entry,) = first.pictures
    regions = {} if find_regions is None else find_regions(entry.picture)
    page = describe_page(first, entry, scales, view, regions, _say_choice(stack, len(found)))
    command, lacks = page.command
    sheet = _describe_sheet(stack, found, courses, keys, [(tell(at), at) for at in sorted(keys)], view)
    return replace(page, command=(f"{command} --stack", lacks), series=sheet)


def choose_key_slices(
    answers: Sequence[SliceAnswer], courses: Mapping[str, Course], count: int, by_map: bool
) -> list[int]:
    """The slices to be shown, the first one first: those on which the class is surest, none beside another.

    Args:
        answers: of slices, without problems.
        courses: how the maps go along the stack, by method.
        count: how many slices there are.
        by_map: the slices on which the first map is strongest: of a volume that was seen whole, all are equally sure.
    """
    strengths = next(iter(courses.values())).strengths if by_map and courses else {}

    def rank(answer: SliceAnswer) -> float:
        if by_map:
            return strengths.get(answer.index, 0.0)
        return (answer.score or 0.0) if answer.probability is None else answer.probability

    keys: list[int] = []
    for answer in sorted(answers, key=lambda one: (-rank(one), one.index)):
        if len(keys) < KEY_SLICES and all(abs(answer.index - at) >= max(count / _APART, 1) for at in keys):
            keys.append(answer.index)
    return keys


def _say_choice(stack: ExplainedStack, count: int) -> str:
    what = "the first map is strongest" if stack.model.reads_volumes else "the class is surest"
    return f"Of {count:,} slices it is the one on which {what}. The whole series follows."


def _describe_sheet(
    stack: ExplainedStack,
    found: Sequence[SliceAnswer],
    courses: Mapping[str, Course],
    keys: Sequence[int],
    told: Sequence[tuple[tuple[Explanation, dict[str, tuple[float, float]]], int]],
    view: RenderSettings,
) -> Sheet:
    shown, whole = list(courses)[:_MOST_BESIDE], stack.model.reads_volumes
    panes: list[Pane] = []
    hatched = False
    for (explanation, scales), index in told:
        (entry,) = explanation.pictures
        panes.append(
            draw_picture(entry.picture, {}, f"Slice {index + 1}{'' if whole else _say_sureness(found, index)}")
        )
        for one in (one for name in shown for one in entry.maps if one.method == name):
            panes.append(draw_map(entry, one, get_method(one.method).title, scales[one.key], view, {}))
            hatched = hatched or not one.box.covers(entry.picture.size)
    count = stack.volume.count(stack.plane)
    missing = sorted(set(range(count)) - set(stack.volume.list_there(stack.plane)))
    return Sheet(
        title=f"The whole series: {stack.volume.name}",
        said=tuple(map(Said, _say_series(stack, found, courses, missing))),
        lanes=(*([] if whole else [_build_likeliness(found)]), *(_build_lane(name, courses[name]) for name in shown)),
        count=count,
        missing=tuple(missing),
        keys=tuple(sorted(keys)),
        panes=tuple(panes),
        columns=1 + len(shown),
        legend=_describe_sheet_legend(panes, hatched, missing, courses),
    )


def _say_sureness(found: Sequence[SliceAnswer], index: int) -> str:
    answer = next(one for one in found if one.index == index)
    return f" · {format_value(answer.score) if answer.probability is None else write_percent(answer.probability, 1)}"


def _say_series(
    stack: ExplainedStack, found: Sequence[SliceAnswer], courses: Mapping[str, Course], missing: Sequence[int]
) -> list[str]:
    """What is read off the strip, for those who do not see it, and what no strip shows."""
    label, there = found[0].label, len(stack.volume.list_there(stack.plane))
    done = "All" if len(found) == there else f"{len(found):,} of"
    said = [f"{done} {there:,} slices are explained for one class, “{label}”, and each method has one scale for all."]
    if stack.model.reads_volumes:
        said.append("The model saw the whole series at once: its answer is one, and each slice shows a cut of the map.")
    else:
        said.append("The model saw one slice at a time and knows nothing of those beside it.")
        shares = [(answer.probability, answer.index) for answer in found if answer.probability is not None]
        if shares:
            (low, at_low), (high, at_high) = min(shares), max(shares)
            said.append(
                f"“{label}” is likeliest on slice {at_high + 1} ({write_percent(high, 1)}), least so on slice "
                f"{at_low + 1} ({write_percent(low, 1)})."
            )
        others = Counter(one.predictions[0].label for one in found if one.predictions[0].index != one.target)
        if others:
            often, times = others.most_common(1)[0]
            said.append(
                f"On {sum(others.values()):,} of them another class is likelier, most often “{often}” ({times:,})."
            )
    said += _say_courses(courses)
    if missing:
        said.append(f"{_count_slices(len(missing))} not in the series.")
    return said


def _count_slices(count: int) -> str:
    return "1 slice is" if count == 1 else f"{count:,} slices are"


def _say_courses(courses: Mapping[str, Course]) -> list[str]:
    """Where the maps of each method are strongest, and on how many slices there is nothing to be seen of them."""
    strongest: dict[int, list[str]] = defaultdict(list)
    nothing = []
    for name, course in courses.items():
        title = get_method(name).title
        strongest[max(course.strengths, key=lambda at: course.strengths[at])].append(title)
        flagged = [
            f"{word} on {len(some):,}" for word, some in (("blank", course.blank), ("faint", course.faint)) if some
        ]
        nothing += [f"{title} {' and '.join(flagged)}"] if flagged else []
    places = [f"{join_titles(titles)} on slice {at + 1}" for at, titles in strongest.items()]
    said = [f"Maps are strongest: {'; '.join(places)}."] if places else []
    return said + ([f"Maps that show nothing, or nearly nothing: {'; '.join(nothing)}."] if nothing else [])


def _build_likeliness(found: Sequence[SliceAnswer]) -> Lane:
    """The probability of the class, or of a value how it goes from its lowest to its highest."""
    shares = {answer.index: answer.probability for answer in found if answer.probability is not None}
    if shares:
        return Lane("Probability", shares, ("0 %", "100 %"))
    scores = {answer.index: answer.score for answer in found if answer.score is not None}
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    heights = {at: (score - low) / (high - low) if high > low else 0.5 for at, score in scores.items()}
    return Lane("Value", heights, (format_value(low), format_value(high)))


def _build_lane(name: str, course: Course) -> Lane:
    return Lane(get_method(name).title, course.strengths, nothing=course.blank | course.faint)


def _describe_sheet_legend(
    panes: Sequence[Pane], hatched: bool, missing: Sequence[int], courses: Mapping[str, Course]
) -> str:
    nothing = any(course.blank or course.faint for course in courses.values())
    legend = [
        "Bars of a method are how much of its map is above zero, beside its strongest slice. Dark: shown below.",
        "Amber: almost blank." if nothing else "",
        "Grey: not in the series." if missing else "",
        f"Of {len(courses)} methods the first {_MOST_BESIDE} are shown." if len(courses) > _MOST_BESIDE else "",
        describe_legend(panes, hatched),
    ]
    return " ".join(filter(None, legend))
