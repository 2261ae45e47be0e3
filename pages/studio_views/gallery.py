"""Studio, Field guide: where each head of a class looks, over many pictures."""

from __future__ import annotations

import streamlit as st

from components.page.link import keep_link
from components.session.faults import show_faults
from components.session.work import Place, Work, go_on, is_stopped
from components.studio.eyes import pick_traits
from components.studio.trait_gallery import list_albums, pick_album, pick_crops, show_gallery
from components.studio.views import RUN
from components.words import escape
from explain.datasets.dataset import DataSet
from explain.engine.engine import Engine
from explain.errors import ExplainError
from explain.models.loaded import LoadedModel
from explain.training.run import TrainingRun
from explain.traits.gallery import Gallery, collect_gallery
from pages.studio_views.prompted import name_looker, pick_prompted_subject


def show_view(body: Place) -> None:
    """Where each head of a class looks most, over many pictures."""
    subject = pick_prompted_subject(body, with_pictures=False)
    if subject is not None:
        engine, model, _, target = subject
        with body.container():
            name_looker(model)
            _show_collection(engine, model, target)


@st.fragment
@show_faults
def _show_collection(engine: Engine, model: LoadedModel, target: int | None) -> None:
    if target is None:
        # A field guide is a class's: there is no picture whose likeliest it could be.
        target = 0
        st.caption(f"Choose a class on the left; “{escape(model.labels[0])}” is the first.")
    label = model.labels[target]
    albums = list_albums(label, _find_training_set())
    if not albums:
        reason = "The training in view kept none of its pictures. " if _has_no_pictures() else ""
        st.info(
            f"There are no pictures of “{label}” at hand. {reason}Open the address of a training that kept "
            "its pictures, or upload pictures of this class in the Eyes view.",
            icon=":material/photo_library:",
        )
        return
    with st.container(key="gallery-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        album = pick_album(albums)
        traits = pick_traits()
        crops = pick_crops()
    keep_link()
    key = f"gallery {model.fingerprint} {target} {album.key} {album.count} {traits} {crops}"
    kept: tuple[str, Gallery] | None = st.session_state.get("gallery-kept")
    place = Place("gallery")
    if is_stopped(key):
        with place.container():
            st.info("Stopped. Nothing was changed.", icon=":material/front_hand:")
            st.button("Look again", key="gallery-again", on_click=go_on)
        return
    if kept is None or kept[0] != key:
        work = Work(
            lambda work: collect_gallery(
                engine,
                album.read(),
                model,
                target,
                traits,
                crops,
                lambda share, text: work.report(text, share),
                work.cancel,
                album.count,
            )
        )
        kept = (key, place.watch(work, "Looking through the pictures …", stop_key=key))
        st.session_state["gallery-kept"] = kept
    with place.container():
        show_gallery(kept[1])


def _find_run() -> TrainingRun | None:
    token = st.session_state.get(RUN)
    return None if token is None else TrainingRun.find(token)


def _has_no_pictures() -> bool:
    return _find_run() is not None and _find_training_set() is None


def _find_training_set() -> DataSet | None:
    """The pictures of the training in view, where there is one and they are still there."""
    run = _find_run()
    try:
        return None if run is None else run.dataset()
    except ExplainError:
        return None
