"""Methods: the current picture under each of them, by family, with formula, paper and cost. Made from the registry."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.choices.caution import show_cautions
from components.choices.methods import find_obstacles
from components.choices.one_picture import pick_one
from components.maps.frames import prepare_ground
from components.maps.headings import describe_explained
from components.maps.method_cards import Wall, is_quick, search_methods, show_contents, show_wall
from components.page.link import keep_link
from components.page.subject import Subject, pick_subject, show_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.work import Place, Work
from components.words import escape
from explain.engine.explanation import PictureExplanation
from explain.maps.heatmap import Heatmap
from explain.methods import Method, all_methods
from explain.models.loaded import get_layer
from explain.pictures.picture import Picture

_SIDE = 320  # pixels of the picture's longer side on a card


@show_faults
def show_page() -> None:
    """A card for each registered method."""
    show_heading("Methods")
    st.markdown(
        "Each method asks the same network another question about the same picture. Where they disagree, none of them "
        "is the truth: a map shows what raised a score, not what is in the picture, and not why."
    )
    st.caption(
        "Relevance propagation (LRP, AttnLRP, the coefficients of RelP) is not among them: a patent stands on it, and "
        "whoever owns this project has to decide about that first."
    )
    text = st.text_input(
        "Search the methods",
        key="methods-search",
        placeholder="A name, a word of what it shows, an author, a year",
        width=420,
    )
    methods = search_methods(text or "")
    if not methods:
        st.info(f"No method is called that. There are {len(all_methods())}: empty the field.", icon=":material/search:")
    show_contents(methods)
    body, subject = pick_subject()
    keep_link()
    with body.container():
        if subject is not None and subject.pictures and subject.model.default_layer is not None:
            _show_maps(subject, methods)
        else:
            show_wall(methods, Wall())


def _show_maps(subject: Subject, methods: list[Method]) -> None:
    """The wall, with the maps of all methods that take little more than the pass that they share."""
    picture = pick_one(subject.pictures)
    layer = get_layer(subject.model, subject.layer)
    reasons = find_obstacles(subject.model)
    quick = [
        method.name
        for method in methods
        if method.name not in reasons
        and is_quick(method, method.count_passes(layer, method.settings()) if method.count_passes else 0)
    ]
    place = Place("method-wall")
    entry = place.watch(Work(lambda work: _explain(subject, picture, quick, work)), "Drawing the maps …")

    def draw(name: str, work: Work[Heatmap | str]) -> Heatmap | str:
        entry = _explain(subject, picture, [name], work)
        return entry.maps[0] if entry.maps else entry.unavailable[name]

    wall = Wall(
        question=(picture.digest, subject.model.fingerprint, subject.layer, str(entry.targets[0]), subject.score),
        ground=prepare_ground(picture, _SIDE),
        maps={heatmap.method: heatmap for heatmap in entry.maps},
        reasons={**reasons, **entry.unavailable},
        draw=draw,
        estimate=lambda method: subject.engine.estimate_seconds(subject.model, method, subject.layer),
    )
    with place.container():
        show_cautions([picture], subject.model)
        st.caption(escape(describe_explained(entry, subject.model.request.name, subject.score, layer)))
        show_wall(methods, wall)


def _explain(subject: Subject, picture: Picture, methods: list[str], work: Work[Any]) -> PictureExplanation:
    explanation = subject.engine.explain(
        picture,
        subject.model,
        methods,
        subject.layer,
        "auto" if subject.target is None else subject.target,
        {},
        subject.score,
        progress=lambda share, text: work.report(text, share),
        cancel=work.cancel,
    )
    return explanation.pictures[0]


if __name__ == "__main__":
    go_through_front_door(__file__)
