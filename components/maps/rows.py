"""From what the engine answered to what the canvas shows: a row a picture, the picture itself and a pane a method."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from components.browser.canvas import Choice, Outline, Pane, Row
from components.browser.canvas.stack import Stack
from components.choices.caution import NO_CAUTIONS, Caution
from components.choices.methods import has_settings, name_pane_settings
from components.maps.headings import describe_explained, describe_layers, describe_target, say_score
from components.maps.verdicts import say_unlike
from components.words import format_answer, format_time
from explain.engine.explanation import PictureExplanation
from explain.faithfulness.unlike import NOT_MEASURED
from explain.maps.agreement import subtract
from explain.maps.heatmap import Heatmap, describe_faintness, find_peaks, find_strength
from explain.maps.mask import Mask, MaskSettings
from explain.maps.volume_map import WHOLE, VolumeMap
from explain.maps.volume_mask import VolumeMask, find_volume_mask
from explain.methods import get_method
from explain.networks.layer import describe_grid
from explain.networks.meaning import Outputs
from explain.passes.count import Passes
from explain.passes.look import Score
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.report.masks import find_masks, find_shown_mask
from explain.report.sentence import write_sentence

GRID = "canvas"
"""Key of the canvas that shows the comparison."""

EXPLAIN_CLASS = "explain-class"
CAUTION = "caution"
DIFFERENCE_PANE = "difference"
"""Key of the pane that shows what one map has more than another."""

_EACH_MODEL = "Each model at its best layer"

_ANSWERS: dict[Outputs, str] = {
    "classes": "The likeliest classes. Press one to explain it.",
    "findings": "The likeliest findings, each by itself. Press one to explain it.",
    "logit": "Its two answers. Press one to explain it.",
    "value": "What the model answers with. This is no probability.",
}


@dataclass(frozen=True, eq=False)
class Failure:
    """A picture that could not be explained, and the sentence why."""

    picture: Picture
    sentence: str


Outcome = PictureExplanation | Failure


@dataclass(frozen=True, eq=False)
class Loan:
    """What another model answers for a picture, in place of one that cannot: which, and its answer."""

    model: str
    entry: PictureExplanation


@dataclass(frozen=True, eq=False)
class Answered:
    """What came of a question: an outcome a picture, and by the pictures' digests what other models were asked."""

    outcomes: Sequence[Outcome]
    loans: Mapping[str, Loan] = field(default_factory=dict)

    @property
    def entries(self) -> list[PictureExplanation]:
        """All answers there are, of the model and of those that lend."""
        own = [outcome for outcome in self.outcomes if isinstance(outcome, PictureExplanation)]
        return [*own, *(loan.entry for loan in self.loans.values())]


@dataclass(frozen=True)
class Asked:
    """What all rows have in common.

    Attributes:
        methods: the methods chosen, in order.
        usable: those that work on the model. Others have no pane, unless another model lends its map.
        model: the model's name.
        score: what of the class is explained.
        cautions: what must be said first, by the digest of the picture.
        stacks: the series of slices among the pictures, by digest.
        masks: how maps become masks, where those are drawn on them.
    """

    methods: Sequence[str]
    usable: Sequence[str]
    model: str = ""
    score: Score = "logit"
    cautions: Mapping[str, Caution] = field(default_factory=lambda: NO_CAUTIONS)
    stacks: Mapping[str, Stack] = field(default_factory=dict)
    masks: MaskSettings | None = None


def build_rows(
    answered: Answered,
    asked: Asked,
    coming: Mapping[str, str] | None = None,
    difference: tuple[str, str] | None = None,
) -> list[Row]:
    """Describe every picture's row.

    Args:
        answered: what came of the question.
        asked: the question.
        coming: methods whose maps are still being made, and what is said of them until then.
        difference: two of the methods, of which the second is subtracted from the first in a pane of its own.
    """
    rows = []
    for outcome in answered.outcomes:
        if isinstance(outcome, Failure):
            row = _build_failed_row(outcome)
        else:
            loan = answered.loans.get(outcome.picture.digest)
            row = _subtract(_build_row(outcome, asked, loan, coming or {}), difference)
        rows.append(replace(_warn(row, asked.cautions, outcome), stack=asked.stacks.get(row.digest)))
    return rows


