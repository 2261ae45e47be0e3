"""Without it: what removing regions of a picture or channels of a layer, and keeping them alone, does to the answer."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.browser.canvas import canvas, read_event
from components.choices.caution import show_cautions
from components.choices.methods import find_obstacles, read_settings
from components.choices.one_method import list_quick_methods, pick_method
from components.choices.one_picture import pick_one
from components.maps.buttons import follow_button
from components.maps.rows import find_known_mask
from components.maps.waiting import say_stopped
from components.page.link import get_view, keep_link
from components.page.presenter import PRESENTING
from components.page.subject import Subject, show_subject
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.work import Place, Work, is_stopped
from components.studio.effects import (
    CANVAS,
    Chosen,
    build_region_row,
    describe_numbers,
    follow_drawn,
    list_cells,
    make_key,
    offer_way_back,
    pick_reading,
    pick_source,
)
from components.studio.map_region import pick_map_region
from components.studio.parts import find_parts
from components.studio.views import CHART
from components.studio.without import pick_view
from components.words import escape
from explain.errors import ExplainError
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.pictures.geometry import find_box
from explain.pictures.picture import Picture
from explain.pictures.region import Region
from pages.without_views import channels, expected
from pages.without_views.asking import measure_regions


@show_faults
def show_page() -> None:
    """A region is taken away, and the answer said beside that of the same hole elsewhere; or channels of a layer."""
    show_subject("Without it", _show)


@st.fragment
@show_faults
def _show(subject: Subject) -> None:
    if (view := pick_view()) != "regions":
        {"channels": channels, "expected": expected}[view].show_view(subject)
        return
    follow_button(read_event(CANVAS), subject.model)
    with st.container(key="effects-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(subject.pictures)
        parts: dict[str, Region] = {name: mask for name, mask in find_parts(picture).items() if mask.any()}
        source = pick_source(bool(parts))
        regions, heatmap = dict[str, Region](), None
        if source == "map":
            method = pick_method(list_quick_methods(find_obstacles(subject.model)))
            how = pick_map_region()
        elif source == "drawn":
            regions = follow_drawn(picture)
            offer_way_back()
        elif source == "parts":
            regions = parts
        else:
            regions = list_cells(picture, find_box(picture.size, subject.model.preprocessing), source)
    show_cautions([picture], subject.model)
    keep_link()
    place = Place("without")
    if source == "map":
        asked = (subject.layer, subject.target, subject.score, picture.digest, method, read_settings(method))
        key = f"without {subject.model.fingerprint} {asked}"
        if is_stopped(key):
            with place.container():
                say_stopped()
            return
        work = Work(lambda work: _draw_map(subject, picture, method, work))
        heatmap = place.watch(work, "Explaining …", stop_key=key)
        high = find_known_mask(picture, heatmap, how).enlarge()
        regions = {f"where {get_method(method).title} is high": high}
    with st.container(key="effects-row", horizontal=True, gap="medium"):
        with st.container(width=540):
            box = find_box(picture.size, subject.model.preprocessing)
            row = build_region_row(picture, box, regions, heatmap, source == "drawn")
            canvas([row], get_view(), key=CANVAS, drawing=True)
        with st.container(width=440):
            _show_effects(subject, picture, regions)


def _draw_map(subject: Subject, picture: Picture, method: str, work: Work[Heatmap]) -> Heatmap:
    target = "auto" if subject.target is None else subject.target
    settings = {method: read_settings(method)}
    entry = subject.engine.explain(
        picture, subject.model, [method], subject.layer, target, settings, subject.score, cancel=work.cancel
    ).pictures[0]
    if not entry.maps:
        raise ExplainError(next(iter(entry.unavailable.values())))
    return entry.maps[0]


def _show_effects(subject: Subject, picture: Picture, regions: Mapping[str, Region]) -> None:
    """What the regions do, or what to do first."""
    if not regions:
        st.container(key="effects-hint").info(
            "Press **Box** or **Lasso** above the picture (keys b, l) and draw around a place. Or take grid cells.",
            icon=":material/gesture:",
        )
        return
    reading = pick_reading()
    keep_link()
    key = make_key(subject.model, subject.target, picture, regions)
    place = Place("effects")
    if is_stopped(key):
        with place.container():
            say_stopped()
        return
    effects = place.watch(
        Work(lambda work: measure_regions(subject, picture, regions, work)), "Painting over …", stop_key=key
    )
    with place.container():
        from components.studio.charts import draw_effects

        chosen = Chosen(reading, subject.score == "probability")
        st.markdown(escape(effects.sentence))
        if reading == "share" and effects.regions[0].score.share is None:
            st.info(effects.notes[0], icon=":material/functions:")
            return
        figure = draw_effects(effects, chosen, enlarged=bool(st.session_state.get(PRESENTING)))
        st.plotly_chart(figure, key="effects-bars", config=CHART)
        st.caption(escape(" ".join((describe_numbers(effects, chosen), *effects.notes))))


if __name__ == "__main__":
    go_through_front_door(__file__)
