"""Clusters: how CF-CAM groups the channels of a layer, what each group adds, and what eps does to it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.browser.cards import cards
from components.browser.knee import knee
from components.choices.caution import show_cautions
from components.choices.methods import follow_settings, show_settings
from components.choices.one_picture import pick_one
from components.choices.settings import list_offered
from components.maps.clusters import (
    build_group_cards,
    describe_groups,
    draw_embedding,
)
from components.maps.eps_strip import METHOD, choose_eps, list_eps, show_eps_strip
from components.maps.frames import LARGE, TINY, describe_range, prepare_ground, show_map
from components.maps.headings import describe_explained
from components.page.link import keep_link
from components.page.presenter import PRESENTING
from components.page.subject import Subject, show_subject
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.work import Place, Work
from components.words import escape
from explain.engine.explanation import PictureExplanation
from explain.methods.cf_cam.clustering import measure_eps
from explain.methods.cf_cam.settings import CfCamSettings
from explain.methods.cf_cam.view import cluster_view
from explain.pictures.picture import Picture


@show_faults
def show_page() -> None:
    """The clustering of one picture's channels."""
    show_subject("How CF-CAM groups the channels", _show)


@st.fragment
@show_faults
def _show(subject: Subject) -> None:
    """Sliders and all that moves with them. Moving one reruns only this, and needs no pass of the network."""
    picture = pick_one(subject.pictures)
    show_cautions([picture], subject.model)
    settings = show_settings([METHOD], [METHOD])[METHOD]
    keep_link()
    assert isinstance(settings, CfCamSettings)
    place = Place("clusters")
    values = list_eps()
    asked = [settings, *(settings.model_copy(update={"eps": eps}) for eps in values)]
    entries = place.watch(Work(lambda work: _explain(subject, picture, asked, work)), "Grouping the channels …")
    with place.container():
        entry = entries[0]
        if not entry.maps:
            st.info(entry.unavailable.get(METHOD, "There is no map of this layer."), icon=":material/layers:")
            return
        heatmap = entry.maps[0]
        st.caption(escape(describe_explained(entry, subject.model.request.name, subject.score)))
        capture = subject.engine.capture(picture, subject.model, subject.layer, entry.targets[0], subject.score)
        view = cluster_view(capture, settings)
        steps = list_offered(CfCamSettings, "eps", settings.eps)
        with st.container(key="cluster-views", horizontal=True, gap="small"):
            with st.container(width=298):
                distances = measure_eps(capture, settings, steps).tolist()
                knee(
                    view.k_distances,
                    list(zip(steps, distances, strict=True)),
                    settings.eps,
                    view.clusters.min_samples,
                    key="knee",
                    on_eps=choose_eps,
                )
            with st.container(width=298):
                figure = draw_embedding(view, enlarged=bool(st.session_state.get(PRESENTING)))
                st.plotly_chart(figure, key="embedding", config={"displayModeBar": False})
            with st.container(width=278):
                line = f"{heatmap.layer} · {describe_range(heatmap.values)}"
                show_map(heatmap, prepare_ground(picture, LARGE), line, 250)
        st.caption(describe_groups(view, settings))
        st.header("What each group adds", anchor=False)
        groups = build_group_cards(view, settings, prepare_ground(picture, TINY), heatmap.box)
        cards(groups, "groups", "Groups of channels", width=96, layout="wall")
        st.caption("Orange speaks for the class, blue against it. Equal colours of what is added are equal values.")
        st.header("What each eps would give", anchor=False)
        maps = {eps: other.maps[0] for eps, other in zip(values, entries[1:], strict=True) if other.maps}
        show_eps_strip(maps, picture, settings, choose_eps)
    follow_settings([METHOD])


def _explain(
    subject: Subject, picture: Picture, asked: Sequence[CfCamSettings], work: Work[list[PictureExplanation]]
) -> list[PictureExplanation]:
    """CF-CAM with several settings, which share one pass."""
    return [
        subject.engine.explain(
            picture,
            subject.model,
            [METHOD],
            subject.layer,
            "auto" if subject.target is None else subject.target,
            {METHOD: settings},
            subject.score,
            progress=lambda share, text: work.report(text, share),
            cancel=work.cancel,
        ).pictures[0]
        for settings in asked
    ]


if __name__ == "__main__":
    go_through_front_door(__file__)
