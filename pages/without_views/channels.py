"""Without it, Channels and paths: what channels of the layer chosen on the left do, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components.choices.caution import show_cautions
from components.choices.one_picture import pick_one
from components.maps.waiting import say_stopped
from components.page.link import keep_link
from components.page.presenter import PRESENTING
from components.page.subject import Subject
from components.session.work import Place, Work, is_stopped
from components.studio.channels import (
    ChannelsShown,
    describe_bars,
    list_beside,
    make_channels_key,
    pick_channel_reading,
    pick_earlier,
    pick_twin,
    pick_way,
)
from components.studio.views import CHART
from components.words import escape
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.faithfulness.channels import Channels, Paths


@dataclass(frozen=True, eq=False)
class _Asked:
    """The question: a picture, the other picture, those whose mean is taken, and the earlier layer of paths."""

    picture: Picture
    twin: Picture | None
    beside: Sequence[Picture]
    earlier: str | None


def show_view(subject: Subject) -> None:
    """Bars by channel, what Grad-CAM's weights say of all, and paths from an earlier layer."""
    with st.container(key="channels-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(subject.pictures)
        twin = pick_twin(picture, subject.pictures)
        way = pick_way(twin is not None)
        reading = pick_channel_reading()
        earlier = pick_earlier(subject.model.layers, subject.layer)
    show_cautions([picture], subject.model)
    keep_link()
    asked = _Asked(picture, twin, list_beside(picture, subject.pictures), earlier)
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
    work = Work(lambda work: _measure(subject, asked, work))
    channels, paths = place.watch(work, "Changing channels …", stop_key=key)
    with place.container():
        _show(channels, shown, paths)


def _show(channels: Channels, shown: ChannelsShown, paths: Paths | None) -> None:
    from components.studio.channel_charts import draw_channels, draw_claims, draw_paths

    enlarged = bool(st.session_state.get(PRESENTING))
    st.markdown(escape(channels.sentence))
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
    if paths is not None:
        st.markdown(escape(paths.sentence))
        with st.container(width=620):
            st.plotly_chart(draw_paths(paths, enlarged), key="channels-paths", config=CHART)
            st.caption(
                "A path: how far the score falls where only the channel on the right changes, to what it becomes with "
                "the one on the left at its mean. The wider, the more. Hover over a path for its number."
            )


def _measure(
    subject: Subject, asked: _Asked, work: Work[tuple[Channels, Paths | None]]
) -> tuple[Channels, Paths | None]:
    target = "auto" if subject.target is None else subject.target
    share = 0.5 if asked.earlier else 1.0
    channels = subject.engine.measure_channels(
        asked.picture,
        subject.model,
        subject.layer,
        target,
        asked.beside,
        asked.twin,
        progress=lambda done, text: work.report(text, share * done),
        cancel=work.cancel,
    )
    if asked.earlier is None:
        return channels, None
    return channels, subject.engine.measure_paths(
        asked.picture,
        subject.model,
        (asked.earlier, subject.layer),
        target,
        asked.beside,
        progress=lambda done, text: work.report(text, share + share * done),
        cancel=work.cancel,
    )
