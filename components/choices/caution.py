"""What must be said before an answer is read: that the model never saw a picture of this kind; and what to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from components.choices.chosen_model import ask_for_own, use_bundled
from components.choices.model import find_model_for
from components.words import escape
from explain.bundled.caution import caution_of, find_scan_model
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture

_STRANGE = "The model in use has no class for what this shows, and names the nearest."


@dataclass(frozen=True)
class Caution:
    """Beside a picture.

    Attributes:
        sentence: why its answer means little.
        model: the bundled model that knows the picture; None where only a model of the person's own could.
        known: what that model knows, in words, where the picture itself was not among it.
    """

    sentence: str
    model: str | None = None
    known: str = "it"

    @property
    def remedy(self) -> str:
        """What the button says."""
        return "Load your model" if self.model is None else f"Use {self.model}, which knows {self.known}"


NO_CAUTIONS: Mapping[str, Caution] = {}
"""Of pictures that the model knows."""


def find_cautions(pictures: Sequence[Picture], model: LoadedModel) -> dict[str, Caution]:
    """The cautions, by the digests of the pictures that need one. A person's own model is not judged, but for examples
    that it does not know.
    """
    found = {}
    for picture in pictures:
        sentence = caution_of(model.request.name, picture, model.request.source, model.labels)
        knowing = find_model_for([picture], model.labels)
        scan = find_scan_model(picture) if sentence and knowing is None else None
        if scan is not None:
            found[picture.digest] = Caution(sentence, *scan)
        elif sentence or knowing:
            found[picture.digest] = Caution(sentence or _STRANGE, knowing)
    return found


def show_cautions(pictures: Sequence[Picture], model: LoadedModel) -> None:
    """The cautions on a page without rows: each sentence once, and each remedy once beside those that it is for. What a
    remedy changes is the whole page's, so that all of it is made anew, also where this is a part of its own.
    """
    remedies: dict[Caution, list[str]] = {}
    for caution in dict.fromkeys(find_cautions(pictures, model).values()):
        remedies.setdefault(replace(caution, sentence=""), []).append(caution.sentence)
    for number, (remedy, sentences) in enumerate(remedies.items()):
        with st.container(key=f"caution-{number}", horizontal=True, vertical_alignment="center", gap="small"):
            for sentence in sentences:
                st.markdown(f":orange[:material/warning: **{escape(sentence)}**]", width="content")
            if st.button(remedy.remedy, key=f"caution-use-{number}", on_click=follow_caution, args=(remedy.model,)):
                st.rerun()


def follow_caution(model: str | None) -> None:
    """Use the bundled model of this name from the next run on; without one, ask for a file of the person's own."""
    if model is None:
        ask_for_own()
    else:
        use_bundled(model)
