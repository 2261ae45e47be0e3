"""Which of a session's pictures are sent to a run of their own, what is said before that, and the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from components.choices.chosen_model import get_choice
from components.choices.methods import read_settings
from components.choices.pictures import get_names, get_tray
from components.collections.kept import describe_keeping
from components.collections.uploads import read_once
from components.maps.question import Question
from components.session.gate import is_refused
from components.session.uploaded import take_over
from components.session.work import Work
from components.words import escape
from explain.collections.page_run import PageRun
from explain.collections.question import Order
from explain.collections.sending import FEWEST, Sending, list_sending
from explain.datasets.given import GivenFile, read_given
from explain.maps.render import encode_png
from explain.methods import get_method
from explain.pictures.picture import Picture
from explain.progress import Watch
from explain.training.detached import DAYS_KEPT

BEGINNING = "explain-all-beginning"
"""Of the session's state: the run that is being started."""

_KEEP, _JUDGE, _ASKED = "explain-all-keep", "explain-all-judge", "explain-all-asked"
_GIVEN, _UPLOADS = "explain-all-given", "explain-all-uploads"

_MOST_UNSEEN = 20.0
"""Seconds after which a start that no page looks at any more is given up: nothing is left of it then."""

_MOST_UPLOADED = 500  # MB, as for the server


class Beginning(Work[PageRun]):
    """A run that is being started: its pictures are put on the disk.

    Args:
        function: starts it.

    Attributes:
        seen: when a page looked last, by time.monotonic.
    """

    def __init__(self, function: Callable[[Work[PageRun]], PageRun]) -> None:
        self.seen = time.monotonic()
        super().__init__(function)

    def tell(self, share: float, text: str) -> None:
        """Say how far it is; it is given up where nobody looks any more."""
        if time.monotonic() > self.seen + _MOST_UNSEEN:
            self.cancel.set()
        self.report(text, share)


def offer_sending(question: Question) -> None:
    """What is sent, what is kept of it, and the button."""
    if is_refused("collections"):
        return
    if question.model.reads_volumes or not question.usable:
        st.caption(
            "This model reads whole volumes, and a collection is of pictures. Choose another on the left."
            if question.model.reads_volumes
            else "None of the methods chosen works on this model. Choose another on the left."
        )
        return
    st.caption(
        "Asks of many pictures at once what is asked above, and lays them out on *Collection*: filtered, sorted, and "
        "grouped by maps that are alike."
    )
    own, left = list_own(list(get_tray().own.values()), get_tray().files)
    given = _take_given()
    if isinstance(given, str):
        st.error(escape(given), icon=":material/error:")
        return
    sending = given or own
    count = len(sending.files)
    if count < FEWEST:
        what = "One picture alone is explained above already" if count else "None of your own pictures is here"
        st.info(f"{what}. Upload some on the left, or drop a zip or a folder here.", icon=":material/photo_library:")
        return
    _say_what_is_sent(question, sending, 0 if given else left)
    st.session_state.setdefault(_KEEP, True)
    st.checkbox("Also judge each map, which takes seconds a picture", key=_JUDGE, persist_state="session", value=False)
    keep = st.checkbox(f"Keep the pictures for {DAYS_KEPT} days", key=_KEEP, persist_state="session")
    st.caption(describe_keeping(get_names(), keep))
    st.button(
        f"Explain all {count:,}",
        key="explain-all-start",
        type="primary",
        icon=":material/play_arrow:",
        on_click=lambda: st.session_state.update({_ASKED: True}),
        help="In a process of its own: it goes on when you leave this page.",
    )
    if st.session_state.pop(_ASKED, False):
        _begin(question, sending)
        st.rerun()


def _say_what_is_sent(question: Question, sending: Sending, left: int) -> None:
    target = "each picture's likeliest class" if question.target is None else question.model.labels[question.target]
    methods = ", ".join(get_method(name).title for name in question.usable)
    layer = f"layer {question.layer}"
    # What is not named like a picture may be one, such as a DICOM file: it is found out when it is opened.
    what = "pictures" if all(file.looks_like_picture for file in sending.files) else "files"
    st.markdown(
        f"**{len(sending.files):,} {what}**: {escape(question.model.request.name)}, {escape(layer)}, "
        f"{escape(target)}, {methods}."
    )
    notes = []
    if sending.passed:
        notes.append(f"{sending.passed:,} other files are passed over.")
    if left:
        notes.append(
            f"{left:,} of your pictures {'are slices' if left > 1 else 'is a slice'} of a series, and left out: "
            "give its files in a zip."
        )
    with_others = question.combination
    if with_others.layers or with_others.augmentation != "none":
        notes.append("Further layers and views are left out: each map is of one layer.")
    for note in notes:
        st.caption(note)


def list_own(pictures: Sequence[Picture], files: Mapping[str, bytes]) -> tuple[Sending, int]:
    """A session's own pictures as files, and how many of them cannot be one.

    Args:
        pictures: its own.
        files: of those that came as files, these, by digest.
    """
    found = []
    for picture in pictures:
        data = files.get(picture.digest)
        if data is None and picture.section is None and picture.model_pixels is picture.pixels:
            data = encode_png(picture.pixels)
        if data is None:
            continue
        file = GivenFile((picture.name or "picture",), partial(read_given, data))
        if picture.modality is None and not file.looks_like_picture:
            file = GivenFile((f"{file.parts[0]}.png",), file.read)  # what has no such ending may be a scan
        found.append(file)
    return Sending(tuple(found)), len(pictures) - len(found)


def _take_given() -> Sending | str | None:
    """What a person dropped in place of the session's own pictures; a sentence where that cannot be sent."""
    files = st.file_uploader(
        "Others in their place: a zip, or a folder dropped here",
        accept_multiple_files=True,
        key=_name_field(),
        max_upload_size=_MOST_UPLOADED,
        help="They stay in the memory of the machine that runs CAMscope until you press “Explain all”.",
    )
    if not files:
        st.session_state.pop(_GIVEN, None)
        return None
    ids = tuple(file.file_id for file in files)
    return read_once(_GIVEN, ids, lambda: list_sending([(file.name, file.getvalue()) for file in files]))


def _name_field() -> str:
    return f"explain-all-upload-{st.session_state.get(_UPLOADS, 0)}"


def _begin(question: Question, sending: Sending) -> None:
    """Put the pictures on the disk and start the process, beside the page; a second press finds it under way."""
    if st.session_state.get(BEGINNING) is not None:
        return
    order = Order(
        source=Path(),
        out=Path(),
        model=question.model.request,
        methods=tuple(question.usable),
        settings={name: read_settings(name).model_dump(mode="json") for name in question.usable},
        layer=question.layer,
        target="auto" if question.target is None else question.target,
        score=question.score,
        verdicts=bool(st.session_state.get(_JUDGE)),
        thumbnails="photographs",
    )
    choice = get_choice()
    weights = choice.weights if question.model.request.source == "file" else None
    names, keep = get_names(), bool(st.session_state[_KEEP])

    def start(work: Work[PageRun]) -> PageRun:
        assert isinstance(work, Beginning)
        return PageRun.start(sending, order, names, Watch(work.tell, work.cancel), weights, keep)

    st.session_state[BEGINNING] = Beginning(start)
    take_over(st.session_state.get(_name_field()) or ())  # the process has them
    st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1  # an empty field
    st.session_state.pop(_GIVEN, None)
