"""Models: the cards of those that ship with CAMscope, and of the prompts that were trained here."""

from __future__ import annotations

import streamlit as st

from components.choices.model import describe_bundled
from components.page.subject import show_plain_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.studio.prompt_cards import show_library
from explain.bundled.models import (
    EXAMPLE_VOLUMES,
    BundledModel,
    bundled_models,
    bundled_volume_models,
    find_bundled_file,
)


@show_faults
def show_page() -> None:
    """A card for each bundled model and for each set of trained prompts."""
    show_plain_heading("Models")
    with st.container(key="prompt-library"):
        st.header("Your prompts", anchor="prompts")
        show_library()
    st.header("What ships with CAMscope", anchor="bundled")
    st.markdown(
        "These models work offline. Models of the hub and your own files are chosen on the Compare page, beside these."
    )
    with st.container(key="model-cards"):
        volumes = bundled_volume_models()
        for model in (*bundled_models(), *volumes):
            with st.expander(f"**{model.name}** · {describe_bundled(model)}", expanded=True, width=1100):
                _show_card(model)
                if model in volumes:
                    _offer_examples()


def _show_card(model: BundledModel) -> None:
    try:
        card = find_bundled_file(model.card).read_text(encoding="utf-8")
    except OSError:
        st.caption("The model card is missing from this installation.")
        return
    # The card's own title says again what the heading above it says.
    title, _, rest = card.partition("\n")
    st.markdown(rest if title.startswith("# ") else card)


def _offer_examples() -> None:
    """Drawn volumes to open on Compare, where the model is offered once a series is open."""
    st.markdown("To try it, open one of these on Compare and choose this model there:")
    with st.container(horizontal=True):
        for title, file in EXAMPLE_VOLUMES.items():
            name, icon = file.name, ":material/download:"
            st.download_button(title, file.read_bytes, name, key=f"example-{name}", on_click="ignore", icon=icon)


if __name__ == "__main__":
    go_through_front_door(__file__)
