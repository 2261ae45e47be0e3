"""What stands on the one-page report of a picture: in words and pictures, for whichever file it is written to.

Nothing of a patient is in it: a picture goes by the name under which it may be shown, and scans have none of a file's.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explain.bundled.models import find_bundled_model
from explain.engine.explanation import Explanation, PictureExplanation, Prediction
from explain.engine.whole_volumes import SELDOM
from explain.errors import ExplainError, make_printable
from explain.faithfulness.verdict import SIGNS, Verdict
from explain.maps.agreement import describe_agreement, rank_correlations
from explain.maps.figure import DISCLAIMER
from explain.maps.heatmap import Heatmap, describe_faintness, find_peaks
from explain.maps.render import RenderSettings
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from explain.models.prompt_library import read_card
from explain.networks.layer import describe_grid
from explain.pictures.picture import Picture
from explain.report.comparison import describe_asking, describe_settings, title_map, write_today
from explain.report.manifest import find_versions
from explain.report.one_page.command import can_be_made_again, write_command
from explain.report.one_page.panes import (
    MOST_MAPS,
    Pane,
    Regions,
    draw_map,
    draw_picture,
    join_titles,
)
from explain.report.one_page.strip import Lane
from explain.report.sentence import write_sentence

UNKNOWN_TRAINING = "Nobody has told what it learned from. Ask whoever trained it."
UNKNOWN_ACCURACY = "not known: how often it is right was not measured here"
_MACHINES = {"CT": "a slice of a CT scan", "MR": "a slice of an MR scan", "PT": "a slice of a PET scan"}
_LONGEST_LABEL = 60
_SEEN = ("torch", "torchvision", "timm", "numpy", "python", "device")

Facts = tuple[tuple[str, str], ...]
"""Terms, each with what is said of it."""


@dataclass(frozen=True)
class Answer:
    """One of the likeliest classes: its name, its probability or value in words, and how long its bar is, 0…1; whether
    its maps are on the page.
    """

    label: str
    text: str
    share: float
    explained: bool


@dataclass(frozen=True)
class Said:
    """A sentence: the words of a verdict with their sign, and whose maps it speaks of; each may be empty."""

    sentence: str
    maps: str = ""
    word: str = ""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A series as a whole, which follows the page of one of its slices.

    Attributes:
        title: what the series is called.
        said: what is to be seen on it, in sentences.
        lanes: what goes along its slices, as bars.
        count: how many slices it has.
        missing: those that are not there, from 0.
        keys: those that are shown, from 0.
        panes: a row for each of these: the slice, then its maps.
        columns: how many panes a row has.
        legend: what bars, colours, hatching and the scale are.
    """

    title: str
    said: tuple[Said, ...]
    lanes: tuple[Lane, ...]
    count: int
    missing: tuple[int, ...]
    keys: tuple[int, ...]
    panes: tuple[Pane, ...]
    columns: int
    legend: str


@dataclass(frozen=True, eq=False)
class Page:
    """What stands on one page, from top to bottom.

    Attributes:
        cautions: sentences the page begins with; none where the model may know such pictures.
        name: what the picture is called.
        picture: what it is, in words.
        model: what the model is.
        answers: the five likeliest classes.
        explained: which of them the maps are for, in a sentence.
        panes: the picture, then its maps.
        columns: how many of them stand beside each other, where that means something; else None.
        legend: what hatching, the scale and outlines are, in sentences; empty where there are none.
        sections: what is said of the maps, under headings: all in a sentence, what was measured, what else must be
            known, what no map can say, how they were made.
        proof: digests, versions, the day.
        command: the line that makes the maps again, and what it lacks, which may be nothing.
        series: what follows on a sheet of its own; None for a picture that stands alone.
    """

    cautions: tuple[str, ...]
    name: str
    picture: Facts
    model: Facts
    answers: tuple[Answer, ...]
    explained: str
    panes: tuple[Pane, ...]
    columns: int | None
    legend: str
    sections: tuple[tuple[str, tuple[Said, ...]], ...]
    proof: Facts
    command: tuple[str, str]
    series: Sheet | None = None


