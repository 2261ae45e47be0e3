"""Without it, Channels and paths: what channels of the layer chosen on the left do, exactly."""

from __future__ import annotations

import streamlit as st

from components.browser.cards import cards
from components.choices.caution import show_cautions
from components.choices.one_picture import pick_one
from components.maps.waiting import say_stopped
from components.page.link import keep_link
from components.page.presenter import PRESENTING
from components.page.subject import Subject
from components.session.work import Place, Work, is_stopped
from components.studio.channels import (
    ChannelsShown,
    build_channel_cards,
    describe_bars,
    has_mean,
    list_beside,
    make_channels_key,
    pick_channel_reading,
    pick_earlier,
    pick_twin,
    pick_way,
)
from components.studio.views import CHART
from components.words import escape
from explain.pictures.geometry import find_box
from pages.without_views.asking import Asked, Found, measure_channels


def show_view(subject: Subject) -> None:
    """Bars by channel, what Grad-CAM's weights say of all, paths from an earlier layer, and heads and MLPs."""
    with st.container(key="channels-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(subject.pictures)
        twin = pick_twin(picture, subject.pictures)
        beside = list_beside(picture, subject.pictures)
        way = pick_way(has_mean(picture, beside), twin is not None)
        reading = pick_channel_reading()
        earlier = pick_earlier(subject.model.layers, subject.layer)
    show_cautions([picture], subject.model)
    keep_link()
    asked = Asked(picture, twin, beside, earlier)
    shown = ChannelsShown(way, reading, subject.score == "probability")
    key = make_channels_key(
        subject.model,
        subject.target,
        picture,
        {"layer": subject.layer, "earlier": earlier or "", "twin": twin.digest if twin else ""},
    )
    place = Place("channels")
    if is_stopped(key):
        with place.container():
            say_stopped()
        return
    work = Work(lambda work: measure_channels(subject, asked, work))
    found = place.watch(work, "Changing channels …", stop_key=key)
    with place.container():
        st.markdown(escape(found.channels.sentence))
        box = find_box(picture.size, subject.model.preprocessing)
        items = build_channel_cards(found.channels, shown, picture, box)
        cards(items, "channels-cards", "Where the channels that do most respond", width=112)
        st.caption("Where they respond: orange above zero, blue below. The number is that of the bars.")
        _show(found, shown)


def _show(found: Found, shown: ChannelsShown) -> None:
    from components.studio.channel_charts import draw_channels, draw_claims, draw_patches, draw_paths

    channels, paths, patches = found.channels, found.paths, found.patches
    enlarged = bool(st.session_state.get(PRESENTING))
    with st.container(key="channels-row", horizontal=True, gap="medium"):
        with st.container(width=480):
            st.plotly_chart(draw_channels(channels, shown, enlarged), key="channels-bars", config=CHART)
            st.caption(escape(" ".join((describe_bars(channels, shown), *channels.notes))))
        with st.container(width=480):
            st.plotly_chart(draw_claims(channels, shown, enlarged), key="channels-claims", config=CHART)
            st.caption(
                "On the dotted line a channel does what Grad-CAM's weight says. Away from it, what follows is not as "
                "simple as one weight a channel."
            )
    with st.container(key="paths-row", horizontal=True, gap="medium"):
        if paths is not None:
            with st.container(width=480):
                st.markdown(escape(paths.sentence))
                st.plotly_chart(draw_paths(paths, enlarged), key="channels-paths", config=CHART)
                st.caption(
                    "A path: how far the score falls where only the channel on the right changes, to what it becomes "
                    "with the one on the left at its mean. The wider, the more. Hover over a path for its number."
                )
        if patches is not None:
            with st.container(width=480):
                st.markdown(escape(patches.sentence))
                st.plotly_chart(draw_patches(patches, enlarged), key="channels-patches", config=CHART)
                st.caption("A head or an MLP alone is given the values that it has in the other picture.")
