"""A person's file under review: what is said of it, what was found in it, and what it answers to one picture."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from components.choices.file_form import FormRow, ask_architecture, list_others, list_rows, read_edits
from explain.errors import ExplainError, ModelError
from explain.models.given_files import GivenFiles
from explain.models.recipes import encode_recipe, recall_recipe
from explain.models.request import ModelRequest, build_file_request

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.engine.explanation import Prediction
    from explain.models.inspection import Inspection
    from explain.pictures.picture import Picture

WRITTEN = "as you said"
_NAMES = ("labels", "label_names")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Awaited:
    """A file that a link asks for.

    Attributes:
        request: all that the link says of it, its digest too.
        has_names: its classes had names of their own, which a link does not hold.
    """

    request: ModelRequest
    has_names: bool = False


@dataclass(frozen=True, eq=False)
class Review:
    """What came of looking.

    Attributes:
        key: of what was asked.
        rows: of the form.
        others: architectures that it may be of as well, with how far each agrees.
        request: ready to be used; None where it cannot be.
        problem: why not, in a sentence.
        can_mend: something in the form may mend it.
        answers: the likeliest ones for the picture.
        remark: why there are no answers, though it can be used.
        notes: sentences a person should read once.
    """

    key: Any
    rows: tuple[FormRow, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    request: ModelRequest | None = None
    problem: str | None = None
    can_mend: bool = True
    answers: tuple[Prediction, ...] = ()
    remark: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class OwnFile:
    """A file that was given, and what is said of it.

    Attributes:
        files: its bytes, and what lies beside it.
        digest: SHA-256 of its bytes.
        base: what was said before anyone wrote into the form: beside it, before, or by a link.
        told: by field, who said so.
        edits: what was written into the form, by field.
        is_remembered: something was kept of it.
        names: of its classes, as they were found.
        review: the last one.
        is_open: the form is on the screen.
        label_problem: why the last label file could not be read.
    """

    files: GivenFiles = field(repr=False)
    digest: str
    base: dict[str, Any]
    told: dict[str, str]
    edits: dict[str, Any] = field(default_factory=dict)
    is_remembered: bool = False
    names: tuple[str, ...] | None = None
    review: Review | None = None
    is_open: bool = True
    label_problem: str | None = None

    def forget(self) -> None:
        """Go back to what the file itself says, and what lies beside it."""
        self.base, self.told = dict(self.files.known), dict(self.files.reasons)
        self.edits.clear()
        self.is_remembered, self.names, self.review = False, None, None

    def take(self, review: Review) -> None:
        """Keep a review."""
        self.review = review
        if review.request is not None and not {*_NAMES} & {*self.edits}:
            self.names = review.request.label_names

    def make_key(self, picture: Picture | None) -> Any:
        """Changes with all that a review depends on."""
        edits = tuple(sorted((name, str(value)) for name, value in self.edits.items()))
        return self.digest, edits, tuple(self.base), None if picture is None else picture.digest

    def build_request(self) -> ModelRequest:
        """What is asked of the file: what was written, else what was said before; all else is left to be found.

        Raises:
            ModelError: something cannot be so.
        """
        base = {name: value for name, value in self.base.items() if name not in self.edits}
        if {*_NAMES} & {*self.edits}:
            base = {name: value for name, value in base.items() if name not in _NAMES}
        elif "architecture" in self.edits and self.names is not None:
            # Names that stand in the file are looked for only where the architecture is told from it too.
            base = {**base, "label_names": self.names}
        given = read_edits(self.edits)
        return build_file_request(self.files.data, self.files.name, recipe=encode_recipe(base), **given)


def start_review(files: GivenFiles, awaited: Awaited | None = None) -> OwnFile:
    """Put together what is said of a file already: a link goes before what is remembered, and that before what lies
    beside it.

    Args:
        files: as they were given.
        awaited: what a link asks for; it counts for that very file only.
    """
    digest = hashlib.sha256(files.data).hexdigest()
    base, told = dict(files.known), dict(files.reasons)
    kept = recall_recipe(digest)
    if kept:
        if {*_NAMES} & {*kept}:
            base = {name: value for name, value in base.items() if name not in _NAMES}
        base |= kept
        told |= dict.fromkeys(kept, "remembered of this file")
    if awaited is not None and awaited.request.digest == digest:
        # A link holds no names: those given with the file are its own, and so are those that were kept.
        names = files.known.get("label_names")
        names = base.get("label_names", names) if awaited.has_names else names
        base = awaited.request.recipe
        told |= dict.fromkeys(base, "the link says so")
        if names is not None and "labels" not in base:
            base["label_names"] = names
    return OwnFile(files, digest, base, told, is_remembered=bool(kept))


def review_file(
    own: OwnFile, picture: Picture | None, get_engine: Callable[[], Engine], report: Callable[[str], None]
) -> Review:
    """Look into a file, and ask it about a picture.

    Args:
        own: the file with what is said of it.
        picture: what it is tried on; None where there is none.
        get_engine: waits for the engine.
        report: is told what is being done.
    """
    from explain.models.inspection import UnknownNetworkError, inspect_file  # which takes torch

    key, before = own.make_key(picture), own.review
    kept_rows = () if before is None else tuple(_say_written(own, row) for row in before.rows)
    engine = _await(get_engine)
    report(f"Looking into {own.files.name} …")
    try:
        found = inspect_file(own.build_request(), own.files.data)
    except UnknownNetworkError as error:
        rows = tuple(ask_architecture("it is of no network that timm or torchvision has"))
        return Review(key, rows, problem=str(error))
    except ModelError as error:
        return Review(key, kept_rows, problem=str(error), can_mend=bool(kept_rows))
    except Exception:
        _log.exception("A file could not be looked into")
        sentence = f"“{own.files.name}” could not be looked into. The reason is in the server's log; try another file."
        return Review(key, kept_rows, problem=sentence, can_mend=bool(kept_rows))
    rows = tuple(list_rows(found, own.told | dict.fromkeys(own.edits, WRITTEN)))
    others = list_others(found)
    if found.problem is not None or found.loaded is None:
        rows = rows if not kept_rows or found.request.architecture is None else kept_rows
        return Review(key, rows, others, problem=found.problem, notes=found.notes)
    review = Review(key, rows, others, found.request, notes=found.notes)
    if engine is None:
        return replace(review, remark="It could not be tried on a picture, since the engine has not started.")
    if picture is None:
        return review
    return _try_on(review, found, picture, engine, report)


def _await(get_engine: Callable[[], Engine]) -> Engine | None:
    """The engine; None where it could not start, which the page says in its own place."""
    try:
        return get_engine()
    except Exception:
        _log.exception("A file cannot be tried without the engine")
        return None


def _say_written(own: OwnFile, row: FormRow) -> FormRow:
    """A row of an earlier review, where what was written since cannot be."""
    return replace(row, reason=WRITTEN, is_assumed=False) if row.field in own.edits else row


def _try_on(
    review: Review, found: Inspection, picture: Picture, engine: Engine, report: Callable[[str], None]
) -> Review:
    report("Asking it about the picture …")
    assert found.loaded is not None
    try:
        return replace(review, answers=tuple(engine.predict(picture, engine.load(found.loaded))))
    except ExplainError as error:
        return replace(review, remark=str(error))
    except Exception:
        _log.exception("A file could not be tried on a picture")
        return replace(review, remark="It could not be tried on this picture. The reason is in the server's log.")
