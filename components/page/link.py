"""Every view is a link: what a session has chosen, as words of the address, and back.

An address holds only what differs from the start, so that the plain page has a plain address. Pictures and checkpoints
are named by their digests: an address tells nobody what a file is called, and gives nobody the file.

The plain address starts with the first model. One that says something but no model means `photo-cnn`, as it did when
that was the first: what links showed they still show.

Reading believes nothing. What cannot be meant is left out, and the page says so in one sentence.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, get_args

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from components.browser.canvas import read_view
from components.browser.canvas.view import CanvasView
from components.choices.chosen_model import ModelChoice, get_choice, use_choice
from components.choices.combination import AUGMENTATION, FUSED, FUSION, FUSIONS
from components.choices.comparison import AGREEMENT, BY, DIFFERENCE, VERDICTS, WITH, CompareBy
from components.choices.file_form import read_numbers
from components.choices.layer import AUTO, LAYER
from components.choices.mask import MASK, MASKED
from components.choices.methods import METHODS, name_settings
from components.choices.one_method import ONE_METHOD
from components.choices.one_picture import ONE_PICTURE
from components.choices.own_file import await_file
from components.choices.pictures import NAMES, get_names, get_tray, read_example_digests
from components.choices.series import Wanted, get_scans
from components.choices.target import TARGET
from components.collections.views import (
    AGAINST,
    COLOUR,
    COLOURED,
    FIRST_LIMIT,
    GROUP,
    INSIDE,
    LABEL,
    LIMIT,
    LIMITS,
    MEASURED,
    METHOD,
    MOST_GROUPS,
    MOST_PAGES,
    PAGE,
    PREDICTED,
    REGION,
    RIGHT,
    RIGHTS,
    RISING,
    SENT,
    SORT,
    STATISTIC,
    STATISTICS,
    STRATEGY,
    VERDICT,
    VIEW,
    VIEWS,
    WHOLE,
)
from components.collections.views import RUN as COLLECTION
from components.collections.views import TARGET as MAPS_OF
from components.maps.curves import OPENED
from components.maps.layers import CELL, SIGNED
from components.maps.rows import GRID
from components.maps.wanted import WANTINGS, WANTS, WANTS_CHANNEL
from components.page.presenter import PRESENTING
from components.page.tour_steps import STEPS, TOUR
from components.session.carried import PROBABILITY
from components.studio.channels import CHANNEL_READING, CHANNEL_READINGS, PATHS_FROM, TWIN, WAY, WAYS
from components.studio.effects import CUT, CUTS, DRAWN, FIRST_CUT, READING, READINGS, SOURCE, SOURCES
from components.studio.expectation import EXPECTED, EXPECTED_OF, EXPECTED_OFS, read_rows, write_rows
from components.studio.views import (
    FIRST_TRAITS,
    MOST_TRAITS,
    OTHER_CLASS,
    OUTLINED,
    RUN,
    STUDIO_VIEW,
    STUDIO_VIEWS,
    TRAITS,
)
from components.studio.without import WITHOUT_VIEW, WITHOUT_VIEWS
from components.truth.birds import FIRST_PAIR, list_pairs
from components.truth.radiographs import BORDERS, FIRST_BORDER
from components.truth.trust import MOST_ROUNDS, ROUND
from components.truth.views import BORDER, MOST_SPECIMENS, PAIR, PLANTED, SPECIMEN, TRUTH_VIEW, TRUTH_VIEWS, WORLD
from explain.bundled.models import FIRST_MODEL, find_bundled_model
from explain.collections.measuring_question import DEFAULT_MEASURES
from explain.engine.question import DEFAULT_METHODS
from explain.engine.quotas import read_quotas
from explain.errors import ModelError
from explain.faithfulness.shapley import MOST_SHARED
from explain.maps.mask import MaskSettings
from explain.maps.render import BEFORE_STYLES
from explain.methods import all_methods
from explain.models.labels import KNOWN_SETS
from explain.models.library import is_name
from explain.models.request import ModelRequest, parse_model, write_size
from explain.pictures.augmentation import Augmentation
from explain.settings import Settings
from explain.volumes.planes import Plane
from explain.worlds.worlds import PLANS

Words = dict[str, list[str]]
"""An address after its question mark: each name with its values."""

_DIGEST = re.compile("[0-9a-f]{64}")
_UNNAMED_MODEL = "photo-cnn"
_MOST_VALUES = 64
_LONGEST_VALUE = 300

_PRESENT = "present"
_VIEW = "link-view"
_FOLLOWED = "link-followed"
_MISREAD = "link-misread"
_KEPT = "link-kept"
_PLAIN = "link-plain"
_CHECKPOINT = "link-checkpoint"


class Part(Protocol):
    """Some of what belongs to a view."""

    def write(self) -> Words:
        """The words for what is chosen now; none where that is what a session starts with."""

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        """Choose what the words say, or the start where they say nothing; gives back the names of those that make no
        sense.
        """


@dataclass(frozen=True)
class Entry:
    """A part that is one entry of the session's state.

    Attributes:
        name: its word.
        key: of the entry.
        start: its value at the start.
        parse: from words to a value; raises ValueError where they make no sense.
        write_value: from a value to words.
    """

    name: str
    key: str
    start: Any
    parse: Callable[[Sequence[str]], Any]
    write_value: Callable[[Any], Sequence[str]] = lambda value: [str(value)]

    def write(self) -> Words:
        value = st.session_state.get(self.key, self.start)
        return {} if value == self.start else {self.name: list(self.write_value(value)) or [""]}

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        value, misread = copy.copy(self.start), []
        if self.name in words:
            try:
                value = self.parse(words[self.name])
            except ValueError:
                misread = [self.name]
        _choose(self.key, value, self.start)
        return misread


def _choose(key: str, value: Any, start: Any) -> None:
    """Put a value into the session's state; what a session starts with needs no entry."""
    if key in st.session_state or value != start:
        st.session_state[key] = value