def _warn(row: Row, cautions: Mapping[str, Caution], outcome: Outcome) -> Row:
    """The row with the caution for its picture, where there is one: what is known of it says more than what was
    measured, which opens beside it.
    """
    caution = cautions.get(row.digest)
    measured = None
    if isinstance(outcome, PictureExplanation):
        measured = say_unlike(outcome.unlike)
        if caution is None and outcome.caution:
            caution = Caution(outcome.caution)
    if caution is None:
        return row
    own = isinstance(outcome, PictureExplanation) and outcome.unlike.references
    remedy = None if own else (caution.remedy, f"{CAUTION}:{caution.model or ''}")
    return replace(row, caution=caution.sentence, remedy=remedy, measured=measured)


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a picture's rows where columns are not methods: a layer, a class or a model.

    Attributes:
        key: unique among the columns.
        title: its name.
        sentence: a line on it.
        outcome: what the engine answered.
        maps: by method.
        missing: what is said where a method has no map here, unless the engine named a reason.
        cannot: methods that the model cannot do.
        told: what all columns of the row have in common, for its heading.
        caution: what must be said of this column alone, first of its warnings.
    """

    key: str
    title: str
    sentence: str
    outcome: PictureExplanation | Failure
    maps: Mapping[str, Heatmap]
    missing: str = "This map is missing."
    cannot: Sequence[str] = ()
    told: str = ""
    caution: str = ""

    def lacks(self, method: str) -> bool:
        """Whether the model cannot do a method, so that there is nothing to show."""
        return method in self.cannot


def list_layer_columns(entry: PictureExplanation, model: str, cannot: Sequence[str] = ()) -> list[Column]:
    """A column a layer. Methods that do not look at one layer stand in the first."""
    columns, told = [], f"{describe_target(entry)} · {model}"
    for number, layer in enumerate(entry.layers):
        maps = {
            heatmap.method: heatmap
            for heatmap in entry.maps
            if heatmap.layer == layer or (number == 0 and get_method(heatmap.method).place != "layer")
        }
        grids = {f"{describe_grid(m.grid)} cells" for m in maps.values() if m.layer == layer}
        missing = "This method does not look at one layer. Its map stands in the first column."
        columns.append(Column(layer, layer, ", ".join(grids), entry, maps, missing, cannot, told))
    return columns


def list_class_columns(entry: PictureExplanation, model: str, cannot: Sequence[str] = ()) -> list[Column]:
    """A column a class, with its probability where it is one of the likeliest."""
    shares = {prediction.index: format_answer(prediction) for prediction in entry.predictions}
    columns, told = [], " · ".join([model, *describe_layers(entry)])
    for rank, (target, label) in enumerate(zip(entry.targets, entry.labels, strict=True)):
        maps = {heatmap.method: heatmap for heatmap in entry.maps if heatmap.target == target}
        sentence = shares.get(target, "not among the five likeliest")
        columns.append(Column(str(rank), label, sentence, entry, maps, cannot=cannot, told=told))
    return columns


def list_model_columns(outcomes: Mapping[str, PictureExplanation | Failure]) -> list[Column]:
    """A column a model, with what it takes the picture for."""
    columns = []
    for name, outcome in outcomes.items():
        if isinstance(outcome, Failure):
            columns.append(Column(name, name, "", outcome, {}, outcome.sentence, told=_EACH_MODEL))
            continue
        best = outcome.predictions[0]
        layers = "".join(f" · {layer}" for layer in describe_layers(outcome))
        sentence = f"{best.label} {format_answer(best)} · explained: {outcome.labels[0]}{layers}"
        maps = {heatmap.method: heatmap for heatmap in outcome.maps}
        cannot = [*outcome.unavailable]
        column = Column(name, name, sentence, outcome, maps, cannot=cannot, told=_EACH_MODEL, caution=outcome.caution)
        columns.append(column)
    return columns


def build_column_rows(
    pictures: Sequence[tuple[Picture, Sequence[Column]]],
    asked: Asked,
    difference: tuple[str, str] | None = None,
) -> list[Row]:
    """A row for each picture and method that has something to show, with a pane for each column that has.

    Args:
        pictures: each with its columns.
        asked: the question.
        difference: keys of two columns, of which the second is subtracted from the first in a pane of its own.
    """
    rows = []
    for picture, columns in pictures:
        for name in asked.methods:
            method = get_method(name)
            panes = [Pane(key="picture", title="Picture", alt=picture.name)]
            shown = [column for column in columns if not column.lacks(name)]
            if not shown:
                continue
            if not any(name in column.maps for column in shown):
                shown = shown[:1]  # the reason once, not in every column
            for column in shown:
                heatmap = column.maps.get(name)
                if heatmap is not None and isinstance(column.outcome, PictureExplanation):
                    pane = _build_map_pane(column.outcome, heatmap)
                    pane = replace(
                        pane,
                        title=column.title,
                        sentence=column.sentence,
                        warnings=(*filter(None, [column.caution]), *pane.warnings),
                        alt=f"{method.title} at {heatmap.layer} for “{heatmap.label}” on {picture.name}",
                        settings="",
                    )
                else:
                    unavailable = {} if isinstance(column.outcome, Failure) else column.outcome.unavailable
                    message = unavailable.get(name, column.missing)
                    pane = Pane(
                        "", column.title, column.sentence, message=message, alt=f"{method.title} on {picture.name}"
                    )
                panes.append(replace(pane, key=column.key))
            row = Row(
                key=f"{picture.digest} {name}",
                label=f"{picture.name} · {method.title}",
                pixels=picture.pixels,
                digest=picture.digest,
                panes=panes,
                detail=" · ".join(filter(None, [columns[0].told, *say_score(asked.score), method.sentence])),
                notes=(describe_picture(picture), *_say_likeness(columns[0].outcome)),
                settings=_name_settings(name),
                stack=asked.stacks.get(picture.digest),
            )
            row = _subtract(row, difference)
            # Of columns that are models, each answers for itself.
            rows.append(row if columns[0].told == _EACH_MODEL else _warn(row, asked.cautions, columns[0].outcome))
    return rows


def _subtract(row: Row, difference: tuple[str, str] | None) -> Row:
    """The row with a pane for the difference of two of its maps, where both are there."""
    panes = {pane.key: pane for pane in row.panes}
    if difference is None or not all(key in panes for key in difference):
        return row
    first, second = (panes[key] for key in difference)
    title = f"{first.title} − {second.title}"
    whole = Box.whole(row.pixels.shape[:2])
    boxes = (first.box or whole, second.box or whole)
    if first.values is None or second.values is None:
        pane = Pane(DIFFERENCE_PANE, title, message="One of the two maps is missing.")
    elif Box.common(boxes).is_empty:
        pane = Pane(DIFFERENCE_PANE, title, message="The two maps lie on different parts of the picture.")
    else:
        values, box = subtract(first.values, second.values, boxes)
        sentence = f"Where {first.title} is stronger. Signed, under More, shows both ways."
        alt = f"{title} on {row.label}"
        pane = Pane(DIFFERENCE_PANE, title, sentence, values=values, box=box, alt=alt, painting=first.painting)
    return replace(row, panes=[*row.panes, pane])


def describe_passes(heatmap: Heatmap) -> str:
    """The time of a map, and how often the network ran for it alone: what it ran for all maps of a picture is not of
    any of them. Of a map that was there already, neither.
    """
    if heatmap.remembered:
        return "from memory"
    count = heatmap.own_passes.forward + heatmap.own_passes.backward
    if count:
        return f"{format_time(heatmap.seconds)} · {count} pass{'es' if count > 1 else ''} of its own"
    return f"{format_time(heatmap.seconds)}{' · no pass' if heatmap.passes == Passes() else ''}"


def describe_picture(picture: Picture) -> str:
    """Size and what reading the file did."""
    height, width = picture.size
    return " ".join([f"{width} × {height} pixels.", *picture.notes])


def _say_likeness(outcome: Outcome) -> tuple[str, ...]:
    """How a picture compares with references that a person named, where it is like them: else that stands above."""
    unlike = NOT_MEASURED if isinstance(outcome, Failure) else outcome.unlike
    if not unlike.references or unlike.unlike or unlike.value is None:
        return ()
    return (
        f"Like the {len(unlike.null):,} reference pictures: {unlike.value:.2f} from them, and unlike only above "
        f"{unlike.bound:.2f}.",
    )


def _build_row(entry: PictureExplanation, asked: Asked, loan: Loan | None, coming: Mapping[str, str]) -> Row:
    panes = [_build_picture_pane(entry)]
    maps = {heatmap.method: heatmap for heatmap in entry.maps}
    lent = {} if loan is None else {heatmap.method: heatmap for heatmap in loan.entry.maps}
    for name in asked.methods:
        if name in maps:
            panes.append(_outline(_build_map_pane(entry, maps[name]), maps[name], entry, asked.masks))
        elif loan is not None and name in lent:
            panes.append(_outline(_build_lent_pane(loan, lent[name]), lent[name], loan.entry, asked.masks))
        elif name in asked.usable:
            panes.append(_build_missing_pane(entry, name, coming.get(name, "This map is missing.")))
    return Row(
        key=entry.picture.digest,
        label=entry.picture.name,
        pixels=entry.picture.pixels,
        digest=entry.picture.digest,
        panes=panes,
        detail=describe_explained(entry, asked.model, asked.score),
        notes=(describe_picture(entry.picture), *_say_likeness(entry)),
        sentence=write_sentence(entry).text,
    )


def _outline(pane: Pane, heatmap: Heatmap, entry: PictureExplanation, settings: MaskSettings | None) -> Pane:
    """The pane with the outline of where its map is high, where that is drawn."""
    if settings is None or heatmap.blank:
        return pane
    found = find_masks(replace(entry, maps=(heatmap,)), settings, find_known_mask)
    lines = [f"{one.sentence}." for one in found]
    return replace(pane, outlines=[Outline("", one.mask.outline()) for one in found], outlined=" ".join(lines))


def find_known_mask(picture: Picture, heatmap: Heatmap, settings: MaskSettings) -> Mask:
    """Where a map of a picture is high, found once: edges take a while to follow."""
    whole, section = heatmap.details.get(WHOLE), picture.section
    if whole is not None and section is not None:
        digest = hashlib.sha256(whole.values.tobytes()).hexdigest()
        found = _find_volume_mask(whole, settings, f"{section.volume} {digest} {whole.block.spans} {settings!r}")
        return found.cut(section.plane, section.index)  # type: ignore[arg-type]
    digest = hashlib.sha256(heatmap.values.tobytes()).hexdigest()
    return _find_mask(picture, heatmap, settings, f"{picture.digest} {digest} {heatmap.box} {settings!r}")


@st.cache_resource(max_entries=24, ttl="1h", show_spinner=False)
def _find_volume_mask(_whole: VolumeMap, _settings: MaskSettings, key: str) -> VolumeMask:
    """By what it depends on, for all slices of the volume."""
    return find_volume_mask(_whole, _settings)


@st.cache_resource(max_entries=128, ttl="1h", show_spinner=False)
def _find_mask(_picture: Picture, _heatmap: Heatmap, _settings: MaskSettings, key: str) -> Mask:
    """By what it depends on; neither picture nor map is kept."""
    return find_shown_mask(_picture, _heatmap, _settings)


def _build_picture_pane(entry: PictureExplanation) -> Pane:
    return Pane(
        key="picture",
        title="Picture",
        sentence=_ANSWERS[entry.outputs],
        alt=entry.picture.name,
        choices=tuple(
            Choice(
                p.label,
                p.probability or 0.0,
                p.index == entry.targets[0],
                f"{EXPLAIN_CLASS}:{p.index}",
                format_answer(p) if p.probability is None else "",
            )
            for p in entry.predictions
        ),
    )


def _build_map_pane(entry: PictureExplanation, heatmap: Heatmap) -> Pane:
    method = get_method(heatmap.method)
    warnings = list(heatmap.warnings)
    if "prompts" in method.needs and entry.prompt_predictions[0].index != entry.predictions[0].index:
        warnings.append(
            f"The prompts find “{entry.prompt_predictions[0].label}” likeliest, the model's own head "
            f"“{entry.predictions[0].label}”."
        )
    beside = find_peaks(entry.maps)[heatmap.method, heatmap.layer]
    if faint := describe_faintness(heatmap, beside):
        warnings.append(faint)
    return Pane(
        key=heatmap.method,
        title=method.title,
        sentence=method.sentence,
        time=describe_passes(heatmap),
        warnings=tuple(warnings),
        values=heatmap.values,
        box=heatmap.box,
        alt=f"{method.title} for “{heatmap.label}” on {entry.picture.name}",
        settings=_name_settings(heatmap.method),
        painting=method.painting,
        strength=find_strength(heatmap.values, beside),
        unit=method.name,
    )


def _build_lent_pane(loan: Loan, heatmap: Heatmap) -> Pane:
    """A map of another model, which says so, and what that model finds likeliest where it is something else."""
    entry = loan.entry
    pane = _build_map_pane(entry, heatmap)
    # Prompts and the network's own head are two classifiers: where it is the prompts that look, theirs is the answer.
    predictions = entry.prompt_predictions or entry.predictions
    answer = next((f" {format_answer(p)}" for p in predictions if p.index == heatmap.target), "")
    who, find = (f"{loan.model}'s prompts", "find") if entry.prompt_predictions else (loan.model, "finds")
    warnings = list(pane.warnings)
    best = predictions[0]
    if best.index != heatmap.target:
        warnings.insert(0, f"{who} {find} “{best.label}” likeliest ({format_answer(best)}).")
    return replace(
        pane,
        origin=f"from {loan.model}: {heatmap.label}{answer}",
        sentence=f"From {who}, for {heatmap.label}{answer}. {pane.sentence}",
        warnings=tuple(warnings),
        alt=f"{pane.title} of {loan.model} for “{heatmap.label}” on {entry.picture.name}",
    )


def _build_missing_pane(entry: PictureExplanation, name: str, otherwise: str) -> Pane:
    method = get_method(name)
    return Pane(
        key=name,
        title=method.title,
        sentence=method.sentence,
        message=entry.unavailable.get(name, otherwise),
        alt=f"{method.title} on {entry.picture.name}",
        settings=_name_settings(name),
    )


def _name_settings(method: str) -> str:
    """Where the settings of a method are on the page; empty where it has none."""
    return name_pane_settings(method) if has_settings(get_method(method)) else ""


def _build_failed_row(failure: Failure) -> Row:
    picture = failure.picture
    pane = Pane(key="picture", title="Picture", message=failure.sentence, alt=picture.name)
    return Row(picture.digest, picture.name, picture.pixels, picture.digest, [pane], notes=(describe_picture(picture),))
