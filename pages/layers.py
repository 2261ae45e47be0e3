"""Layers: what one method sees at every layer of the model, and what a layer's channels do for the class."""

from __future__ import annotations

import streamlit as st

from components.browser.cards import cards
from components.browser.network import network
from components.choices.layer import choose_layer
from components.choices.methods import find_obstacles, show_settings
from components.choices.one_method import list_quick_methods, pick_method
from components.choices.one_picture import pick_one
from components.maps.formula import show_formula
from components.maps.frames import LARGE, SMALL, Ground, describe_range, prepare_ground, show_map
from components.maps.headings import describe_explained
from components.maps.layers import (
    build_channel_cards,
    build_layer_cards,
    describe_channels,
    pick_channel_count,
    pick_signed,
)
from components.page.subject import Subject, show_subject
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.work import Place, Work
from components.words import escape, format_answer
from explain.engine.explanation import PictureExplanation
from explain.maps.channels import break_down, rank_channels
from explain.maps.heatmap import Heatmap, find_highest_cell
from explain.methods import Settings, get_method
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture
from explain.pictures.geometry import Box, find_box
from explain.pictures.picture import Picture


@show_faults
def show_page() -> None:
    """The network as a diagram, a map of each layer, and what is behind the chosen one."""
    show_subject("From stem to head", _show)


@show_faults
def _show(subject: Subject) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(subject.pictures)
        method = pick_method(list_quick_methods(find_obstacles(subject.model)))
        signed = pick_signed()
    settings = show_settings([method], [method])[method]
    place = Place("maps")
    entry = place.watch(
        Work(lambda work: _explain(subject, picture, method, settings, work)), "Explaining every layer …"
    )
    maps = {heatmap.layer: heatmap for heatmap in entry.maps if heatmap.method == method}
    layer = next(layer for layer in subject.model.layers if layer.name == subject.layer)
    with place.container():
        st.caption(escape(describe_explained(entry, subject.model.request.name, subject.score, layer)))
        _show_network(subject, entry)
        ground = prepare_ground(picture, SMALL)
        items = build_layer_cards(subject.model.layers, maps, ground, signed)
        cards(items, "strip", "A map of each layer", chosen=subject.layer, on_press=choose_layer)
        capture = subject.engine.capture(picture, subject.model, layer.name, entry.targets[0], subject.score)
        st.header(f"{layer.name} · {layer.describe_grid()} cells", anchor=False)
        if layer.name in maps:
            _show_map(maps[layer.name], prepare_ground(picture, LARGE), capture, signed)
        else:
            st.info(entry.unavailable.get(method, "There is no map of this layer."), icon=":material/layers:")
        box = find_box(picture.size, subject.model.preprocessing)
        _show_channels(capture, layer, ground, box, entry.labels[0])


def _explain(
    subject: Subject, picture: Picture, method: str, settings: Settings, work: Work[PictureExplanation]
) -> PictureExplanation:
    """The method's map of each layer. Grad-CAM is asked too, so that the gradients of all layers are there at once."""
    explanation = subject.engine.explain(
        picture,
        subject.model,
        list(dict.fromkeys([method, "grad-cam"])),
        [layer.name for layer in subject.model.layers],
        "auto" if subject.target is None else subject.target,
        {method: settings},
        subject.score,
        progress=lambda share, text: work.report(text, share),
        cancel=work.cancel,
    )
    return explanation.pictures[0]


def _show_network(subject: Subject, entry: PictureExplanation) -> None:
    height, width = subject.model.preprocessing.input_size
    answer = next((format_answer(p) for p in entry.predictions if p.index == entry.targets[0]), "")
    network(
        subject.model.layers,
        subject.layer,
        f"Picture {width}×{height}",
        f"{entry.labels[0]} {answer}".rstrip(),
        key="network",
        on_press=choose_layer,
    )


def _show_map(heatmap: Heatmap, ground: Ground, capture: LayerCapture, signed: bool) -> None:
    """The map of the chosen layer, large, and the sum behind its highest value."""
    method = get_method(heatmap.method)
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=410):
            show_map(heatmap, ground, f"Values {describe_range(heatmap.values)}", 386, signed)
        with st.container(width=460):
            breakdown, value = None, None
            if not heatmap.blank:
                cell = find_highest_cell(heatmap.values)
                breakdown, value = break_down(method, heatmap.settings, capture, cell), float(heatmap.values[cell])
            show_formula(method, breakdown, value)


def _show_channels(capture: LayerCapture, layer: Layer, ground: Ground, box: Box, label: str) -> None:
    """The channels that do most for or against the class, whatever the method."""
    st.header("Its strongest channels", anchor=False)
    ranking = rank_channels(capture, pick_channel_count(layer))
    st.caption(describe_channels(ranking, label))
    items = build_channel_cards(ranking, layer.name, ground, box)
    cards(items, "channels", "The strongest channels", layout="wall")


if __name__ == "__main__":
    go_through_front_door(__file__)
