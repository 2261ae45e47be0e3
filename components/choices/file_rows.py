"""The form for a person's file, as it is drawn: the answers to one picture, and a row for all that was found."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.choices.file_form import LABEL_CHOICES, NUMBERED, OPEN, FormRow, word_choice
from components.choices.file_review import OwnFile, Review
from components.choices.pictures import make_thumbnail
from components.words import escape, format_answer
from explain.errors import ModelError
from explain.models.label_file import read_labels
from explain.pictures.picture import Picture

_LABEL_FILE = "model-label-file"
_SHOWN = ("The architecture was guessed", "No class names were given")
"""Beginnings of notes that a row says already."""

_KEYS = {
    "architecture": "model-architecture",
    "input_size": "model-size",
    "resize_size": "model-resize-size",
    "label_names": "model-label-names",
}
"""Keys of the widgets whose fields have other names."""

_PLACEHOLDERS = {
    "architecture": "torchvision/squeezenet1_0 or timm/resnet18",
    "input_size": "224 or 256x128",
    "resize_size": "256",
    "global_pool": "avg, max, token …",
    "spacing": "2.5, 1.5, 1.5",
    "orientation": "SPL",
    "window": "-500, 500",
}
_LABEL_FILES = ["txt", "json", "csv", "tsv", "yaml", "yml", "names"]
_MOST_WRITTEN = 1000  # names that can be written over: more are a file's business


def show_problem(problem: str) -> None:
    """Why it cannot be used; what names of tensors prove it is there for who asks."""
    sentence, listed, names = problem.partition(" Missing (")
    if not listed:
        sentence, listed, names = problem.partition(" Unexpected (")
    # A stranger chose the names: as Markdown, one could be a picture from elsewhere.
    st.error(escape(sentence), icon=":material/error:")
    if listed:
        with st.expander("Which tensors", key="own-file-tensors"):
            st.caption(escape(listed.strip() + names))


def show_answers(review: Review, picture: Picture | None) -> None:
    """The picture, and what the file says of it."""
    if picture is None or not review.answers:
        st.info(
            escape(review.remark) if review.remark else "Choose a picture to see what it answers.",
            icon=":material/image:",
        )
        return
    left, right = st.columns([1, 2.4], vertical_alignment="center")
    left.image(make_thumbnail(picture), width="stretch")
    with right:
        st.markdown("**Does this look right?**")
        for answer in review.answers:
            words = f"{escape(answer.label)} · **{format_answer(answer)}**"
            if answer.probability is None:
                st.markdown(words)
            else:
                st.progress(min(max(answer.probability, 0.0), 1.0), words)


def show_rows(own: OwnFile, review: Review) -> None:
    rows = {row.field: row for row in review.rows if row.field is not None and not row.is_open_question}
    architecture = rows.get("architecture")
    if architecture is not None:
        show_row(own, architecture)
        _offer_others(own, review)
    names = rows.get("label_names")
    if names is not None:
        _show_names(own, names)
    _show_grid(
        own, [row for field, row in rows.items() if field in OPEN and field not in ("architecture", "label_names")]
    )
    folded = [row for field, row in rows.items() if field not in OPEN]
    if folded:
        mark = " · :orange[please check]" if any(row.is_assumed for row in folded) else ""
        with st.expander(f"Preprocessing{mark}", key="own-file-more"):
            _show_grid(own, folded)
    said = [row for row in review.rows if row.field is None]
    if said:
        with st.expander("What else the file holds", key="own-file-said"):
            for row in said:
                reason = f":gray[:small[{escape(_begin(row.reason))}.]]"
                st.markdown(f"**{row.title}** · {escape(row.found)}  \n{reason}")
            for note in review.notes:
                if not note.startswith(_SHOWN):
                    st.caption(escape(note))


def _show_grid(own: OwnFile, rows: Sequence[FormRow]) -> None:
    """Rows in pairs, one beside the other."""
    for first in range(0, len(rows), 2):
        for column, row in zip(st.columns(2, gap="medium"), rows[first : first + 2], strict=False):
            with column:
                show_row(own, row)


def show_row(own: OwnFile, row: FormRow) -> None:
    """One field, filled in, with the reason below it."""
    assert row.field is not None
    field = row.field
    key = _KEYS.get(field, f"model-{field.replace('_', '-')}")
    text = own.edits.get(field, row.text)

    def read() -> None:
        own.edits[field] = st.session_state[key] or ""

    with st.container(key=f"own-row-{field}", gap=None):
        if row.kind == "choice":
            st.session_state[key] = text if text in row.options else None
            st.selectbox(
                row.title,
                row.options,
                key=key,
                format_func=word_choice,
                placeholder="Not said: shown as it is" if field == "outputs" else "As published",
                on_change=read,
                filter_mode=None,
            )
        else:
            st.session_state[key] = text
            st.text_input(row.title, key=key, placeholder=_PLACEHOLDERS.get(field), on_change=read)
        mark = ":orange-badge[please say] " if row.is_open_question and not own.edits.get(field) else ""
        mark = ":orange-badge[please check] " if row.is_assumed else mark
        st.markdown(f"{mark}:gray[:small[{escape(_begin(row.reason))}.]]")


def _begin(reason: str) -> str:
    """A reason as a sentence without its full stop; names of files keep their letters."""
    plain = reason.rstrip(".")
    return plain if "." in plain.partition(" ")[0] else plain[:1].upper() + plain[1:]


def _offer_others(own: OwnFile, review: Review) -> None:
    """Architectures that it may be of as well, to be taken with one press."""
    if not review.others:
        return
    others = dict(review.others)
    key = "own-file-others"
    st.session_state[key] = None

    def read() -> None:
        if st.session_state[key] is not None:
            own.edits["architecture"] = st.session_state[key]

    st.pills(
        "It may also be" if review.request is not None else "Nearest",
        [*others],
        key=key,
        format_func=lambda name: f"{name} · {others[name]}",
        on_change=read,
    )


def _show_names(own: OwnFile, row: FormRow) -> None:
    """Names of the classes: those found, a known set, a file of them, or written."""
    left, right = st.columns(2, gap="medium")
    key = "model-labels"
    found = "As given" if row.text else "Numbered"
    names = row.text.splitlines()
    st.session_state[key] = own.edits.get("labels", row.text if row.text in LABEL_CHOICES else NUMBERED)

    def read() -> None:
        own.edits.pop("label_names", None)
        own.edits["labels"] = st.session_state[key]

    with left:
        st.selectbox(
            "Class names",
            LABEL_CHOICES,
            key=key,
            format_func=lambda name: found if name == NUMBERED else word_choice(name),
            on_change=read,
            filter_mode=None,
        )
        said = row.found if row.text else _begin(row.found)  # names of classes keep their letters
        st.markdown(f":gray[:small[{escape(said)}: {escape(row.reason)}.]]")
        if len(names) <= _MOST_WRITTEN:
            with st.popover("Write them", icon=":material/edit:", width="stretch"):
                _show_lines(own, row.text)
    with right:
        st.file_uploader(
            "Label file",
            type=_LABEL_FILES,
            key=_LABEL_FILE,
            on_change=_take_labels,
            args=(own,),
            max_upload_size=4,
            help="One class a line, with or without its number, or JSON or CSV as training scripts write it.",
        )
        if own.label_problem:
            st.error(escape(own.label_problem))


def _show_lines(own: OwnFile, text: str) -> None:
    """Names of the classes as lines to write."""
    key = _KEYS["label_names"]
    st.session_state[key] = text if text not in LABEL_CHOICES else ""

    def read() -> None:
        own.edits.pop("labels", None)
        own.edits["label_names"] = st.session_state[key]

    st.text_area("One a line, in the order of the classes", key=key, height=240, on_change=read)


def _take_labels(own: OwnFile) -> None:
    file = st.session_state[_LABEL_FILE]
    own.label_problem = None
    own.edits.pop("label_names", None)
    if file is None:
        return
    try:
        own.edits["label_names"] = read_labels(file.getvalue())
    except ModelError as error:
        own.label_problem = str(error)
    own.edits.pop("labels", None)
