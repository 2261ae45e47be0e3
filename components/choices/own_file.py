"""The person's own file: looked into as soon as it is dropped, tried on a picture, and used once they say so."""

from __future__ import annotations

import streamlit as st

from components.choices.chosen_model import ModelChoice, get_choice, use_choice
from components.choices.file_form import name_assumed, read_assumed
from components.choices.file_review import Awaited, OwnFile, Review, review_file, start_review
from components.choices.file_rows import show_answers, show_problem, show_row, show_rows
from components.choices.pictures import find_first_picture
from components.session.engine import start_engine
from components.session.faults import show_faults
from components.session.gate import is_refused
from components.session.work import Place, Work
from components.words import escape
from explain.errors import ModelError, StorageError
from explain.models.checkpoint import MOST_BYTES
from explain.models.given_files import gather_files
from explain.models.recipes import encode_recipe, forget_recipe, remember_recipe
from explain.models.request import ModelRequest
from explain.networks.meaning import Outputs
from explain.pictures.picture import Picture

_FILE, _REFUSED, _AWAITED = "own-file", "own-file-refused", "own-file-awaited"
_UPLOAD = "model-bytes"


@st.fragment
@show_faults
def ask_for_file() -> None:
    """Take a checkpoint, look into it at once, and show what was found before it becomes the model in use."""
    if is_refused("models"):
        return
    st.file_uploader(
        "Checkpoint",
        accept_multiple_files=True,
        key=_UPLOAD,
        on_change=_take_files,
        help="Weights in .safetensors, or in what torch.save wrote, under any name: .pt, .pth.tar, .ckpt, .bin. Give "
        "config.json, class names or the other parts of a checkpoint with them. Code in a file is never run.",
    )
    own: OwnFile | None = st.session_state.get(_FILE)
    place = Place("own-file")
    if own is not None:
        _look(own, place, find_first_picture())
        if own.review is not None and not own.review.can_mend:
            st.session_state[_REFUSED] = own.review.problem
            del st.session_state[_FILE]
            own = None
    with place.container():
        if st.session_state.get(_REFUSED):
            st.error(escape(st.session_state[_REFUSED]))
        in_use = own is not None and _is_in_use(own)
        if own is not None:
            st.caption(f"{escape(own.files.name)} is {'in use' if in_use else 'not in use yet'}.")
        if not in_use:
            # What stands below is said of the model in use, not of the file at hand.
            st.caption(f"In use: {escape(get_choice().request.name)}")
        if own is None:
            return
        st.button(
            "Its settings" if in_use else "Look at what was found",
            key="own-file-open",
            icon=":material/tune:",
            width="stretch",
            on_click=_open,
        )
    if own.is_open:
        _show_form(own)


def await_file(request: ModelRequest, has_names: bool) -> ModelChoice | None:
    """Say what a link asks of a file, which is given later. Call it before `pick_model`.

    Args:
        request: all that the link says, with the file's digest.
        has_names: its classes had names of their own, which a link does not hold.

    Returns:
        The model, where the file was given already; None where it has to be given.
    """
    awaited = st.session_state[_AWAITED] = Awaited(request, has_names)
    own: OwnFile | None = st.session_state.get(_FILE)
    if own is None or own.digest != request.digest:
        return None
    own = st.session_state[_FILE] = start_review(own.files, awaited)
    own.is_open = False
    return ModelChoice(own.build_request(), own.files.data)


def declare_outputs(choice: ModelChoice, outputs: Outputs) -> None:
    """Say of the file in use what its numbers mean: the form says the same from then on, and it is remembered."""
    request = choice.request.model_copy(update={"outputs": outputs})
    own: OwnFile | None = st.session_state.get(_FILE)
    if own is not None and own.digest == request.digest:
        own.edits["outputs"] = outputs
        own.is_remembered = _remember(request) or own.is_remembered
    use_choice(ModelChoice(request, choice.weights))


def _is_in_use(own: OwnFile) -> bool:
    choice = get_choice()
    return choice.weights is not None and choice.request.digest == own.digest