def _read_one(values: Sequence[str]) -> str:
    if len(values) != 1 or not values[0]:
        raise ValueError("exactly one value is expected")
    return values[0]


def _read_flag(values: Sequence[str]) -> bool:
    if _read_one(values) != "1":
        raise ValueError("a switch is 1, or left out")
    return True


def _read_switch(values: Sequence[str]) -> bool:
    """Of a switch that is on or off by itself, so that both are said."""
    if _read_one(values) not in ("0", "1"):
        raise ValueError("a switch is 1 or 0, or left out")
    return values[0] == "1"


def _write_flag(_: bool) -> Sequence[str]:
    return ["1"]


def _read_off(values: Sequence[str]) -> bool:
    if _read_one(values) != "0":
        raise ValueError("a switch that starts on is 0, or left out")
    return False


def _write_off(_: bool) -> Sequence[str]:
    return ["0"]


def _read_option(options: Collection[str]) -> Callable[[Sequence[str]], str]:
    def read(values: Sequence[str]) -> str:
        if _read_one(values) not in options:
            raise ValueError("there is no such option")
        return values[0]

    return read


def _read_digest(values: Sequence[str]) -> str:
    if not _DIGEST.fullmatch(_read_one(values)):
        raise ValueError("a digest is 64 hexadecimal digits")
    return values[0]


def _read_count(most: int) -> Callable[[Sequence[str]], int]:
    def read(values: Sequence[str]) -> int:
        text = _read_one(values)
        if not (text.isascii() and text.isdigit() and len(text) < 7 and 1 <= int(text) <= most):
            raise ValueError("the number is out of its bounds")
        return int(text)

    return read


def _read_number(values: Sequence[str]) -> int:
    text = _read_one(values)
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) > 0):
        raise ValueError("a slice is its number")
    return int(text)


def _read_index(values: Sequence[str]) -> int:
    text = _read_one(values)
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ValueError("an index counts from 0")
    return int(text)


def _read_names(values: Sequence[str]) -> list[str]:
    """Names that only the model knows; whoever shows them drops those it does not have."""
    return list(dict.fromkeys(value for value in values if value))


