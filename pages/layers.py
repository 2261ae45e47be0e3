"""Layers: what one method sees at every layer of the model, and what a layer's channels do for the class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from components.browser.cards import cards
from components.choices.caution import show_cautions
from components.choices.layer import choose_layer
from components.choices.methods import find_obstacles, show_settings
from components.choices.one_method import list_quick_methods, pick_method
from components.choices.one_picture import pick_one
from components.maps.formula import show_formula
from components.maps.frames import LARGE, SMALL, Ground, describe_range, prepare_ground, show_map
from components.maps.headings import describe_explained
from components.maps.layers import (
    Footing,
    build_layer_cards,
    choose_cell,
    find_cell,
    offer_highest_cell,
    pick_channel_count,
    pick_signed,
    show_channels,
    show_network,
)
from components.maps.wanted import pick_wish, show_wanted
from components.page.link import keep_link
from components.page.subject import Subject, show_subject
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.work import Place, Work
from components.words import escape
from explain.engine.explanation import PictureExplanation
from explain.maps.channels import break_down, rank_channels
from explain.maps.heatmap import Heatmap
from explain.methods import Settings, get_method
from explain.methods.formula import Cell
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture
from explain.pictures.geometry import find_box
from explain.pictures.picture import Picture


@show_faults
def show_page() -> None:
    """The network as a diagram, a map of each layer, and what is behind the chosen one."""
    show_subject("Layer by layer", _show)


@dataclass(frozen=True, eq=False)
class Ask:
    """One method, asked about one picture."""

    subject: Subject
    picture: Picture
    method: str
    settings: Settings
    target: int | str = "auto"

    def capture(self, layer: str) -> LayerCapture:
        """What the method is given at a layer."""
        engine, model = self.subject.engine, self.subject.model
        return engine.capture(self.picture, model, layer, self.target, self.subject.score, self.method, self.settings)


@show_faults
def _show(subject: Subject) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(subject.pictures)
        method = pick_method(list_quick_methods(find_obstacles(subject.model)))
        signed = pick_signed()
    show_cautions([picture], subject.model)
    ask = Ask(subject, picture, method, show_settings([method], [method])[method])
    place = Place("maps")
    entry = place.watch(Work(lambda work: _explain(ask, work)), "Explaining every layer …")
    ask = replace(ask, target=entry.targets[0])
    maps = {heatmap.layer: heatmap for heatmap in entry.maps if heatmap.method == method}
    layer = next(layer for layer in subject.model.layers if layer.name == subject.layer)
    with place.container():
        st.caption(escape(describe_explained(entry, subject.model.request.name, subject.score, layer)))
        show_network(subject.model, subject.layer, entry)
        ground = prepare_ground(picture, SMALL)
        items = build_layer_cards(subject.model.layers, maps, ground, signed)
        cards(items, "strip", "A map of each layer", chosen=subject.layer, on_press=choose_layer)
        st.header(f"{layer.name} · {layer.describe_grid()} cells", anchor=False)
        if layer.name not in maps:
            st.info(entry.unavailable.get(method, "There is no map of this layer."), icon=":material/layers:")
            return
        cell = find_cell(maps[layer.name].values)
        _show_map(maps[layer.name], prepare_ground(picture, LARGE), ask.capture(layer.name), cell, signed)
        _show_channels(ask, layer, cell, ground, entry.labels[0])
        _show_wanted(subject, layer, entry.targets[0])


def _explain(ask: Ask, work: Work[PictureExplanation]) -> PictureExplanation:
    """The method's map of each layer. Grad-CAM is asked too, so that the gradients of all layers are there at once."""
    return ask.subject.engine.explain(
        ask.picture,
        ask.subject.model,
        list(dict.fromkeys([ask.method, "grad-cam"])),
        [layer.name for layer in ask.subject.model.layers],
        "auto" if ask.subject.target is None else ask.subject.target,
        {ask.method: ask.settings},
        ask.subject.score,
        progress=lambda share, text: work.report(text, share),
        cancel=work.cancel,
    ).pictures[0]


def _show_map(heatmap: Heatmap, ground: Ground, capture: LayerCapture, cell: tuple[int, int], signed: bool) -> None:
    """The map of the chosen layer, large, and what it is made of at one cell."""
    method, values = get_method(heatmap.method), heatmap.values
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=410):
            line = f"Values {describe_range(values)}"
            show_map(
                heatmap, ground, line, 386, signed, cell, lambda row, column: choose_cell(row, column, values.shape)
            )
            offer_highest_cell()
        with st.container(width=560):
            breakdown = break_down(method, heatmap.settings, capture, cell)
            show_formula(method, heatmap.settings, breakdown, float(values[cell]))


def _show_channels(ask: Ask, layer: Layer, cell: Cell, ground: Ground, label: str) -> None:
    """The channels that raise the map at a cell and those that lower it, of the method chosen or of Grad-CAM."""
    method = get_method(ask.method)
    st.header("Its channels, for and against", anchor=False)
    if method.formula is None or method.formula.split is None:
        st.markdown(f"{method.title} adds up no channels, so these are Grad-CAM's.")
        method = get_method("grad-cam")
        ask = replace(ask, method=method.name, settings=method.settings())
    ranking = rank_channels(method, ask.settings, ask.capture(layer.name), cell, pick_channel_count(layer))
    assert ranking is not None  # it weighs channels
    box = find_box(ask.picture.size, ask.subject.model.preprocessing)
    show_channels(ranking, method, label, cell, Footing(layer.name, ground, box))


@show_faults
def _show_wanted(subject: Subject, layer: Layer, target: int) -> None:
    """What the class, or one of the layer's channels, wants to see. No fragment: a click in one ends no work."""
    show_wanted(subject.engine, subject.model, pick_wish(layer, target), keep_link)


if __name__ == "__main__":
    go_through_front_door(__file__)