def describe_page(
    explanation: Explanation,
    entry: PictureExplanation,
    ends: Mapping[str, tuple[float, float]],
    view: RenderSettings,
    regions: Regions | None = None,
    note: str = "",
) -> Page:
    """Gather the page of a picture.

    Args:
        explanation: what the engine answered.
        entry: of one picture of it, whose name may be shown.
        ends: lowest and highest value shown of each map, by its key; see `explain.report.comparison.find_ranges`.
        view: how maps are drawn.
        regions: drawn or given ones, by their names.
        note: why it is this slice, in a sentence.

    Raises:
        ExplainError: there is no map to report.
        PictureError: a region holds no pixel of the picture.
    """
    maps = [heatmap for heatmap in entry.maps if heatmap.key in ends]
    if not maps:
        reasons = " ".join(dict.fromkeys(entry.unavailable.values()))
        raise ExplainError(f"There is nothing to report of “{entry.picture.name}”: no map was made. {reasons}".strip())
    shown, regions = maps[:MOST_MAPS], regions or {}
    whole = explanation.model.reads_volumes
    panes = [draw_map(entry, one, title_map(entry, one), ends[one.key], view, regions) for one in shown]
    panes = [draw_picture(entry.picture, regions), *panes]
    known = (*_say_warnings(entry, shown, len(maps)), *_say_agreement(entry, shown))
    return Page(
        cautions=tuple(filter(None, dict.fromkeys([entry.unlike.sentence, entry.caution]))),
        name=entry.picture.name,
        picture=(*_describe_picture(entry.picture), *(((("Why this slice", note),)) if note else ())),
        model=describe_model(explanation.model),
        answers=tuple(describe_answer(one, entry.targets) for one in entry.predictions[:5]),
        explained=f"The maps are for {join_titles([f'“{label}”' for label in entry.labels])}.",
        panes=tuple(panes),
        columns=None,
        legend=describe_legend(panes, _is_hatched(entry.picture, shown)),
        sections=(
            *_say_in_a_sentence(entry),
            ("What was measured of the maps", say_measured(entry, shown, whole)),
            *((("What else to know", known),) if known else ()),
            ("What no map says", _say_limits(entry.picture, shown, whole)),
            ("How it was made", (Said(_describe_making(explanation, entry)),)),
        ),
        proof=_describe_proof(explanation, entry),
        command=(write_command(explanation, entry, whole), can_be_made_again(explanation, entry)),
    )


def describe_legend(panes: Sequence[Pane], hatched: bool) -> str:
    """What hatching, the scale and outlines are, in sentences; empty where there are none."""
    scales = dict.fromkeys(pane.scale.millimetres for pane in panes if pane.scale is not None)
    lines = "The line on the picture is" if len(scales) == 1 else "Lines on pictures are"
    at_detector = any(pane.scale is not None and pane.scale.at_detector for pane in panes)
    where = " at the detector; in the patient it is less" if at_detector else ""
    legend = [
        "Hatched: cropped away, the model did not see it." if hatched else "",
        f"{lines} {join_titles([f'{length}' for length in scales])} mm long{where}." if scales else "",
        "Outlined: the regions of which shares are told." if any(pane.rings for pane in panes) else "",
    ]
    return " ".join(filter(None, legend))


def _is_hatched(picture: Picture, shown: Sequence[Heatmap]) -> bool:
    return any(not heatmap.box.covers(picture.size) for heatmap in shown)


def _describe_making(explanation: Explanation, entry: PictureExplanation) -> str:
    layers = f"{'Layer' if len(entry.layers) == 1 else 'Layers'} {join_titles(entry.layers)}"
    settings = describe_settings(explanation)
    return f"{layers}; {describe_asking(explanation)}. {f'{settings}.' if settings else ''}".rstrip()


def _describe_picture(picture: Picture) -> Facts:
    height, width = picture.size
    kind = "a picture"
    if picture.section is not None:
        kind = _MACHINES.get(picture.modality or "", "a slice of a volume")
    elif picture.modality is not None:
        kind = f"a medical picture ({picture.modality})"
    size = f"{width:,} × {height:,} pixels"
    placement = picture.placement
    if placement is not None and placement.pitch is not None:
        down, across = placement.pitch
        size += f", {width * across:.0f} × {height * down:.0f} mm{' at the detector' if placement.at_detector else ''}"
    facts = [("What it is", f"{kind[0].upper()}{kind[1:]}, {size}.")]
    if picture.modality is not None and (placement is None or placement.edges is None):
        facts.append(("Sides", "Left and right are not known."))
    if picture.notes:
        facts.append(("How it was read", " ".join(picture.notes)))
    return tuple(facts)


def describe_model(model: LoadedModel) -> Facts:
    """A model's card in words: what it learned from, how often it is right, what it cannot do."""
    request = model.request
    bundled = find_bundled_model(request.name) if request.source == "bundled" else None
    learned, right, limits = UNKNOWN_TRAINING, UNKNOWN_ACCURACY, "Not told. A model finds one of its classes anywhere."
    name = request.name
    if bundled is not None:
        name = f"{request.name}: {bundled.title.partition(': ')[2] or bundled.title}"
        learned = bundled.learned or learned
        right = bundled.describe_accuracy() or bundled.measured or right
        limits = " ".join(bundled.limits) or limits
    elif request.source == "prompts":
        with contextlib.suppress(ExplainError):
            right = read_card(request.name).describe_accuracy()
        learned = "Class prompts, trained in this CAMscope's studio on a person's own pictures."
    elif request.source == "hub":
        learned = f"timm's {request.name} of the Hugging Face hub: its card there says what it learned from."
    return (
        ("Model", f"{name}, {len(model.labels):,} classes" if model.outputs == "classes" else name),
        ("Learned from", learned),
        ("Accuracy", f"{right[0].upper()}{right[1:].rstrip('.')}."),
        ("Limits", limits),
    )