def _take_files() -> None:
    state = st.session_state
    given = state[_UPLOAD]
    for key in (_FILE, _REFUSED):
        state.pop(key, None)
    if not given:
        return
    if sum(file.size for file in given) > MOST_BYTES:
        state[_REFUSED] = f"These files are larger than {MOST_BYTES // 2**30} GB. Save the weights in half precision."
        return
    try:
        state[_FILE] = start_review(gather_files([(file.name, file.getvalue()) for file in given]), state.get(_AWAITED))
    except ModelError as error:
        state[_REFUSED] = str(error)


def _open() -> None:
    st.session_state[_FILE].is_open = True


def _close() -> None:
    own: OwnFile | None = st.session_state.get(_FILE)
    if own is not None:
        own.is_open = False


def _look(own: OwnFile, place: Place, picture: Picture | None) -> None:
    """Look into the file, where what is asked of it has changed and somebody will see what comes of it."""
    if not own.is_open or (own.review is not None and own.review.key == own.make_key(picture)):
        return
    starting = start_engine()

    def run(work: Work[Review]) -> Review:
        return review_file(own, picture, starting.result, work.report)

    own.take(place.watch(Work(run), f"Looking into {escape(own.files.name)} …"))


@st.dialog("Your own model", width="medium", on_dismiss=_close)
@show_faults
def _show_form(own: OwnFile) -> None:
    """What was found in the file, and what it answers: every row can be changed, and one press uses it."""
    picture = find_first_picture()
    place = Place("own-file-form")
    _look(own, place, picture)
    review = own.review
    assert review is not None
    with place.container():
        st.caption(_describe(own, review))
        if review.problem is not None:
            show_problem(review.problem)
        else:
            show_answers(review, picture)
        assumed = name_assumed(review.rows)
        if assumed and review.problem is None:
            st.markdown(
                f":orange-badge[:material/visibility: Please check] Assumed, since the file does not say: {assumed}."
            )
        for row in review.rows:
            if row.is_open_question:
                show_row(own, row)
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = st.button("Use this model", key="own-file-use", type="primary", icon=":material/check:")
            if own.edits:
                st.button("Undo changes", key="own-file-undo", type="tertiary", on_click=own.edits.clear)
        for note in own.files.notes:
            st.caption(escape(note))
        st.divider()
        show_rows(own, review)
        _offer_recipe(own, review)
    if pressed:
        _use(own, review)


def _use(own: OwnFile, review: Review) -> None:
    if review.request is None:
        return  # the sentence above says why
    use_choice(ModelChoice(review.request, own.files.data))
    st.session_state.pop(_AWAITED, None)
    own.is_open = False
    own.is_remembered = _remember(review.request) or own.is_remembered
    st.rerun()


def _remember(request: ModelRequest) -> bool:
    if request.digest is None:
        return False
    try:
        remember_recipe(request.digest, request.recipe)
    except StorageError as error:
        st.toast(f"{error} The model is used, but its settings are not remembered.", icon=":material/warning:")
        return False
    return True


def _describe(own: OwnFile, review: Review) -> str:
    """The file in one line."""
    parts = [f"**{escape(own.files.name)}**", _write_bytes(len(own.files.data))]
    if review.request is not None and review.request.architecture is not None:
        parts.append(escape(review.request.architecture))
    if own.is_remembered:
        parts.append("its settings are remembered")
    return " · ".join(parts)


def _write_bytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{max(count / 1e3, 1):.0f} kB"


def _offer_recipe(own: OwnFile, review: Review) -> None:
    """What is said of the file, to take along, and to be forgotten."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if review.request is not None:
            st.download_button(
                "Recipe",
                encode_recipe(review.request.recipe, read_assumed(review.rows)),
                f"{own.files.name}.toml",
                "application/toml",
                key="own-file-recipe",
                icon=":material/download:",
                on_click="ignore",
                help="All these settings as a TOML file, for --recipe on the command line, or to give with the file.",
            )
        if own.is_remembered:
            st.button("Forget these settings", key="own-file-forget", type="tertiary", on_click=_forget, args=(own,))
    st.caption(
        "Once used, the settings are remembered in the data folder by the file's SHA-256: neither its weights nor its "
        "name. The command line takes them too."
    )


def _forget(own: OwnFile) -> None:
    try:
        forget_recipe(own.digest)
    except StorageError as error:
        st.toast(str(error), icon=":material/warning:")
        return
    own.forget()