def _read_methods(values: Sequence[str]) -> list[str]:
    registered = all_methods()
    if not all(value in registered for value in values if value):
        raise ValueError("there is no such method")
    return [name for name in registered if name in values]


def _read_class(values: Sequence[str]) -> tuple[int, str]:
    index, colon, label = _read_one(values).partition(":")
    if not (index.isascii() and index.isdigit() and len(index) < 8 and colon and label):
        raise ValueError("a class is its index, a colon and its name")
    return int(index), label


def _read_place(values: Sequence[str]) -> tuple[float, float]:
    if len(values) != 2 or not all(
        re.fullmatch(r"[01](\.[0-9]{1,6})?", value) and float(value) <= 1 for value in values
    ):
        raise ValueError("a place is two shares, from the top and from the left")
    return float(values[0]), float(values[1])


def _read_shares(values: Sequence[str]) -> tuple[int, int]:
    if len(values) != 2 or not all(re.fullmatch("[0-9]{1,3}", value) and int(value) <= 100 for value in values):
        raise ValueError("a range is two shares in per cent")
    low, high = sorted(int(value) for value in values)
    return low, high


def _read_cut(values: Sequence[str]) -> int:
    if _read_one(values) not in map(str, CUTS):
        raise ValueError("there is no such share")
    return int(values[0])