def describe_answer(prediction: Prediction, targets: Sequence[int]) -> Answer:
    """A class as it stands on the page; `targets` are those that are explained."""
    text = prediction.describe(1).removeprefix(prediction.label).strip()
    label = make_printable(prediction.label, _LONGEST_LABEL, _LONGEST_LABEL // 2)
    return Answer(label, text, prediction.probability or 0.0, prediction.index in targets)


def _say_in_a_sentence(entry: PictureExplanation) -> tuple[tuple[str, tuple[Said, ...]], ...]:
    """The sentence of the picture, under a heading; nothing where there are no figures for one."""
    text = write_sentence(entry).text
    return (("In a sentence", (Said(text),)),) if text else ()


def say_measured(entry: PictureExplanation, shown: Sequence[Heatmap], whole: bool) -> tuple[Said, ...]:
    """What the checks say, equal sentences once; the gravest word first. `whole`: of a volume, said of it as well."""
    if not entry.verdicts:
        unchecked = "Not checked: whether the maps may be believed."
        return (Said(f"{unchecked} {SELDOM}" if whole else unchecked),)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    missing: dict[str, list[str]] = defaultdict(list)
    for heatmap in shown:
        verdict = entry.verdicts.get(heatmap.key, Verdict(()))
        for mark in verdict.marks:
            found[f"{SIGNS[mark.word]} {mark.word}", mark.sentence].append(title_map(entry, heatmap))
        for one in verdict.missing:
            missing[one].append(title_map(entry, heatmap))
    order = [f"{sign} {word}" for word, sign in SIGNS.items()]
    said = [Said(sentence, join_titles(maps), word) for (word, sentence), maps in found.items()]
    said.sort(key=lambda one: order.index(one.word))
    return (*said, *(Said(f"{one}.", join_titles(maps), "– not measured") for one, maps in missing.items()))


def _say_warnings(entry: PictureExplanation, shown: Sequence[Heatmap], count: int) -> tuple[Said, ...]:
    """Warnings of maps, equal ones once; then what has no map, and why."""
    peaks = find_peaks(entry.maps)
    found: dict[str, list[str]] = defaultdict(list)
    for heatmap in shown:
        faint = describe_faintness(heatmap, peaks[heatmap.method, heatmap.layer])
        for sentence in filter(None, [*heatmap.warnings, faint]):
            found[sentence].append(title_map(entry, heatmap))
    said = [Said(sentence, join_titles(maps)) for sentence, maps in found.items()]
    said += [Said(f"No map: {reason}", get_method(name).title) for name, reason in entry.unavailable.items()]
    if count > len(shown):
        said.append(Said(f"Of {count} maps the first {len(shown)} are shown; the others are in the files."))
    return tuple(said)


def _say_agreement(entry: PictureExplanation, shown: Sequence[Heatmap]) -> tuple[Said, ...]:
    if len(shown) < 2:
        return ()
    matrix = rank_correlations([one.values for one in shown], [one.box for one in shown])
    said = describe_agreement(matrix, [title_map(entry, one) for one in shown])
    return (Said(f"{said} 1 is the same order of places. Agreement is no proof that either is right.", "Agreement"),)


def _say_limits(picture: Picture, shown: Sequence[Heatmap], whole: bool) -> tuple[Said, ...]:
    grids = join_titles(list(dict.fromkeys(describe_grid(one.values.shape) for one in shown)))
    patient = ", nor what the patient has" if picture.modality is not None else ""
    limits = [
        f"A map shows what the model responds to. It does not show whether the model is right{patient}.",
        f"A map is as coarse as its cells, here {grids}. Nothing marked is not the same as nothing there.",
    ]
    if whole:
        limits.append("The model saw the whole volume at once: this slice shows where its maps are cut.")
    elif picture.section is not None:
        limits.append("The model saw this slice alone, and nothing of those beside it.")
    return tuple(map(Said, limits))


def _describe_proof(explanation: Explanation, entry: PictureExplanation) -> Facts:
    picture, versions = entry.picture, find_versions(explanation.device)
    digests = [("Picture (SHA-256)", picture.source or picture.digest)]
    if picture.section is not None:
        digests = [("Series (SHA-256)", picture.section.volume), ("Slice (SHA-256)", picture.digest)]
    return (
        *digests,
        *describe_versions(explanation.model, versions),
    )


def describe_versions(model: LoadedModel, versions: Mapping[str, str]) -> Facts:
    """By what, with what and when a page was made; `versions` are those of `find_versions`."""
    return (
        ("Model (SHA-256)", model.fingerprint),
        ("Versions", ", ".join(f"{name} {versions[name]}" for name in _SEEN)),
        ("Made", f"by CAMscope, {write_today()}. {DISCLAIMER}."),
    )
