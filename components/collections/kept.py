"""What of a run that a page began lies on the disk: said, deleted, and swept out when its days are past."""

from __future__ import annotations

import streamlit as st

from components.access.person import do_people_log_in
from components.collections.views import KNOWN, RUN, SENT
from explain.collections.page_run import PageRun, sweep_page_runs
from explain.errors import ExplainError
from explain.pictures.naming import Names
from explain.training.detached import DAYS_KEPT, is_token

_DELETED, _PROBLEM = "collection-deleted", "collection-problem"

_NAMES: dict[Names, str] = {
    "auto": "without names of DICOM or NIfTI files",
    "hidden": "without their names",
    "shown": "with their names",
}


@st.cache_resource(ttl=3600, show_spinner=False)
def sweep_now_and_then() -> None:
    """Clear away runs whose days are past; once an hour at most."""
    sweep_page_runs()


def list_known() -> list[str]:
    """Tokens of the runs that this session has begun, or came to by a link."""
    known: list[str] = st.session_state.setdefault(KNOWN, [])
    for token in (st.session_state.get(SENT), st.session_state.get(RUN)):
        if token is not None and is_token(token) and token not in known:
            known.append(token)
    return known


def describe_keeping(names: Names, keep: bool) -> str:
    """What will be kept, where and for how long, in sentences.

    Args:
        names: whose are hidden.
        keep: whether the pictures stay when it is over.
    """
    where = f"They are put into CAMscope's data folder on this machine, {_NAMES[names]}"
    until = f"for {DAYS_KEPT} days after the end, or until you press Delete"
    seen = "Whoever has the address of the run can see it; nobody else."
    if do_people_log_in():
        seen = "Nobody but you can see them, whoever has the address of the run."
    if keep:
        return (
            f"{where}, and kept there with their maps {until}. Small copies are made of photographs, not of scans. "
            f"{seen}"
        )
    return (
        f"{where}, while it works, and deleted as soon as it is over. Maps, and small copies of photographs, are kept "
        f"{until}; but then no picture can be opened, and no strategy tested. {seen}"
    )


def say_what_is_kept(run: PageRun) -> None:
    """Which pictures of a run are on the disk, and until when."""
    state = run.state()
    what = "The pictures and their maps are" if state.has_pictures else "The maps are"
    gone = "" if state.has_pictures else " The pictures were not kept."
    st.caption(
        f"{what} kept in CAMscope's data folder on this machine for {DAYS_KEPT} days after the end.{gone} To delete "
        "all of it sooner, press Delete."
    )


def offer_to_delete(run: PageRun, key: str) -> None:
    """Delete a run that is over, with its pictures, once that is confirmed."""
    with st.popover("Delete", icon=":material/delete:", key=f"{key}-delete"):
        st.markdown(
            "This collection, its pictures, their maps and its address will be gone from this machine, and cannot be "
            "brought back."
        )

        def delete() -> None:
            try:
                run.delete()
            except ExplainError as error:
                st.session_state[_PROBLEM] = str(error)
                return
            for name in (SENT, RUN):
                if st.session_state.get(name) == run.token:
                    st.session_state.pop(name)
            if run.token in list_known():
                list_known().remove(run.token)
            st.session_state[_DELETED] = True

        st.button("Delete the collection and its pictures", key=f"{key}-delete-sure", type="primary", on_click=delete)


def say_what_was_done() -> None:
    """A word, once, that a run is gone, or why it could not be deleted."""
    if st.session_state.pop(_DELETED, False):
        st.success("The collection and its pictures are deleted.", icon=":material/check:")
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        st.error(problem, icon=":material/error:")


def say_gone() -> None:
    """That there is no run at the address that somebody came by."""
    st.warning(
        f"There is no collection at this address any more: it was deleted, or cleared away {DAYS_KEPT} days after its "
        "end.",
        icon=":material/link_off:",
    )
