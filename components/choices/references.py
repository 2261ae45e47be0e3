"""Reference pictures, like those a model of one's own learned from: kept in the session, compared with on Compare."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import streamlit as st

from components.session.idle import find_holdings
from components.session.uploaded import take_over
from components.session.work import Place, Work
from components.words import escape
from explain.datasets.loose import MOST_PICTURES, Loose, LoosePicture, read_loose
from explain.errors import ExplainError
from explain.faithfulness.unlike import FEWEST, check_count
from explain.models.loaded import LoadedModel
from explain.pictures.kind import Kind

_STATE = "references"
_SHARE_OF_A_KIND = 0.1
"""Of the references, from which on one kind beside another is no slip in telling it."""

_KINDS: dict[Kind, str] = {
    "photograph": "photographs",
    "scan": "scans",
    "page": "text or line drawings",
    "drawing": "drawings",
}


@dataclass
class References:
    """What a session compares pictures with.

    Attributes:
        found: what was read; None before anything was, and where it was refused.
        problem: why it was refused.
        waiting: files that are not read yet, by path.
        uploads: how many uploads there were; a new number empties the upload field.
    """

    found: Loose | None = None
    problem: str = ""
    waiting: list[tuple[str, bytes]] = field(default_factory=list)
    uploads: int = 0

    def count_bytes(self) -> int:
        """Memory that the files take."""
        read = () if self.found is None else self.found.pictures
        return sum(len(one.data) for one in read) + sum(len(data) for _, data in self.waiting)

    def let_go(self, minutes: int) -> None:
        """Forget them, because nobody has touched them for so many minutes and others need room."""
        if self.count_bytes():
            self.found, self.waiting = None, []
            self.problem = (
                f"The reference pictures were taken out of the memory after {minutes} minutes without a press, because "
                "others use this server too. Give them again to go on."
            )

    def take(self, found: Loose) -> None:
        """Keep what was read, where it is enough."""
        self.found, self.problem = None, ""
        if not found.pictures:
            self.problem = f"No picture is among these {found.given:,} files. {found.reason}".strip()
            return
        try:
            check_count(len(found.pictures))
            self.found = found
        except ExplainError as error:
            self.problem = f"{error} {describe_left_out(found)}".strip()


def get_references(model: LoadedModel) -> tuple[LoosePicture, ...]:
    """What pictures are compared with for a model: nothing for a bundled one, which has statistics of those that it
    learned from, and for one that has no layer to compare them by.
    """
    references: References | None = st.session_state.get(_STATE)
    if references is None or references.found is None or model.request.source == "bundled" or not model.layers:
        return ()
    return references.found.pictures


def make_references_key(pictures: tuple[LoosePicture, ...]) -> str:
    """A digest of them; empty for none."""
    return hashlib.sha256("".join(sorted(one.digest for one in pictures)).encode()).hexdigest() if pictures else ""


def offer_references() -> None:
    """Take reference pictures beside a model that does not bring statistics of its own, and say what came of it."""
    references: References = st.session_state.setdefault(_STATE, References())
    find_holdings().touch(references)
    place = Place("references-reading")
    if references.waiting:
        files = references.waiting

        def read(work: Work[Loose]) -> Loose:
            return read_loose(files, lambda share, text: work.report(text, share), work.cancel)

        try:
            references.take(place.watch(Work(read), "Reading the reference pictures …"))
        except ExplainError as error:
            references.found, references.problem = None, str(error)
        references.waiting = []  # only now: a click in between begins the reading again
    with place.container():
        _show(references, references.found)


def _show(references: References, found: Loose | None) -> None:
    if found is None:
        st.caption("Not measured: whether a picture is like those the model learned from.")
    title = "Reference pictures" if found is None else f"Reference pictures: {len(found.pictures):,}"
    with st.expander(title, icon=":material/rule:"):
        if found is None:
            _show_field(references)
        else:
            _show_found(references)
    for note in () if found is None else (describe_left_out(found), describe_kinds(found)):
        if note:
            st.caption(f":orange[:material/warning: {escape(note)}]")
    if references.problem:
        st.error(escape(references.problem))


def _show_field(references: References) -> None:
    key = f"references-{references.uploads}"

    def take() -> None:
        given = st.session_state.get(key)
        if given:
            references.uploads += 1
            references.waiting = take_over(given)

    st.caption(
        f"Give at least {FEWEST} like those the model learned from. Compare then says of a picture that it is unlike "
        "them, above its maps."
    )
    st.file_uploader(
        "Pictures, a zip, or a folder dropped here",
        accept_multiple_files=True,
        key=key,
        on_change=take,
        help="Each takes one pass of the network, once. They stay in the memory of the machine that runs CAMscope, for "
        "this session only.",
    )


def _show_found(references: References) -> None:
    st.caption("Pictures on Compare are compared with these. They stay in memory, for this session only.")

    def forget() -> None:
        references.found = None

    st.button("Forget them", key="references-forget", on_click=forget, width="stretch")


def describe_left_out(found: Loose) -> str:
    """What of the files is not among the pictures, in a sentence; empty where all are."""
    count, several = found.unreadable, found.unreadable > 1
    left = f"{count:,} {'files' if several else 'file'} could not be read: {found.reason}" if count else ""
    too_many = found.given > MOST_PICTURES
    more = f"Of {found.given:,} files {MOST_PICTURES:,} were taken, evenly." if too_many else ""
    return " ".join(filter(None, (left, more)))


def describe_kinds(found: Loose) -> str:
    """That the pictures are of several kinds, in a sentence; empty where they are of one."""
    least = _SHARE_OF_A_KIND * len(found.pictures)
    kinds = [f"{count:,} {_KINDS[kind]}" for kind, count in found.kinds.items() if count >= least]
    if len(kinds) < 2:
        return ""
    return (
        f"They look to be of several kinds: {', '.join(kinds[:-1])} and {kinds[-1]}. If the model learned from one "
        "kind, give that alone: else hardly anything is unlike them."
    )
