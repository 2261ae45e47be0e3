"""Without it, What was expected: whether regions do what an expert would say, and which layers look there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from components.browser.canvas import canvas
from components.choices.caution import show_cautions
from components.choices.one_picture import pick_one
from components.maps.waiting import say_stopped
from components.page.link import get_view, keep_link
from components.page.subject import Subject
from components.session.work import Place, Work, is_stopped
from components.studio.effects import CANVAS, build_region_row, follow_drawn, make_key, offer_way_back
from components.studio.expectation import fill_in, offer_table, pick_regions, show_layers, show_parts
from components.studio.parts import find_parts
from explain.faithfulness.expectation import judge_parts
from explain.pictures.geometry import find_box
from explain.pictures.picture import Picture
from explain.pictures.region import Region, join_regions
from pages.without_views.asking import measure_regions

if TYPE_CHECKING:
    from explain.faithfulness.expectation import LayerLook, Sign


def show_view(subject: Subject) -> None:
    """The table to fill in beside the picture, and below what comes of it."""
    with st.container(key="expected-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(subject.pictures)
        regions: dict[str, Region] = {name: mask for name, mask in find_parts(picture).items() if mask.any()}
        drawn = pick_regions(bool(regions)) == "drawn"
        if drawn:
            regions = follow_drawn(picture)
            offer_way_back()
    show_cautions([picture], subject.model)
    keep_link()
    with st.container(key="expected-row", horizontal=True, gap="medium"):
        with st.container(width=540):
            box = find_box(picture.size, subject.model.preprocessing)
            canvas([build_region_row(picture, box, regions, None, drawn)], get_view(), key=CANVAS, drawing=True)
        with st.container(width=440):
            if not regions:
                st.info("Draw around places on the picture, then say what each should do.", icon=":material/gesture:")
                return
            label = _find_label(subject, picture)
            row = fill_in(label, [*regions])
            offer_table(label, row)
    if not any(row.values()):
        st.info("Say of at least one region that it should speak for the class, or against it.", icon=":material/rule:")
        return
    _show_found(subject, picture, regions, row)


def _find_label(subject: Subject, picture: Picture) -> str:
    """Name of the class in question."""
    if subject.target is not None:
        return subject.model.labels[subject.target]
    return subject.engine.predict(picture, subject.model, 1)[0].label


def _show_found(subject: Subject, picture: Picture, regions: Mapping[str, Region], row: Mapping[str, Sign]) -> None:
    key = f"expected {make_key(subject.model, subject.target, picture, regions)}"
    place = Place("expected")
    if is_stopped(key):
        with place.container():
            say_stopped()
        return
    effects = place.watch(
        Work(lambda work: measure_regions(subject, picture, regions, work)), "Painting over …", stop_key=key
    )
    wanted = [region for name, region in regions.items() if row[name] > 0]
    looks: tuple[LayerLook, ...] = ()
    if wanted:
        joined = join_regions(wanted, picture.size)
        looks = place.watch(
            Work(lambda work: _look(subject, picture, joined, work)), "Looking at every layer …", stop_key=key
        )
    with place.container(), st.container(horizontal=True, gap="medium"):
        with st.container(width=490):
            show_parts(judge_parts(effects, row))
        with st.container(width=490):
            if looks:
                show_layers(looks)


def _look(
    subject: Subject, picture: Picture, region: Region, work: Work[tuple[LayerLook, ...]]
) -> tuple[LayerLook, ...]:
    from explain.engine.expecting import look_by_layer

    return look_by_layer(subject.engine, picture, subject.model, region, cancel=work.cancel)
