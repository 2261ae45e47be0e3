"""The model that a session uses, wherever it was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from explain.bundled.models import FIRST_MODEL
from explain.models.request import ModelRequest

_STATE = "model"
GOES_TO = "model-goes-to"
"""Of the session's state: the source that the list of sources is to show next."""


@dataclass
class ModelChoice:
    """The model a session uses.

    Attributes:
        request: which.
        weights: the bytes of a checkpoint.
        problem: why it could not be loaded, once that is known.
        from_link: a link asks for it, and not the person. What would be fetched over the network waits for their word.
    """

    request: ModelRequest = field(default_factory=lambda: ModelRequest(source="bundled", name=FIRST_MODEL))
    weights: bytes | None = field(default=None, repr=False)
    problem: str | None = None
    from_link: bool = False


def get_choice() -> ModelChoice:
    """This session's model."""
    if _STATE not in st.session_state:
        st.session_state[_STATE] = ModelChoice()
    return st.session_state[_STATE]


def use_bundled(name: str) -> None:
    """Use a bundled model from the next run on."""
    use_choice(ModelChoice(ModelRequest(source="bundled", name=name)))


def ask_for_own() -> None:
    """Turn to the form for a file of the person's own from the next run on; the model in use stays until then."""
    st.session_state[GOES_TO] = "file"
    # The form is in the side bar: below its fold on most screens, and behind a button on a small one.
    st.toast(
        "Give your file in the bar on the left, under “Model”. On a small screen, » opens it.",
        icon=":material/upload_file:",
    )


def use_choice(choice: ModelChoice) -> None:
    """Use this model from the next run on, or from `pick_model` on in this one, and show where it is from."""
    keep_choice(choice)
    st.session_state[GOES_TO] = choice.request.source


def keep_choice(choice: ModelChoice) -> None:
    """Use this model, which was chosen where its source is shown already."""
    st.session_state[_STATE] = choice