def _read_regions(values: Sequence[str]) -> list[tuple[tuple[int, int], ...]]:
    regions = []
    for value in values:
        if not value:
            continue
        if not re.fullmatch(r"-?[0-9]{1,5}(,-?[0-9]{1,5}){5,99}", value) or value.count(",") % 2 == 0:
            raise ValueError("a region is three corners or more, x,y each")
        numbers = [int(number) for number in value.split(",")]
        regions.append(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
    if len(regions) > MOST_SHARED:
        raise ValueError("there are too many regions")
    return regions


def _write_corners(corners: Sequence[tuple[int, int]]) -> str:
    return ",".join(f"{x},{y}" for x, y in corners)


class _Series:
    """The slice that is shown of a series of scans: the series by its digest, which is the same for the folder, a zip
    and renamed files.
    """

    NAMES = ("series", "plane", "slice", "window", "given", "inverted")

    def write(self) -> Words:
        scans = get_scans()
        if scans.wanted is None and scans.shown not in get_tray().shown:
            return {}
        shown = scans.describe()
        if shown is None:
            return {}
        index = "" if shown.index is None else str(shown.index + 1)
        words = [shown.volume, shown.plane, index, shown.window, shown.given, "1" if shown.inverted else ""]
        return {name: [word] for name, word in zip(self.NAMES, words, strict=True) if word}

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        scans = get_scans()
        scans.wanted = None
        given = {name: words[name] for name in self.NAMES if name in words}
        if not given:
            return []
        try:
            wanted = Wanted(
                _read_digest(words.get("series", ())),
                _read_option(get_args(Plane))(given["plane"]) if "plane" in given else "",
                _read_number(given["slice"]) - 1 if "slice" in given else None,
                _read_one(given["window"]) if "window" in given else None,
                _read_one(given["given"]) if "given" in given else None,
                "inverted" in given and _read_flag(given["inverted"]),
            )
        except ValueError:
            return [*given]
        scans.wanted = wanted
        if scans.volume is not None and scans.volume.digest == wanted.volume:
            scans.follow_wanted()
        else:
            scans.asked = scans.find_wanted()
        return []


_SLICE = "slice"
"""In place of a digest among the pictures: the slice of the series that a link shows."""


class _Pictures:
    """The pictures shown: examples and the person's own by digest, and those that have yet to be uploaded."""

    def write(self) -> Words:
        tray, digests, scans = get_tray(), read_example_digests(), get_scans()
        shown = [key for key in (*tray.own, *digests) if key in tray.shown]
        if shown == [next(iter(digests))] and not tray.awaited and scans.wanted is None:
            return {}
        named = {**digests, scans.shown: _SLICE}
        awaited = [*tray.awaited, *([] if scans.wanted is None else [_SLICE])]
        return {"picture": [*(named.get(key, key) for key in shown), *awaited] or [""]}

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        tray, digests, scans = get_tray(), read_example_digests(), get_scans()
        examples = {digest: name for name, digest in digests.items()}
        given = [value for value in dict.fromkeys(words.get("picture", ())) if value]
        asked = [value for value in given if _DIGEST.fullmatch(value) or self._is_slice(value)][
            : read_quotas().pictures
        ]
        known = {digest: digest for digest in tray.own} | examples
        if (scans.wanted is None or scans.asked is not None) and scans.shown in tray.own:
            known[_SLICE] = scans.shown
        tray.shown = [known[value] for value in asked if value in known]
        tray.awaited = [value for value in asked if value not in known and value != _SLICE]
        if not asked and (given or "picture" not in words):
            tray.shown = [next(iter(digests))]
        return ["picture"] if asked != given else []

    def _is_slice(self, value: str) -> bool:
        scans = get_scans()
        return value == _SLICE and (scans.wanted is not None or bool(scans.shown))


class _Names:
    """Whether all file names are hidden. That none is, is for the person to say, and not for a link."""

    def write(self) -> Words:
        return {"names": ["hidden"]} if get_names() == "hidden" else {}

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        asked = words.get("names")
        if asked == ["hidden"]:
            st.session_state[NAMES] = "hidden"
        elif get_names() == "hidden":
            st.session_state[NAMES] = "auto"
        return [] if asked in (None, ["hidden"]) else ["names"]


class _Model:
    """The model: a bundled one, timm's or trained prompts by name, a checkpoint by digest with all that the file itself
    does not say.
    """

    _FIELDS = (
        "architecture",
        "outputs",
        "labels",
        "input_size",
        "mean",
        "std",
        "channels",
        "fit",
        "resize_size",
        "interpolation",
        "depth",
        "spacing",
        "orientation",
        "window",
        "global_pool",
        "weights",
    )
    _SIZES = ("input_size", "resize_size")

    def write(self) -> Words:
        request = get_choice().request
        if request.source == "bundled":
            return {"model": [request.name]}
        if request.source in ("hub", "prompts"):
            return {"model": [f"{request.source}:{request.name}"]}
        words = {"model": [f"file:{request.digest}"]}
        for field in self._FIELDS:
            value = getattr(request, field)
            if value is not None:
                if field in self._SIZES:
                    text = write_size(value)
                else:
                    text = ", ".join(f"{number:g}" for number in value) if isinstance(value, tuple) else str(value)
                words[f"model.{field}"] = [text]
        if request.label_names is not None:
            words["model.labels"] = ["file"]
        return words

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        st.session_state.pop(_CHECKPOINT, None)
        unnamed = _UNNAMED_MODEL if any(map(_says_something_else, words)) else FIRST_MODEL
        choice, misread = ModelChoice(parse_model(unnamed)), []
        if "model" in words:
            try:
                choice = self._parse(_read_one(words["model"]), words)
            except (ValueError, ModelError):
                misread = ["model"]
        held = get_choice()
        now = held.request
        if held.weights is not None and choice.request.source == "file" and choice.request.digest == now.digest:
            # The file is in use already, and what the link does not hold of it is known.
            meant = self._complete(choice.request, now, words)
            if meant != now:
                use_choice(ModelChoice(meant, held.weights))
        elif choice.request != now:
            use_choice(choice)
        return misread

    def _complete(self, asked: ModelRequest, now: ModelRequest, words: Mapping[str, Sequence[str]]) -> ModelRequest:
        """What a link says of a file, with the names that no link holds and the architecture that was told for it."""
        kept: dict[str, Any] = {"name": now.name, "architecture": asked.architecture or now.architecture}
        if "file" in words.get("model.labels", ()):
            kept |= {"labels": now.labels, "label_names": now.label_names}
        return asked.model_copy(update=kept)

    def _parse(self, named: str, words: Mapping[str, Sequence[str]]) -> ModelChoice:
        kind, _, digest = named.partition(":")
        if kind == "file":
            return self._await_checkpoint(digest, words)
        choice = ModelChoice(parse_model(named), from_link=True)
        if choice.request.source == "prompts" and not is_name(choice.request.name):
            raise ValueError("prompts cannot have such a name")
        if choice.request.source == "hub" and kind != "hub":
            raise ValueError("there is no such bundled model")
        if choice.request.source == "bundled" and find_bundled_model(choice.request.name) is None:
            raise ValueError("there is no such bundled model")
        return choice

    def _await_checkpoint(self, digest: str, words: Mapping[str, Sequence[str]]) -> ModelChoice:
        """A choice that says which file it waits for, with the form beside it filled in."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a checkpoint is named by its SHA-256")
        given = {field: _read_one(words[f"model.{field}"]) for field in self._FIELDS if f"model.{field}" in words}
        labels = given.pop("labels", None)
        if labels not in (None, "file", *KNOWN_SETS):
            raise ValueError("there is no such set of class names")
        request = ModelRequest.model_validate(
            {
                **given,
                "source": "file",
                "name": "checkpoint",
                "digest": digest,
                "labels": None if labels == "file" else labels,
                "mean": read_numbers("mean", given.get("mean", "")),
                "std": read_numbers("standard deviation", given.get("std", "")),
                "spacing": read_numbers("spacing", given.get("spacing", "")),
                "window": read_numbers("window", given.get("window", "")),
                "channels": int(given["channels"]) if "channels" in given else None,
            }
        )
        beside = " Its class names are not in the link: give their file too." if labels == "file" else ""
        st.session_state[_CHECKPOINT] = digest
        given_already = await_file(request, labels == "file")
        return given_already or ModelChoice(
            request,
            problem=f"This link shows a checkpoint that is not open in this window ({shorten(digest)}). Give the file "
            f"on the left to see it; its settings come with the link.{beside}",
        )


class _Settings:
    """What differs from the default of the settings of all methods in view: `cf-cam.sigma=3.5`."""

    def write(self) -> Words:
        state = st.session_state
        shown = {*state.get(METHODS, DEFAULT_METHODS), state.get(ONE_METHOD), "cf-cam"}
        words: Words = {}
        for method, defaults in _list_defaults().items():
            if method not in shown:
                continue
            for name, default in defaults.items():
                value = state.get(f"{name_settings(method)}.{name}", default)
                if value != default:
                    words[f"{method}.{name}"] = [_write_value(value)]
        return words

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        misread = []
        for method, defaults in _list_defaults().items():
            given = {name: words[f"{method}.{name}"] for name in defaults if f"{method}.{name}" in words}
            values, refused = _validate(all_methods()[method].settings, given)
            misread += [f"{method}.{name}" for name in refused]
            for name, default in defaults.items():
                _choose(f"{name_settings(method)}.{name}", values[name], default)
        return misread


class _Mask:
    """What differs from the default of how maps become masks: `mask.share=0.3`."""

    def write(self) -> Words:
        defaults = MaskSettings().model_dump()
        values = {name: st.session_state.get(f"{MASK}.{name}", default) for name, default in defaults.items()}
        return {f"{MASK}.{name}": [_write_value(values[name])] for name in defaults if values[name] != defaults[name]}

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        defaults = MaskSettings().model_dump()
        given = {name: words[f"{MASK}.{name}"] for name in defaults if f"{MASK}.{name}" in words}
        values, refused = _validate(MaskSettings, given)
        for name, default in defaults.items():
            _choose(f"{MASK}.{name}", values[name], default)
        return [f"{MASK}.{name}" for name in refused]


class _View:
    """How maps are put on the pictures: all that the grid declares, as it last told. Words of before there were styles
    name none, and mean what they meant.
    """

    _NAMES = tuple(name for name in CanvasView.model_fields if name != "told")
    _BEFORE_STYLES = ("opacity", "colour_table", "scale", "signed")

    def write(self) -> Words:
        now = get_view().model_dump()
        changed = self._find_changed(now, CanvasView().model_dump() | BEFORE_STYLES.model_dump())
        if now["style"] != BEFORE_STYLES.style or not self._are_of_before(changed):
            changed = self._find_changed(now, CanvasView().model_dump())
            if self._are_of_before(changed):
                changed["style"] = now["style"]
        return {f"view.{name}": [_write_value(changed[name])] for name in self._NAMES if name in changed}

    def _find_changed(self, now: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
        return {name: now[name] for name in self._NAMES if now[name] != start[name]}

    def _are_of_before(self, names: Collection[str]) -> bool:
        return "style" not in names and any(name in names for name in self._BEFORE_STYLES)

    def read(self, words: Mapping[str, Sequence[str]]) -> list[str]:
        given = {name: words[f"view.{name}"] for name in self._NAMES if f"view.{name}" in words}
        values, refused = _validate(CanvasView, given)
        if self._are_of_before(given.keys() - set(refused)):
            values, _ = _validate(CanvasView, given, CanvasView(**BEFORE_STYLES.model_dump()))
        told = st.session_state.get(_VIEW, CanvasView()).told + 1
        st.session_state[_VIEW] = CanvasView.model_validate({**values, "told": told})
        return [f"view.{name}" for name in refused]


def _validate(
    declared: type[Settings], given: Mapping[str, Sequence[str]], start: Settings | None = None
) -> tuple[dict[str, Any], list[str]]:
    """All settings by the words given, the others as at the start, and the names of those whose declaration refuses
    them.
    """
    values, refused = (start or declared()).model_dump(), []
    for name, words in given.items():
        try:
            values = declared.model_validate({**values, name: _read_one(words)}).model_dump()
        except ValueError:
            refused.append(name)
    return values, refused


@cache
def _list_defaults() -> dict[str, dict[str, Any]]:
    """The settings of every method with their defaults."""
    return {name: method.settings().model_dump() for name, method in all_methods().items()}


def _write_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


PARTS: Sequence[Part] = (
    _Series(),
    _Pictures(),
    _Names(),
    _Model(),
    Entry("class", TARGET, None, _read_class, lambda chosen: [f"{chosen[0]}:{chosen[1]}"]),
    Entry("probability", PROBABILITY, False, _read_flag, _write_flag),
    Entry("layer", LAYER, AUTO, _read_one),
    Entry("fuse", FUSED, [], _read_names, list),
    Entry("fusion", FUSION, "product", _read_option(FUSIONS)),
    Entry("augmentation", AUGMENTATION, "none", _read_option(get_args(Augmentation))),
    Entry("method", METHODS, list(DEFAULT_METHODS), _read_methods, list),
    Entry("compare", BY, "methods", _read_option(get_args(CompareBy))),
    Entry("with", WITH, [], _read_names, list),
    Entry("more", f"{DIFFERENCE}-a", None, _read_one),
    Entry("less", f"{DIFFERENCE}-b", None, _read_one),
    Entry("agreement", AGREEMENT, False, _read_flag, _write_flag),
    Entry("verdicts", VERDICTS, None, _read_switch, lambda on: ["1" if on else "0"]),
    Entry("masks", MASKED, False, _read_flag, _write_flag),
    _Mask(),
    Entry("curves", OPENED, False, _read_flag, _write_flag),
    Entry("one", ONE_PICTURE, None, _read_digest),
    Entry("look", ONE_METHOD, None, _read_option(all_methods())),
    Entry("signed", SIGNED, False, _read_flag, _write_flag),
    Entry("cell", CELL, None, _read_place, lambda place: [f"{share:g}" for share in place]),
    Entry("wants", WANTS, "nothing", _read_option(WANTINGS)),
    Entry("channel", WANTS_CHANNEL, 0, _read_index),
    _Settings(),
    _View(),
    Entry("view", STUDIO_VIEW, "train", _read_option(STUDIO_VIEWS)),
    Entry("run", RUN, None, _read_one),
    Entry("beside", OTHER_CLASS, None, _read_class, lambda chosen: [f"{chosen[0]}:{chosen[1]}"]),
    Entry("traits", TRAITS, FIRST_TRAITS, _read_count(MOST_TRAITS)),
    Entry("parts", OUTLINED, False, _read_flag, _write_flag),
    Entry("without", SOURCE, "drawn", _read_option(SOURCES)),
    Entry("region", DRAWN, [], _read_regions, lambda regions: [_write_corners(corners) for corners in regions]),
    Entry("above", CUT, FIRST_CUT, _read_cut),
    Entry("reading", READING, "removal", _read_option(READINGS)),
    Entry("collection", COLLECTION, None, _read_one),
    Entry("explaining", SENT, None, _read_one),
    Entry("shown", VIEW, "pictures", _read_option(VIEWS)),
    Entry("map", METHOD, None, _read_option(all_methods())),
    Entry("answer", RIGHT, "all", _read_option(RIGHTS)),
    Entry("predicted", PREDICTED, "", _read_one),
    Entry("labelled", LABEL, "", _read_one),
    Entry("group", GROUP, "", _read_one),
    Entry("verdict", VERDICT, "", _read_one),
    Entry("within", REGION, "", _read_one),
    Entry("within-share", INSIDE, WHOLE, _read_shares, lambda ends: [str(end) for end in ends]),
    Entry("sorted", SORT, "", _read_one),
    Entry("rising", RISING, False, _read_flag, _write_flag),
    Entry("coloured", COLOUR, "predicted", _read_option(COLOURED)),
    Entry("maps-of", MAPS_OF, "", _read_one),
    Entry("strategy", STRATEGY, 1, _read_count(MOST_GROUPS)),
    Entry("against", AGAINST, "best", _read_one),
    Entry("figure", STATISTIC, "mean", _read_option(STATISTICS)),
    Entry("of-pictures", LIMIT, FIRST_LIMIT, _read_option(LIMITS)),
    Entry("measure", MEASURED, list(DEFAULT_MEASURES), _read_names, list),
    Entry("page", PAGE, 1, _read_count(MOST_PAGES)),
    Entry("inside", WITHOUT_VIEW, "regions", _read_option(WITHOUT_VIEWS)),
    Entry("set-to", WAY, "mean", _read_option(WAYS)),
    Entry("kept", CHANNEL_READING, "removal", _read_option(CHANNEL_READINGS)),
    Entry("twin", TWIN, None, _read_one),
    Entry("paths-from", PATHS_FROM, None, _read_one),
    Entry("expecting", EXPECTED_OF, "parts", _read_option(EXPECTED_OFS)),
    Entry("expect", EXPECTED, {}, read_rows, write_rows),
    Entry("truth", TRUTH_VIEW, "shortcuts", _read_option(TRUTH_VIEWS)),
    Entry("world", WORLD, "", _read_option([plan.name for plan in PLANS])),
    Entry("siblings", PAIR, FIRST_PAIR, _read_option(list_pairs())),
    Entry("border", BORDER, FIRST_BORDER, _read_option(BORDERS)),
    Entry("specimen", SPECIMEN, 1, _read_count(MOST_SPECIMENS)),
    Entry("round", ROUND, 1, _read_count(MOST_ROUNDS)),
    Entry("planted", PLANTED, True, _read_off, _write_off),
    Entry(_PRESENT, PRESENTING, False, _read_flag, _write_flag),
    Entry("tour", TOUR, None, _read_count(len(STEPS))),
)
"""All that belongs to a view, in the order of the address. A new choice of a page is a new line here."""


def follow_link() -> None:
    """Choose what the address says: at the start of a session, and when the person goes back or forward in it.

    Call it before the first widget of a page.
    """
    state = st.session_state
    context = get_script_run_ctx()
    words = _read_address()
    if state.get(_FOLLOWED) and not (context is not None and context.is_history_navigation):
        if not words:
            # The page was opened from the menu: its plain address, later in the history, stands for what was chosen.
            state[_PLAIN] = state.get(_KEPT) or {}
        return
    state[_MISREAD] = read_words(words or state.get(_PLAIN, {}))
    state[_FOLLOWED], state[_KEPT] = True, None


def keep_link() -> None:
    """Write what is chosen into the address. Costs no run of the page; nothing is sent where nothing has changed.

    Call it once everything is chosen, and in a fragment whose widgets change what is chosen.
    """
    words = write_words()
    if words != _read_address():
        st.query_params.from_dict(words)
    state = st.session_state
    if state.get(_KEPT) not in (None, words):
        state.pop(_MISREAD, None)
    state[_KEPT] = words


def show_link_notes() -> None:
    """Say what of a link could not be followed, and which pictures it asks for."""
    misread = st.session_state.get(_MISREAD)
    if misread:
        st.warning(
            f"Some of this link makes no sense here and was left out: {', '.join(misread)}.", icon=":material/link_off:"
        )
    wanted, given = st.session_state.get(_CHECKPOINT), get_choice()
    if wanted is not None and given.weights is not None and given.request.digest != wanted:
        st.warning(
            f"The checkpoint in use is not the one this link shows: its content differs from {shorten(wanted)}.",
            icon=":material/difference:",
        )
    tray = get_tray()
    if tray.awaited:
        several = len(tray.awaited) > 1
        with st.container(key="awaited", horizontal=True, vertical_alignment="center"):
            st.info(
                f"This link shows {'pictures that are' if several else 'a picture that is'} not open in this window "
                f"({', '.join(map(shorten, tray.awaited))}). Upload the {'files' if several else 'file'} to see "
                f"{'them' if several else 'it'}.",
                icon=":material/upload_file:",
            )
            st.button(
                f"Continue without {'them' if several else 'it'}",
                key="awaited-forget",
                on_click=tray.awaited.clear,
                width="content",
            )
    scans = get_scans()
    if scans.wanted is not None:
        with st.container(key="series-awaited", horizontal=True, vertical_alignment="center"):
            st.info(
                f"This link shows a slice of a series that is not open here ({shorten(scans.wanted.volume)}). "
                f"{'Press Escape for the controls, and upload' if st.session_state.get(PRESENTING) else 'Upload'} its "
                "files, or a zip of them, to see it.",
                icon=":material/upload_file:",
            )
            st.button("Continue without it", key="series-forget", on_click=_forget_series, width="content")


def _forget_series() -> None:
    get_scans().wanted = None


def get_view() -> CanvasView:
    """How maps are shown: as the link says at first, and then as the person chose on the grid, on whichever page."""
    view = read_view(GRID, st.session_state.get(_VIEW, CanvasView()))
    st.session_state[_VIEW] = view
    return view


def write_words(presented: bool = True) -> Words:
    """The words for all that is chosen now; that it is presented can be left out."""
    words: Words = {}
    for part in PARTS:
        words |= part.write()
    if not presented:
        words.pop(_PRESENT, None)
    if words["model"] == [_UNNAMED_MODEL if len(words) > 1 else FIRST_MODEL]:
        del words["model"]
    return words


def read_words(words: Mapping[str, Sequence[str]]) -> list[str]:
    """Choose what the words say, and what a session starts with where they say nothing.

    Gives back the names of the words that made no sense. Words that no part knows are none of ours.
    """
    bounded = {name: values for name, values in words.items() if _is_bounded(values)}
    misread = [name for part in PARTS for name in part.read(bounded)]
    known = {name for name in words if name not in bounded}
    return [*dict.fromkeys([*misread, *sorted(known & _name_words())])]


def use_words(words: Words) -> None:
    """Choose in a callback what a link's words say, as if the session had come by it; but whether the page is presented
    stays as it is.
    """
    state = st.session_state
    presenting = state.get(PRESENTING, False)
    state[_MISREAD] = read_words(words)
    state[_KEPT], state[PRESENTING] = None, presenting


def _name_words() -> set[str]:
    """The names of all words that have a bounded set of names."""
    return {part.name for part in PARTS if isinstance(part, Entry)} | {"picture", "names", "model", *_Series.NAMES}


def _says_something_else(name: str) -> bool:
    """Whether a word may be one of ours that says something else than the model: those of settings have a dot."""
    return name.partition(".")[0] != "model" and ("." in name or name in _name_words())


def _is_bounded(values: Sequence[str]) -> bool:
    return len(values) <= _MOST_VALUES and all(len(value) <= _LONGEST_VALUE and value.isprintable() for value in values)


def _read_address() -> Words:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def shorten(digest: str) -> str:
    """A digest fit for a sentence."""
    return f"SHA-256 {digest[:12]}…"
